"""Tasks that were paid for, as the API makes them, for tests of what happens to them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from contract.ids import new_id
from tasks_app.models import Task
from tests.factories import WalletFactory
from wallets import prepaid
from wallets.holds import Hold
from wallets.models import Wallet

PRICE = Decimal("50.0000")


def paid_task(wallet: Wallet | None = None, *, credits: Decimal = PRICE, key_id: int | None = None, **fields: Any) -> Task:
    """A queued task of the wallet's account (of a new one with 100 credits), which has paid `credits` for it. `fields` are the row's."""
    wallet = wallet or WalletFactory(balance=100)
    task_id = new_id("tsk")
    values: dict[str, Any] = {
        "capability": "text_to_music",
        "model_asked": "auto",
        "model": "minimax-music-2.6",
        "input": {"prompt": "A calm piano piece", "instrumental": True},
        "next_run_at": timezone.now(),
        **fields,
    }
    with transaction.atomic():
        verdict = prepaid.pay(
            Hold(
                usage_id=task_id,
                wallet_id=wallet.pk,
                credits=credits,
                process_id="a test's",
                capability=values["capability"],
                credits_per_litellm_usd=None,
                price_version=1,
                key_id=key_id,
                model_asked=values["model_asked"],
                model=values["model"],
            )
        )
        assert verdict.kind == "held", verdict
        return Task.objects.create(id=task_id, usage_id=task_id, account=wallet.account, **values)
