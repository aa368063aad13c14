"""A music task is made: paid, kept under its Idempotency-Key and put into the queue, all of it or nothing.

choose the model, look at the reference     outside of any transaction: it may take seconds
pay, the task's row, its reference, the     one transaction; what it can't do leaves nothing behind
sealed answer, word to the workers
"""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal
from typing import Final

import orjson
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from accounts.models import Account
from catalog.music_models import MusicModel
from contract.errors import ApiError
from contract.ids import new_id
from keys.caller import Caller
from tasks_app import hinting
from tasks_app.envelope import envelope
from tasks_app.models import Task
from tasks_app.music import ignored, reference
from tasks_app.music.choosing import choose
from tasks_app.music.providers import provider_of
from tasks_app.music.schema import TextToMusicRequest
from wallets import holds, prepaid, refusals
from wallets.holds import Hold, Verdict
from wallets.idempotency import KeyedRequest
from wallets.models import UsageRecord, Wallet
from wallets.money import as_text

# A lock that was not given in time, a deadlock: rolled back, so that another try can't be a second one
_BUSY: Final = ("55P03", "40P01")


def create(
    *,
    account: Account,
    key: Caller | None,
    capability: str,
    request: TextToMusicRequest,
    request_id: str,
    keyed: KeyedRequest | None = None,
) -> Task:
    """A queued task of `account` for a request that `schema.parse` has read, paid for, and on its way to a worker once this returns.

    `key` is what it was asked for with: its models and spend caps count; None for the account's owner himself, on the site. `keyed` is
    the request under its Idempotency-Key: then the task's envelope is stored for a retry. Call it outside of transactions.

    Raises ApiError, and nothing has changed: those of `choosing.choose` and `reference.check`; insufficient_balance,
    spend_limit_reached, rate_limited; idempotency_conflict, refusals.AlreadyAnswered; service_unavailable where the storage takes no
    reference. Raises OperationalError when the database can't.
    """
    allowed = None if key is None else key.models
    model = choose(request, allowed=allowed)
    checked = None
    if request.reference is not None:
        # Nobody has names resolved and files read who can't pay for it anyway
        _check_balance(account, model)
        checked = reference.check(request.reference, account_id=account.pk)
        model = choose(request, allowed=allowed, reference=checked)

    hold = Hold(
        usage_id=new_id("tsk"),
        wallet_id=account.wallet.pk,
        credits=model.credits_per_task,
        process_id="",  # charged before anybody else sees it
        capability=capability,
        credits_per_litellm_usd=None,
        price_version=model.price_version,
        request_id=request_id,
        key_id=None if key is None else key.key_id,
        key_prefix="" if key is None else key.key_prefix,
        key_name="" if key is None else key.key_name,
        model_asked=request.asked,
        model=model.id,
        metadata=request.metadata or {},
        reservation=None if keyed is None else keyed.reservation,
    )
    for attempt in range(1, holds.ATTEMPTS + 1):
        try:
            with reference.placed(checked) if checked is not None else nullcontext(_without_audio) as give_audio, transaction.atomic():
                verdict = prepaid.pay(hold)
                if verdict.kind != "held":
                    raise _refusal(verdict, credits=hold.credits, key=key)
                task = _task(hold, request, model, account=account, checked=checked)
                give_audio(task)
                if keyed is not None:
                    prepaid.keep_answer(keyed, orjson.dumps(envelope(task)), usage_id=task.pk)
                hinting.enqueue(task, blocks=task.is_to_fetch or provider_of(model.routes[0]).blocking)
            return task
        except OperationalError as error:
            if connection.in_atomic_block or attempt == holds.ATTEMPTS or getattr(error.__cause__, "sqlstate", "") not in _BUSY:
                raise
    raise AssertionError("unreachable")


def _task(hold: Hold, request: TextToMusicRequest, model: MusicModel, *, account: Account, checked: reference.Checked | None) -> Task:
    task = Task.objects.create(
        id=hold.usage_id,
        usage=UsageRecord.objects.get(pk=hold.usage_id),
        account=account,
        capability=hold.capability,
        model_asked=hold.model_asked,
        model=hold.model,
        input=request.as_input if checked is None else {**request.as_input, "reference_audio": checked.input},
        metadata=request.metadata or {},
        warnings=ignored.warnings(request, model),
        # By the clock that says which tasks are due: this host's may be ahead
        next_run_at=Now(),
        created_at=Now(),
    )
    task.refresh_from_db(fields=["next_run_at", "created_at"])
    return task


def _without_audio(task: Task) -> None:
    """Of a task by words alone."""


def _check_balance(account: Account, model: MusicModel) -> None:
    """Raises ApiError insufficient_balance if the wallet is too low now. What counts is what `prepaid.pay` says."""
    wallet = Wallet.objects.get(account=account)
    if wallet.balance < model.credits_per_task:
        raise _refusal(Verdict("insufficient", wallet.balance, wallet.held, wallet.in_flight), credits=model.credits_per_task, key=None)


def _refusal(verdict: Verdict, *, credits: Decimal, key: Caller | None) -> ApiError:
    asks = f"This task costs {as_text(credits)} credits"
    return refusals.refusal(verdict, asks=asks, credits=credits, key_url="" if key is None else key.key_url)
