"""Tasks of models of their own, behind a stand-in, and their steps taken one after another without the waiting between them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from catalog.models import Model, Price, Route
from tasks_app.engine import steps
from tasks_app.models import Artifact, Task
from tasks_app.uploads import retention
from tests.factories import WalletFactory
from tests.tasks_app.paid_task import PRICE, paid_task
from wallets.audit import audit
from wallets.models import LedgerEntry, UsageRecord, Wallet

COST = Decimal("0.15")
PAID = [("charge", -PRICE)]
REFUNDED = [("charge", -PRICE), ("refund", PRICE)]


def work(
    family: str, *, routes: int = 1, wallet: Wallet | None = None, reference_audio: dict[str, str] | None = None, **fields: Any
) -> Task:
    """A queued task of 'suno' or 'minimax', with a prompt that no other has, of a model with so many routes to the stand-in."""
    name = f"{family}-{uuid.uuid4().hex[:12]}"
    model = Model.objects.create(id=name, display_name=name, capability="music", enabled=True)
    Price.objects.create(
        model=model,
        version=1,
        credits_per_task=PRICE,
        provider_cost_usd=COST,
        effective_from=timezone.now() - timedelta(days=1),  # by the clock of any worker
        reason="a test's",
    )
    for rank in range(1, routes + 1):
        Route.objects.create(
            model=model,
            name=f"route-{rank}",
            rank=rank,
            enabled=True,
            transport={"suno": "suno", "minimax": "minimax_music"}[family],
            upstream_model="music",
            sandbox=True,
        )
    wallet = wallet or WalletFactory(balance=100)
    given = {"prompt": name, "instrumental": True} | ({"reference_audio": reference_audio} if reference_audio else {})
    return paid_task(wallet, model_asked=name, model=name, input=given, **fields)


def prompt(task: Task) -> str:
    return task.input["prompt"]


def due(task: Task) -> None:
    """Its next step need not be waited for."""
    Task.objects.filter(pk=task.pk, completed_at=None).update(next_run_at=Now())


def step(task: Task, *, may_block: bool = True) -> steps.Next | None:
    """Take its next step now."""
    due(task)
    following = steps.take(task.pk, may_block=may_block)
    task.refresh_from_db()
    return following


def finish(task: Task, *, most: int = 30) -> Task:
    """Take its steps until it has ended."""
    for _ in range(most):
        if task.is_final:
            return task
        step(task)
    raise AssertionError(f"it has not ended: {task.status}, {task.stage}, {task.attempts}")


def books(task: Task) -> list[tuple[str, Decimal]]:
    return list(LedgerEntry.objects.filter(usage_record=task.pk).order_by("seq").values_list("kind", "amount"))


def record(task: Task) -> UsageRecord:
    return UsageRecord.objects.get(pk=task.pk)


def outcomes(task: Task) -> list[tuple[str, str, bool]]:
    """Route, outcome and sent of every try."""
    return [(one["route"], one.get("outcome", ""), one.get("sent", False)) for one in task.attempts]


def files(task: Task) -> list[str]:
    """The ids of what is stored of it."""
    return list(Artifact.objects.filter(task=task, removed_at=None).order_by("created_at", "pk").values_list("pk", flat=True))


def assert_sound(task: Task) -> None:
    """It has ended, its money is where it belongs, and so is every file."""
    task.refresh_from_db()
    assert task.is_final
    assert books(task) == (PAID if task.status == "succeeded" else REFUNDED)
    retention.retain_files()
    assert sorted(files(task)) == sorted(clip["artifact_id"] for clip in task.clips)
    wallet = Wallet.objects.get(account=task.account_id)
    assert [found for found in audit() if found.wallet_id == wallet.pk] == []
