"""Rows for tests, by factory-boy. Money goes in through the ledger, so that the books stay right."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import factory
from django.db import transaction
from factory.django import DjangoModelFactory

from accounts.models import Account, User
from keys import tokens
from keys.models import ApiKey
from wallets import ledger
from wallets.models import Wallet


class UserFactory(DjangoModelFactory):
    """Somebody who could sign in: `UserFactory(password="…")`; without one none fits, which saves the time of hashing it."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.LazyFunction(lambda: f"user-{uuid.uuid4().hex}@example.com")
    password = factory.django.Password(None)


class AccountFactory(DjangoModelFactory):
    class Meta:
        model = Account

    user = factory.SubFactory(UserFactory)


class WalletFactory(DjangoModelFactory):
    """`WalletFactory(balance="10")`: a wallet whose ledger says where its credits came from."""

    class Meta:
        model = Wallet

    account = factory.SubFactory(AccountFactory)

    @classmethod
    def _create(cls, model_class: type[Wallet], *args: Any, balance: Decimal | str | int = 0, **fields: Any) -> Wallet:
        wallet: Wallet = super()._create(model_class, *args, **fields)
        if amount := Decimal(balance):
            with transaction.atomic():
                ledger.credit(wallet, kind="grant", amount=amount, reference=f"grant:test:{uuid.uuid4()}", reason="a test")
            wallet.refresh_from_db()
        return wallet


class ApiKeyFactory(DjangoModelFactory):
    """A key, with its token in clear as `.token`."""

    class Meta:
        model = ApiKey

    account = factory.SubFactory(AccountFactory)
    name = "tests"

    @classmethod
    def _create(cls, model_class: type[ApiKey], *args: Any, **fields: Any) -> ApiKey:
        token = tokens.new_token()
        key: ApiKey = super()._create(model_class, *args, prefix=tokens.prefix(token), digest=tokens.digest(token), **fields)
        key.token = token
        return key
