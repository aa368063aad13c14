"""GET /v1/tasks/{task_id} over HTTP: the task in each state, for its account alone, and nothing changes by it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from contract.ids import new_id
from keys.models import ApiKey
from tasks_app import ending
from tasks_app.answers import TaskEnvelope
from tests import patient
from tests.answers import assert_shape
from tests.chat.test_bad_input import assert_refused
from tests.contract.wire import error_of
from tests.factories import ApiKeyFactory, WalletFactory
from tests.tasks_app.states import canceled, failed, queued, running, stored, succeeded
from wallets.answers import UsageReceipt
from wallets.models import UsageRecord


@pytest.mark.parametrize("make", [queued, running, failed, canceled], ids=lambda make: make.__name__)
def test_it_is_the_envelope(customer, make):
    owner = customer()
    task = make(owner.wallet)
    answer = owner.http.get(f"/tasks/{task.pk}")
    assert answer.status_code == 200
    assert_shape(answer.json(), TaskEnvelope)
    assert (answer.json()["task_id"], answer.json()["status"]) == (task.pk, task.status)


def test_a_clip_can_be_fetched_from_its_url(customer):
    owner = customer()
    task = succeeded(stored(running(owner.wallet)))
    told = owner.http.get(f"/tasks/{task.pk}").json()
    assert_shape(told, TaskEnvelope)
    assert "/files/" in told["output"]["clips"][0]["audio"]["url"]


@pytest.mark.django_db
def test_a_poll_takes_two_queries_and_one_more_for_clips(client, django_assert_num_queries):
    key = ApiKeyFactory()
    wallet = WalletFactory(account=key.account, balance=100)
    waiting, done = queued(wallet), succeeded(stored(running(wallet)))
    for task, queries in ((waiting, 2), (done, 3)):
        with django_assert_num_queries(queries):
            assert client.get(f"/v1/tasks/{task.pk}", headers={"Authorization": f"Bearer {key.token}"}).status_code == 200


def test_nothing_of_how_it_is_done_is_in_it(customer):
    owner = customer()
    task = running(
        owner.wallet, provider_task_id="secret-7", attempts=[{"route": "sandbox-route"}], made=[{"url": "https://secret.example"}]
    )
    text = owner.http.get(f"/tasks/{task.pk}").text
    for told in ("secret", "sandbox", "attempts", "provider", "run_at", "deadline", "reason"):
        assert told not in text


def test_any_key_of_the_account_sees_it(customer):
    owner = customer()
    task = queued(owner.wallet, key_id=owner.key.pk)
    for key in (ApiKeyFactory(account=owner.account), ApiKeyFactory(account=owner.account, scopes=["read"])):
        assert owner.http.get(f"/tasks/{task.pk}", headers={"Authorization": f"Bearer {key.token}"}).json()["task_id"] == task.pk


@pytest.mark.parametrize("id", ["none", new_id("tsk"), "tsk_", "tsk_é" + "0" * 25, "tsk_" + "0" * 5000, "%27%20or%201=1"])
def test_an_unknown_id_is_the_404_that_anothers_is(customer, id: str):
    owner, stranger = customer(), customer()
    theirs = queued(stranger.wallet)
    errors = [assert_refused(owner.http.get(f"/tasks/{asked}"), 404, "not_found") for asked in (id, theirs.pk)]
    assert {**errors[0], "request_id": ""} == {**errors[1], "request_id": ""}


def test_nobody_sees_it(customer):
    owner = customer()
    assert error_of(patient.get(f"{owner.v1}/tasks/{queued(owner.wallet).pk}"))["code"] == "unauthorized"


def rows_of(account) -> dict[str, list]:
    """Every row of the account that a request might change, whole."""
    found = {}
    with connection.cursor() as cursor:
        for table, whose in (
            ("tasks_app_task", "account_id = %(account)s"),
            ("tasks_app_artifact", "account_id = %(account)s"),
            ("wallets_wallet", "account_id = %(account)s"),
            ("wallets_usagerecord", "wallet_id = %(wallet)s"),
            ("wallets_ledgerentry", "wallet_id = %(wallet)s"),
            ("wallets_idempotencykey", "wallet_id = %(wallet)s"),
            ("wallets_cap", "wallet_id = %(wallet)s"),
        ):
            cursor.execute(
                f"select *, xmin::text from {table} where {whose} order by 1",
                {"account": account.pk, "wallet": account.wallet.pk},
            )
            found[table] = cursor.fetchall()
    return found


def key_of(owner) -> dict[str, Any]:
    """The row of the owner's key, without when it was last used."""
    return {name: value for name, value in ApiKey.objects.filter(pk=owner.key.pk).values().get().items() if name != "last_used_at"}


def test_polling_changes_nothing_but_when_the_key_was_used(customer):
    owner = customer(requests_per_minute=100_000)
    task, ended = running(owner.wallet), failed(owner.wallet)
    before, key = rows_of(owner.account), key_of(owner)
    seen = set()
    for _ in range(500):
        for path in (f"/tasks/{task.pk}", "/tasks?expand=usage,billing"):
            answer = owner.http.get(path)
            assert answer.status_code == 200
        seen.add(ApiKey.objects.values_list("last_used_at", flat=True).get(pk=owner.key.pk))
    assert (rows_of(owner.account), key_of(owner)) == (before, key)
    assert before["wallets_usagerecord"] and len(before["tasks_app_task"]) == 2 and ended.pk
    moments = sorted(moment for moment in seen if moment is not None)
    assert all((later - earlier).total_seconds() >= 60 for earlier, later in pairwise(moments))


@pytest.mark.parametrize(
    ("make", "outcome", "clause", "refunded"),
    [
        (queued, None, None, "0.0000"),
        (failed, "failed", "upstream_failed", "50.0000"),
        (canceled, "canceled", "not_sent", "50.0000"),
        (lambda wallet: succeeded(stored(running(wallet))), "succeeded", "complete", "0.0000"),
    ],
    ids=["queued", "failed", "canceled", "succeeded"],
)
def test_a_task_has_a_receipt(customer, make, outcome, clause, refunded):
    owner = customer()
    task = make(owner.wallet)
    UsageRecord.objects.filter(pk=task.pk).update(cost_usd="0.15")
    told = owner.http.get(f"/usage/{task.pk}").json()
    assert_shape(told, UsageReceipt)
    assert (told["status"], told["outcome"], told["clause"]) == ("charged", outcome, clause)
    assert (told["credits_per_task"], told["credits"], told["refunded_credits"]) == ("50.0000", "50.0000", refunded)
    # what the provider takes is ours to know
    assert (told["cost_usd"], told["cost_lines"], told["credits_per_litellm_usd"]) == ("0.000000000000", [], None)


def test_a_task_that_was_canceled_once_it_ran_has_no_clause(customer):
    owner = customer()
    task = running(owner.wallet, attempts=[{"route": "sandbox", "sent": True}], cancel_requested_at=timezone.now())
    ending.cancel(task.pk)
    told = owner.http.get(f"/usage/{task.pk}").json()
    assert_shape(told, UsageReceipt)
    assert (told["outcome"], told["clause"], told["refunded_credits"]) == ("canceled", None, "50.0000")
