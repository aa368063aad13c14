"""GET /v1/models over HTTP: what a key may call, in OpenAI's shape."""

from __future__ import annotations

import httpx
import openai

from keys.models import ApiKey
from tests.chat.priced_model import priced_model


def test_it_lists_the_models_of_a_key_and_auto(customer):
    owner = customer()
    client = openai.OpenAI(base_url=owner.v1, api_key=owner.token)
    models = {model.id: model for model in client.models.list()}
    assert {"auto", "MiniMax-M2.7", "gpt-4o-mini", "qwen-max"} <= set(models)
    assert next(iter(models)) == "auto"
    assert {(model.object, model.owned_by) for model in models.values()} == {("model", "beatra")}
    assert client.models.retrieve("MiniMax-M2.7").created == models["MiniMax-M2.7"].created


def test_a_keys_model_list_narrows_it(customer):
    owner = customer()
    ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=["qwen-max"])
    answer = owner.http.get("/models").json()
    assert [model["id"] for model in answer["data"]] == ["auto", "qwen-max"]
    assert owner.http.get("/models/gpt-4o-mini").json()["error"]["code"] == "not_found"


def test_a_new_model_is_there_within_seconds(site, customer):
    id = priced_model(site.v1, input_usd="0.000001", output_usd="0.000001", markup="1")
    assert customer().http.get(f"/models/{id}").json()["id"] == id


def test_it_wants_a_key(site):
    response = httpx.get(f"{site.v1}/models")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")


def test_an_unknown_model_is_not_found(customer):
    response = customer().http.get("/models/no/such/model")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
