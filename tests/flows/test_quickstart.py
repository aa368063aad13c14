"""The quickstart as a newcomer runs it: curl and OpenAI's SDK, with nothing changed but the base URL and the key."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import openai
import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
QUICKSTART = """
curl --silent --show-error "$BEATRA_BASE_URL/chat/completions" \\
  -H "Authorization: Bearer $BEATRA_API_KEY" \\
  -H "Content-Type: application/json" \\
  -H "Idempotency-Key: $(uuidgen)" \\
  -d '{
    "model": "auto",
    "messages": [{"role": "user", "content": "Say hi in five words."}]
  }'
"""
README_CURL = re.search(r"^curl .*?\n```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", [QUICKSTART, README_CURL.group().removesuffix("```") if README_CURL else ""], ids=["docs", "readme"])
def test_the_curl_of_the_quickstart_works_as_it_stands(customer, command: str):
    owner = customer()
    environment = {**os.environ, "BEATRA_BASE_URL": owner.v1, "BEATRA_API_KEY": owner.token}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert len(answer["choices"][0]["message"]["content"].split()) == 5
    assert answer["usage"]["credits"] == str(owner.record.charged_credits)


def test_the_openai_sdk_works_with_another_base_url(customer):
    owner = customer()
    client = openai.OpenAI(base_url=owner.v1, api_key=owner.token)
    answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Say hi in five words."}])
    assert len((answer.choices[0].message.content or "").split()) == 5
    assert answer.usage is not None
    assert answer.usage.model_extra is not None
    assert answer.usage.model_extra["credits"] == str(owner.record.charged_credits)


def test_the_async_openai_sdk_works_too(customer):
    owner = customer()

    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=owner.v1, api_key=owner.token) as client:
            calls = [
                client.chat.completions.create(model="MiniMax-M2.7", messages=[{"role": "user", "content": f"Count to {number}."}])
                for number in range(2, 10)
            ]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*calls)]

    answers = asyncio.run(ask())
    assert len(set(answers)) == 8
    assert len(owner.entries) == 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[status=400]]", openai.BadRequestError),
        ("[[status=413]]", openai.APIStatusError),
        ("[[status=500]]", openai.InternalServerError),
        ("[[status=503]]", openai.InternalServerError),
    ],
)
def test_the_sdk_raises_its_own_error_classes(customer, text: str, expected: type[openai.APIStatusError]):
    owner = customer()
    client = openai.OpenAI(base_url=owner.v1, api_key=owner.token, max_retries=0)
    with pytest.raises(expected) as caught:
        client.chat.completions.create(model="MiniMax-M2.7", messages=[{"role": "user", "content": text}])
    assert caught.value.response.json()["error"]["request_id"] == caught.value.response.headers["x-request-id"]


def test_the_sdk_tells_a_wrong_key_an_empty_wallet_and_an_unknown_model_apart(customer):
    owner, poor = customer(), customer(balance="0")
    ask = {"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=owner.v1, api_key="sk-bt-wrong").chat.completions.create(**ask)
    with pytest.raises(openai.APIStatusError) as caught:
        openai.OpenAI(base_url=poor.v1, api_key=poor.token).chat.completions.create(**ask)
    assert caught.value.status_code == 402
    with pytest.raises(openai.BadRequestError):
        openai.OpenAI(base_url=owner.v1, api_key=owner.token).chat.completions.create(**{**ask, "model": "no-such-model"})


def test_the_sdk_retries_only_what_may_be_retried(customer):
    """The SDK obeys `x-should-retry`: a 400 is asked once, a 502 twice more."""
    owner = customer()
    client = openai.OpenAI(base_url=owner.v1, api_key=owner.token, max_retries=2)
    for fault, attempts in (("status=400", 1), ("status=500", 3)):
        before = len(owner.records)
        with pytest.raises(openai.APIStatusError):
            client.chat.completions.create(model="MiniMax-M2.7", messages=[{"role": "user", "content": f"[[{fault}]]"}])
        assert len(owner.records) - before == attempts
