"""Rows for tests: `AccountFactory()` is a customer who can sign in, with a verified address.

user = UserFactory(verified=False)          account = AccountFactory(status="suspended")
wallet = WalletFactory(balance="1000")      key = ApiKeyFactory(account=account); key.token
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from functools import cache
from typing import Any

import factory
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.db import transaction

from accounts.models import Account, User
from keys import tokens
from keys.models import ApiKey
from wallets import ledger
from wallets.models import Wallet

PASSWORD = "correct horse battery staple"


@cache
def _hashed(password: str) -> str:
    return make_password(password)


class UserFactory(factory.django.DjangoModelFactory):
    """A user who signs in with PASSWORD; `verified=False` leaves the address unverified."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.LazyFunction(lambda: f"{uuid.uuid4().hex}@example.com")
    password = factory.LazyFunction(lambda: _hashed(PASSWORD))

    @factory.post_generation
    def verified(self: User, create: bool, extracted: bool | None, **kwargs: object) -> None:
        if create:
            EmailAddress.objects.create(user=self, email=self.email, verified=extracted is not False, primary=True)


class StaffFactory(UserFactory):
    """One of the staff: `StaffFactory(is_superuser=True)`, or with `permissions=["keys.view_apikey", ...]` alone."""

    is_staff = True

    @factory.post_generation
    def permissions(self: User, create: bool, extracted: list[str] | None, **kwargs: object) -> None:
        for name in extracted or ():
            app, codename = name.split(".")
            self.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))


class AccountFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Account

    user = factory.SubFactory(UserFactory)


class WalletFactory(factory.django.DjangoModelFactory):
    """A wallet whose `balance` came by a grant, as the audit wants it. Made once per account."""

    class Meta:
        model = Wallet
        django_get_or_create = ("account",)
        skip_postgeneration_save = True

    account = factory.SubFactory(AccountFactory)

    @factory.post_generation
    def balance(self: Wallet, create: bool, extracted: Decimal | str | int | None, **kwargs: object) -> None:
        amount = Decimal(extracted or 0)
        if create and amount:
            with transaction.atomic():
                ledger.credit(self, kind="grant", amount=amount, reference=f"grant:{uuid.uuid4()}", reason="a test's")
            self.refresh_from_db()


class ApiKeyFactory(factory.django.DjangoModelFactory):
    """A key of an account with a wallet; the key in clear is `.token`."""

    class Meta:
        model = ApiKey

    account = factory.SubFactory(AccountFactory)
    name = "test"
    token = factory.LazyFunction(tokens.new_token)
    prefix = factory.LazyAttribute(lambda key: tokens.prefix(key.token))
    digest = factory.LazyAttribute(lambda key: tokens.digest(key.token))

    @classmethod
    def _create(cls, model_class: type[ApiKey], *args: Any, token: str, **kwargs: Any) -> ApiKey:
        WalletFactory(account=kwargs["account"])
        key = super()._create(model_class, *args, **kwargs)
        key.token = token
        return key
