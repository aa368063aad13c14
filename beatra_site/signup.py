"""allauth's adapter: what signing up means here, and how its mail is sent."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress, EmailConfirmationMixin
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest
from django.urls import reverse

from accounts import events
from accounts.models import Account, User
from wallets.models import EntryKind, Wallet
from wallets.money import as_text
from wallets.welcome import grant_welcome


class AccountAdapter(DefaultAccountAdapter):
    """Signing up makes user, account and wallet in one transaction; confirming the address brings the welcome credits."""

    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        with transaction.atomic():
            user = super().save_user(request, user, form, commit=True)
            account = Account.objects.create(user=user)
            Wallet.objects.create(account=account)
            events.record("account.created", account=account, actor=user)
        return user

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        with transaction.atomic():
            confirmed: bool = super().confirm_email(request, email_address)
            wallet = Wallet.objects.filter(account__user_id=email_address.user_id).first()
            # They welcome whoever signs up: an account that only changes its address has had them
            if confirmed and wallet is not None and not wallet.ledger.filter(kind=EntryKind.WELCOME).exists():
                entry = grant_welcome(wallet, mailbox=email_address.email)
                if entry is not None:
                    self.add_message(request, messages.SUCCESS, message=f"Welcome: {as_text(entry.amount)} credits are in your wallet.")
        return confirmed

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sends after the commit of the transaction that caused the mail: no network inside it, no mail about what was undone."""
        request = self.request
        message = self.render_mail(template_prefix, email, {"request": request, "email": email, "site_url": settings.SITE_URL, **context})
        transaction.on_commit(message.send)

    # Links in mails lead to SITE_URL, never to the Host header of whoever asked for the mail.

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: EmailConfirmationMixin) -> str:
        return str(settings.SITE_URL) + reverse("account_confirm_email", args=[emailconfirmation.key])

    def get_reset_password_from_key_url(self, key: str) -> str:
        user_id, _, token = key.partition("-")
        return str(settings.SITE_URL) + reverse("account_reset_password_from_key", args=[user_id, token])
