"""POST /v1/music/*: what is made and paid for, and what is refused before anything exists."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from django.core.files.storage import default_storage
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from beatra_site.celery import app as celery
from catalog.models import Model, Route
from contract.answers import time_text
from contract.errors import ApiError
from contract.ids import new_id
from keys.models import ApiKey
from tasks_app import ending
from tasks_app.answers import TaskEnvelope
from tasks_app.envelope import envelope
from tasks_app.models import Artifact, Task
from tasks_app.music.choosing import choose
from tasks_app.music.creating import create
from tasks_app.music.schema import TextToMusicRequest, parse
from tests import patient
from tests.answers import assert_shape
from tests.contract.wire import error_of, eventually
from tests.customer import Customer
from tests.gate import Gate, calling
from tests.tasks_app.asking import MINIMAX, REFERENCE, SUNO, TEXT, ask, data_uri
from wallets import budgets
from wallets.audit import audit
from wallets.models import IdempotencyKey, LedgerEntry, UsageRecord


def tasks_of(owner: Customer) -> list[Task]:
    return list(Task.objects.of_account(owner.account).order_by("created_at"))


def made(answer: httpx.Response) -> dict[str, Any]:
    """The envelope of a task that was just created."""
    assert answer.status_code == 202, answer.text
    task: dict[str, Any] = answer.json()
    assert_shape(task, TaskEnvelope)
    return task


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (status, code), error
    return error


def assert_nothing_made(owner: Customer, *, balance: Decimal | str | int) -> None:
    assert tasks_of(owner) == []
    assert not UsageRecord.objects.filter(wallet=owner.wallet).exists()
    assert not LedgerEntry.objects.filter(wallet=owner.wallet, kind="charge").exists()
    assert not IdempotencyKey.objects.filter(wallet=owner.wallet).exists()
    assert (owner.wallet.balance, owner.wallet.held, owner.wallet.in_flight) == (Decimal(balance), 0, 0)
    assert_clean(owner)


def assert_clean(owner: Customer) -> None:
    assert [one for one in audit() if one.wallet_id == owner.wallet.pk] == []


def cap(owner: Customer, credits: int) -> None:
    budgets.set_caps(owner.wallet, key_id=owner.key.pk, limits={"month": Decimal(credits)}, actor=None)


def spent(owner: Customer) -> Decimal:
    (counted,) = budgets.caps_of([owner.key.pk])[owner.key.pk]
    return counted.spent_credits


# The worked example


def test_a_task_is_paid_when_it_is_made(customer):
    owner = customer()
    told = made(ask(owner, {**SUNO, "metadata": {"order": "4711"}}))
    assert (told["status"], told["capability"], told["model"], told["resolved_model"]) == (
        "queued",
        "text_to_music",
        "suno-5.5",
        "suno-5.5",
    )
    assert (told["metadata"], told["input"]["prompt"], told["input"]["instrumental"]) == ({"order": "4711"}, "A calm piano piece", True)
    assert told["billing"] == {
        "charged_credits": "80.0000",
        "refunded_credits": "0.0000",
        "charged_credits_usd_reference": "0.0800",
        "refunded_credits_usd_reference": "0.0000",
        "currency": "USD",
    }
    assert owner.http.get("/wallet").json()["balance"] == "920.0000"
    (entry,) = owner.entries
    assert (entry.amount, entry.balance_after, entry.reference) == (-80, 920, f"charge:{told['task_id']}")
    assert (owner.wallet.held, owner.wallet.in_flight) == (0, 0)
    receipt = owner.http.get(f"/usage/{told['task_id']}").json()
    assert (receipt["credits"], receipt["capability"], receipt["key_name"], receipt["status"]) == (
        "80.0000",
        "text_to_music",
        "test",
        "charged",
    )
    assert (receipt["metadata"], receipt["price_version"], receipt["resolved_model"]) == ({"order": "4711"}, 1, "suno-5.5")
    (task,) = tasks_of(owner)
    assert (task.next_run_at or timezone.now()) <= timezone.now()
    assert owner.http.get(f"/tasks/{told['task_id']}").json() == told
    assert_clean(owner)


def test_the_request_is_on_record_with_its_own_id(customer):
    owner = customer()
    answer = patient.post(f"{owner.v1}{TEXT}", json=SUNO, headers={**owner.headers, "X-Request-Id": "order-4711"})
    assert answer.headers["x-request-id"] == "order-4711"
    assert owner.record.request_id == "order-4711"


def test_a_worker_is_told_at_once(customer):
    """By the broker that workers listen to, from whichever thread answers the request."""
    owner = customer()
    with ThreadPoolExecutor(4) as pool:
        ids = {made(answer)["task_id"] for answer in pool.map(lambda _: ask(owner, SUNO), range(4))}
    with celery.connection_for_read() as connection:
        broker = connection.default_channel.client
        queues = [key for key in broker.keys("*") if broker.type(key) == b"list"]
        hints = [json.loads(hint)["headers"] for queue in queues for hint in broker.lrange(queue, 0, -1)]
    told = [(task_id, hint["task"]) for hint in hints for task_id in ids if task_id in hint["argsrepr"]]
    assert sorted(told) == [(task_id, "tasks_app.step") for task_id in sorted(ids)]


def test_minimax_has_a_price_of_its_own(customer):
    owner = customer(balance=50)
    assert made(ask(owner, MINIMAX))["usage"]["credits"] == "50.0000"
    assert owner.wallet.balance == 0


def test_without_the_balance_nothing_exists(customer):
    owner = customer(balance="79.9999")
    error = refused(ask(owner, SUNO, key="mine"), 402, "insufficient_balance")
    topup_url = error["details"].pop("topup_url")
    assert topup_url.startswith("http")
    assert error["details"] == {"required_credits": "80.0000", "available_credits": "79.9999"}
    assert_nothing_made(owner, balance="79.9999")
    by_url = {**SUNO, "reference_audio": {"type": "url", "url": "https://127.0.0.1/a.mp3"}}
    refused(ask(owner, by_url, path=REFERENCE), 402, "insufficient_balance")


def test_caps_count_music_and_a_refund_gives_back(customer):
    owner = customer()
    cap(owner, 100)
    first = made(ask(owner, SUNO))
    error = refused(ask(owner, SUNO), 402, "spend_limit_reached")
    assert (error["details"]["limit_credits"], error["details"]["window"]) == ("100.0000", "month")
    assert f"/keys/{owner.key.pk}/" in error["message"]
    assert spent(owner) == 80
    ending.cancel(first["task_id"])
    assert spent(owner) == 0
    made(ask(owner, SUNO))
    assert_clean(owner)


def test_what_calls_in_flight_hold_is_not_spent_on_music(customer, gate: Gate):
    owner = customer(balance=80)
    with calling(owner, f"[[gate={gate.name}]]"):
        gate.wait(1)
        error = refused(ask(owner, SUNO), 429, "rate_limited")
        gate.open()
    assert error["details"] == {"limit": "held_credits"}


# Many at once


def test_of_20_at_once_with_a_balance_for_3_exactly_3_are_made(customer):
    owner = customer(balance=240)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(owner, SUNO), range(20)))
    assert Counter(answer.status_code for answer in answers) == {202: 3, 402: 17}
    assert (len(tasks_of(owner)), len(owner.entries), owner.wallet.balance) == (3, 3, 0)
    assert_clean(owner)


def test_of_20_at_once_with_one_key_one_is_made(customer):
    owner = customer()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(owner, SUNO, key="mine"), range(20)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    ran = [answer for answer in answers if answer.status_code == 202 and "idempotent-replayed" not in answer.headers]
    assert len(ran) == 1
    for answer in answers:
        if answer.status_code == 202:
            assert answer.content == ran[0].content
        else:
            assert error_of(answer)["code"] == "idempotency_in_progress"
    assert (len(tasks_of(owner)), len(owner.entries), owner.wallet.balance) == (1, 1, 920)
    assert_clean(owner)


def test_a_wallet_that_is_locked_for_long_is_waited_for_again(customer, connect):
    owner, locker, watcher = customer(), connect(), connect()
    seen = set()

    def tries() -> int:
        """Transactions that were seen to wait for the locker."""
        waiting = "select xact_start from pg_stat_activity where %s = any (pg_blocking_pids(pid))"
        seen.update(row[0] for row in watcher.execute(waiting, [locker.info.backend_pid]))
        return len(seen)

    locker.execute("begin")
    locker.execute("select from wallets_wallet where id = %s for update", [owner.wallet.pk])
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, owner, SUNO)
        assert eventually(lambda: tries() > 1, seconds=30)
        locker.execute("rollback")
        made(asked.result())
    assert (len(tasks_of(owner)), owner.wallet.balance) == (1, 920)


# Idempotency-Key


def test_a_retry_gets_the_same_task_free(customer):
    owner = customer(balance=80)
    first = ask(owner, SUNO, key="mine")
    again = ask(owner, {"instrumental": True, "title": None, **SUNO}, key="mine")
    assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (202, first.content, "true")
    assert "idempotent-replayed" not in first.headers
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert (len(tasks_of(owner)), owner.wallet.balance) == (1, 0)
    assert_clean(owner)


def test_a_retry_is_answered_by_another_process_and_after_the_models_end(site, customer):
    owner = customer()
    other = site.start_web()
    first = ask(owner, SUNO, key="mine", v1=other.v1)
    other.kill()
    ending.cancel(first.json()["task_id"])
    ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=["qwen-max"])
    assert ask(owner, SUNO, key="mine").content == first.content


def test_another_body_or_path_under_the_key(customer):
    owner = customer()
    made(ask(owner, SUNO, key="mine"))
    refused(ask(owner, MINIMAX, key="mine"), 409, "idempotency_conflict")
    refused(ask(owner, {"prompt": 1}, key="mine"), 409, "idempotency_conflict")
    elsewhere = {**SUNO, "reference_audio": {"type": "data_uri", "data": data_uri()}}
    assert "idempotent-replayed" not in ask(owner, elsewhere, path=REFERENCE, key="mine").headers
    assert len(tasks_of(owner)) == 2


def test_an_error_is_not_stored(customer):
    owner = customer(balance=0)
    refused(ask(owner, {"prompt": ""}, key="mine"), 400, "invalid_request")
    refused(ask(owner, SUNO, key="mine"), 402, "insufficient_balance")
    assert not IdempotencyKey.objects.filter(wallet=owner.wallet).exists()


def test_the_key_is_the_accounts(customer):
    rich, poor = customer(), customer(balance=0)
    made(ask(rich, SUNO, key="mine"))
    refused(ask(poor, SUNO, key="mine"), 402, "insufficient_balance")


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "é"])
def test_a_bad_key_is_refused(customer, key: str):
    owner = customer()
    headers = {**owner.headers, "Idempotency-Key": key.encode()}
    refused(patient.post(f"{owner.v1}{TEXT}", json=SUNO, headers=headers), 400, "invalid_request")
    assert_nothing_made(owner, balance=1000)


def test_after_the_window_it_runs_again(customer):
    owner = customer()
    first = made(ask(owner, SUNO, key="mine"))
    past = timezone.timedelta(days=1)
    IdempotencyKey.objects.filter(wallet=owner.wallet).update(created_at=F("created_at") - past, expires_at=F("expires_at") - past)
    assert made(ask(owner, SUNO, key="mine"))["task_id"] != first["task_id"]
    assert_clean(owner)


# Which model


def test_auto_takes_the_first_that_the_request_fits(customer):
    owner = customer()
    by_rank = list(
        Model.objects.filter(capability="music", auto_rank__isnull=False).order_by("auto_rank", "pk").values_list("pk", flat=True)
    )
    quiet = {"prompt": "piano", "instrumental": True}
    first = made(ask(owner, quiet))
    assert (first["model"], first["resolved_model"]) == ("auto", by_rank[0])
    assert made(ask(owner, {**quiet, "prompt": "p" * 501}))["resolved_model"] == "minimax-music-2.6"
    assert made(ask(owner, {"prompt": "piano"}))["resolved_model"] == "suno-5.5"
    assert made(ask(owner, {"model": "auto", "prompt": "piano", "lyrics": "la"}))["resolved_model"] == "minimax-music-2.6"
    assert made(ask(owner, {**quiet, "model_options": {"suno": {"style_weight": 0.5}}}))["resolved_model"] == "suno-5.5"


def test_auto_that_fits_none_is_told_of_the_closest(customer):
    owner = customer()
    error = refused(ask(owner, {"prompt": "p" * 2001, "instrumental": True}), 400, "invalid_request")
    assert error["param"] == "/prompt"
    assert error["message"].startswith("No model takes this request as it is; the closest, ")
    error = refused(
        ask(owner, {"prompt": "p" * 501, "model_options": {"suno": {"seed": 1}}, "instrumental": True}), 400, "unsupported_option"
    )
    assert error["details"]["unsupported_fields"] == ["model_options.suno"]
    assert_nothing_made(owner, balance=1000)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # MiniMax lacks lyrics, Suno has too long a prompt: a text is shortened sooner than lyrics are written
        ({"prompt": "p" * 600}, "suno-5.5: /prompt must have at most 500 characters for suno-5.5."),
        ({"prompt": "p" * 2001, "instrumental": True, "title": "t" * 90}, "minimax-music-2.6: /prompt must have at most 2000"),
    ],
)
def test_the_closest_has_the_least_to_complain_of(db, body, message: str):
    with pytest.raises(ApiError) as refusal:
        choose(parse(body, TextToMusicRequest), allowed=None)
    assert refusal.value.message.startswith(f"No model takes this request as it is; the closest, {message}")
    assert len(refusal.value.details["errors"]) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model_options": {"custom_mode": True}}, "/model_options/custom_mode belongs under /model_options/suno."),
        ({"lyrics_optimizer": True}, "/lyrics_optimizer belongs under /model_options/minimax."),
        ({"suno": {"custom_mode": True}}, "/suno belongs under /model_options."),
        ({"model_options": {"suno": True}}, "/model_options/suno must be an object."),
        ({"tempo": 1}, "/tempo is not a field of this endpoint."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_option_out_of_its_place_is_told_where_it_belongs(given, message: str):
    with pytest.raises(ApiError) as refusal:
        parse({"prompt": "piano", **given}, TextToMusicRequest)
    assert refusal.value.message == message


def test_a_key_with_a_list_of_models_makes_music_with_no_other(customer):
    owner = customer()
    ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=["minimax-music-2.6"])
    assert made(ask(owner, {"prompt": "piano", "instrumental": True}))["resolved_model"] == "minimax-music-2.6"
    assert refused(ask(owner, SUNO), 400, "unsupported_model")["param"] == "/model"
    ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=["qwen-max"])
    refused(ask(owner, {"prompt": "piano"}), 400, "unsupported_model")


@pytest.mark.parametrize("model", ["suno", "Suno-5.5", "MiniMax-M2.7", "m" * 128])
def test_an_unknown_model_is_refused(customer, model: str):
    owner = customer()
    refused(ask(owner, {**SUNO, "model": model}), 400, "unsupported_model")
    assert_nothing_made(owner, balance=1000)


def test_a_model_without_a_route_is_unavailable_and_auto_goes_on(db):
    Route.objects.filter(model="suno-5.5").update(enabled=False)
    with pytest.raises(ApiError) as unavailable:
        choose(parse(SUNO, TextToMusicRequest), allowed=None)
    assert (unavailable.value.code, unavailable.value.retryable) == ("model_unavailable", True)
    assert choose(parse({**SUNO, "model": "auto"}, TextToMusicRequest), allowed=None).id == "minimax-music-2.6"
    Model.objects.filter(pk="suno-5.5").update(enabled=False)
    with pytest.raises(ApiError) as unknown:
        choose(parse(SUNO, TextToMusicRequest), allowed=None)
    assert unknown.value.code == "unsupported_model"


@pytest.fixture
def no_music(committed, customer):
    """Every music model is off, and the site knows."""
    asker = customer()

    def capabilities() -> list[str]:
        return [one["id"] for one in asker.http.get("/catalog/capabilities").json()["data"]]

    on = list(Model.objects.filter(capability="music", enabled=True).values_list("pk", flat=True))
    Model.objects.filter(pk__in=on).update(enabled=False)
    try:
        yield lambda: eventually(lambda: capabilities() == ["chat"], seconds=30)
    finally:
        Model.objects.filter(pk__in=on).update(enabled=True)
        assert eventually(lambda: len(capabilities()) == 3, seconds=30)


def test_while_no_model_is_on_the_capability_is_off(customer, no_music):
    owner = customer()
    by_data = {"prompt": "piano", "reference_audio": {"type": "data_uri", "data": data_uri()}}
    for path, body in ((TEXT, {"prompt": "piano"}), (TEXT, SUNO), (REFERENCE, by_data)):
        refused(ask(owner, body, path=path, key="mine"), 400, "unsupported_capability")
    assert_nothing_made(owner, balance=1000)
    assert no_music()


# References


def test_a_data_uri_is_kept_and_not_shown(customer):
    owner = customer()
    body = {"model": "minimax-music-2.6", "prompt": "the same by strings", "reference_audio": {"type": "data_uri", "data": data_uri(10)}}
    told = made(ask(owner, body, path=REFERENCE))
    assert (told["capability"], told["input"]["reference_audio"]["type"]) == ("reference_audio_to_music", "data_uri")
    assert told["input"]["reference_audio"] == {"type": "data_uri"}
    (task,) = tasks_of(owner)
    assert task.reference is not None and (task.reference.kind, task.reference.mime_type) == ("reference", "audio/wav")
    assert task.input["reference_audio"] == {"type": "data_uri"}
    assert default_storage.exists(task.reference.storage_name)
    assert_clean(owner)


def test_a_storage_that_is_away_takes_no_money(customer):
    """A file is where the folder should be."""
    owner = customer()
    body = {"model": "minimax-music-2.6", "prompt": "the same by strings", "reference_audio": {"type": "data_uri", "data": data_uri(10)}}
    kept = Path(default_storage.path("artifacts"))
    kept.mkdir(parents=True, exist_ok=True)
    away = kept.rename(kept.with_suffix(".away"))
    kept.write_bytes(b"")
    try:
        error = refused(ask(owner, body, path=REFERENCE, key="k1"), 503, "service_unavailable")
    finally:
        kept.unlink()
        away.rename(kept)
    assert error["retryable"] is True
    assert_nothing_made(owner, balance=1000)
    made(ask(owner, body, path=REFERENCE, key="k1"))


def test_the_audio_is_held_against_the_models_limits(customer):
    owner = customer()
    short = {"prompt": "the same by strings", "reference_audio": {"type": "data_uri", "data": data_uri(5)}}
    error = refused(ask(owner, {**short, "model": "minimax-music-2.6"}, path=REFERENCE), 400, "invalid_request")
    assert (error["param"], "6 to 360 seconds" in error["message"]) == ("/reference_audio/data", True)
    assert_nothing_made(owner, balance=1000)
    assert made(ask(owner, short, path=REFERENCE))["resolved_model"] == "suno-5.5"


def test_an_artifact_of_ones_own_is_taken_and_anothers_is_unknown(customer):
    owner, stranger = customer(), customer()
    artifact = Artifact.objects.create(
        id=new_id("art"),
        account=owner.account,
        kind="upload",
        media_type="audio",
        mime_type="audio/mpeg",
        size_bytes=4000,
        sha256="0" * 64,
        duration_seconds="30",
        storage_name=new_id("file"),
        expires_at=timezone.now() + timezone.timedelta(days=1),
    )
    body = {"prompt": "the same by strings", "reference_audio": {"type": "artifact", "artifact_id": artifact.pk}}
    told = made(ask(owner, body, path=REFERENCE))
    assert told["input"]["reference_audio"]["artifact_id"] == artifact.pk
    assert tasks_of(owner)[0].reference == artifact
    error = refused(ask(stranger, body, path=REFERENCE), 404, "not_found")
    assert error["param"] == "/reference_audio/artifact_id"
    assert_nothing_made(stranger, balance=1000)


# Bad requests

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no prompt": ({"prompt": None}, "invalid_request", "/prompt"),
    "a long prompt": ({"prompt": "p" * 501}, "invalid_request", "/prompt"),
    "an unknown field": ({"seed": 1}, "invalid_request", "/seed"),
    "a reference by the wrong path": ({"reference_audio": {"type": "url", "url": "https://e.com"}}, "invalid_request", "/reference_audio"),
    "a text as flag": ({"instrumental": "yes"}, "invalid_request", "/instrumental"),
    "a weight between steps": ({"model_options": {"suno": {"style_weight": 0.005}}}, "invalid_request", "/model_options/suno/style_weight"),
    "custom mode without title": ({"model_options": {"suno": {"custom_mode": True}}}, "invalid_request", "/title"),
    "both families": ({"model_options": {"suno": {}, "minimax": {}}}, "invalid_request", "/model_options"),
    "the other family": ({"model_options": {"minimax": {"lyrics_optimizer": True}}}, "unsupported_option", "/model_options/minimax"),
    "17 pairs": ({"metadata": {str(n): "v" for n in range(17)}}, "invalid_request", "/metadata"),
}


@pytest.mark.parametrize(("fields", "code", "param"), BAD.values(), ids=BAD)
def test_a_bad_request_is_told_where_and_leaves_nothing(customer, fields: dict[str, Any], code: str, param: str):
    owner = customer()
    error = refused(ask(owner, {**SUNO, **fields}, key="mine"), 400, code)
    assert error["param"] == param
    assert param in [one["param"] for one in error["details"]["errors"]]
    assert_nothing_made(owner, balance=1000)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"prompt": "a\\u0000"}', b'{"prompt": "\\ud800"}', b'{"prompt": "a", "prompt": "b"}', b'{"prompt": NaN}'],
)
def test_what_is_no_strict_json_is_refused(customer, content: bytes):
    owner = customer()
    headers = {**owner.headers, "Content-Type": "application/json"}
    refused(patient.post(f"{owner.v1}{TEXT}", content=content, headers=headers), 400, "invalid_request")
    refused(
        patient.post(f"{owner.v1}{TEXT}", content=b"a=b", headers={**headers, "Content-Type": "text/plain"}), 415, "unsupported_media_type"
    )


def test_lyrics_that_nobody_sings_are_warned_of(customer):
    owner = customer()
    (warning,) = made(ask(owner, {**MINIMAX, "lyrics": "la la"}))["warnings"]
    assert (warning["code"], warning["field"]) == ("ignored", "/lyrics")


UNUSED = {"style_weight": 0.5, "weirdness_constraint": 0.5, "audio_weight": 0.5, "negative_tags": "drums", "vocal_gender": "f"}


@pytest.mark.parametrize("custom_mode", [None, False])
def test_what_suno_leaves_out_without_custom_mode_is_warned_of(customer, custom_mode: bool | None):
    owner = customer()
    options = {"suno": {"custom_mode": custom_mode, **UNUSED}}
    told = made(ask(owner, {**SUNO, "title": "Rain", "model_options": options}))
    assert {warning["code"] for warning in told["warnings"]} == {"ignored"}
    assert [warning["field"] for warning in told["warnings"]] == [f"/model_options/suno/{name}" for name in UNUSED]
    assert owner.http.get(f"/tasks/{told['task_id']}").json()["warnings"] == told["warnings"]


def test_what_a_model_uses_is_not_warned_of(customer):
    owner = customer()
    custom = {**SUNO, "title": "Rain", "model_options": {"suno": {"custom_mode": True, **UNUSED}}}
    assert made(ask(owner, custom))["warnings"] == []
    assert made(ask(owner, {**MINIMAX, "title": "Rain"}))["warnings"] == []
    assert made(ask(owner, {**SUNO, "title": None, "model_options": {"suno": {"style_weight": None}}}))["warnings"] == []


# The site's own form


@pytest.mark.usefixtures("committed")
def test_without_a_key_the_account_pays(customer):
    owner = customer()
    asked = parse(SUNO, TextToMusicRequest)
    task = create(account=owner.account, key=None, capability="text_to_music", request=asked, request_id="req_form")
    assert (task.account, owner.record.key_id, owner.wallet.balance) == (owner.account, None, 920)


@pytest.mark.usefixtures("committed")
def test_a_task_is_due_by_the_databases_clock(customer, monkeypatch: pytest.MonkeyPatch):
    """This host's is a day ahead."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=1)

    owner = customer()
    asked = parse(SUNO, TextToMusicRequest)
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "datetime", Ahead)
        task = create(account=owner.account, key=None, capability="text_to_music", request=asked, request_id="req_form")
        told = envelope(task)["created_at"]
    assert Task.objects.filter(pk=task.pk, next_run_at__lte=Now(), created_at__lte=Now()).exists()
    assert told == time_text(Task.objects.get(pk=task.pk).created_at)
