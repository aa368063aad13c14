"""allauth's adapter: what signing up means here, who may sign in, and how its mail is sent."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.dispatch import receiver
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import events, reauthentication
from accounts.models import Account, User
from beatra_site import mailing
from contract.client_address import client_address
from wallets.models import EntryKind, Wallet
from wallets.money import as_text
from wallets.welcome import grant_welcome


class AccountAdapter(DefaultAccountAdapter):
    """Signing up makes user, account and wallet in one transaction; confirming the address brings the welcome credits."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "This address and this password don't belong together.",
        "incorrect_code": "This is not the code of our newest mail.",
        "enter_current_password": "This is not your password.",
        "incorrect_password": "This is not your password.",
        "too_many_login_attempts": "Too many tries. Wait a few minutes, then begin again.",
        "too_many_wrong_codes": "That was the third wrong code, so the one we mailed no longer counts. You can have a new one at once.",
        "rate_limited": "Too many tries. Wait a few minutes, then begin again.",
    }

    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        with transaction.atomic():
            user = super().save_user(request, user, form, commit=True)
            account = Account.objects.create(user=user)
            Wallet.objects.create(account=account)
            events.record("account.created", account=account, actor=user)
        return user

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom allauth's limits count, by the same decision as everywhere. Raises PermissionDenied where it can't be told."""
        if (address := client_address(request)) is None:
            raise PermissionDenied
        return str(address)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """By the code that was sent for just this, in the browser that asked for it."""
        email_address.asked_for_here = True
        with transaction.atomic():
            confirmed: bool = super().confirm_email(request, email_address)
        if confirmed and not request.user.is_authenticated:
            # whoever has just signed up so is not asked for another code at their first change
            record_authentication(request, email_address.user, method="code", email=email_address.email)
        return confirmed

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Whoever may not sign in is stopped here, by whatever means they have shown who they are. Suspended accounts may look."""
        refused: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if refused is None and Account.objects.filter(user=user, status=Account.Status.CLOSED).exists():
            clear_login(request)
            refused = self.respond_user_inactive(request, user)
        return refused

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Who has just signed in has shown who they are: allauth counts only what came after, and asks nothing without a password."""
        if reauthentication.authenticated_recently(self.request):
            return False
        required: bool = super().is_reauthentication_required(app=app, **kwargs)
        if required and not self.request.user.has_usable_password():
            raise ReauthenticationRequired
        return required

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        return [*super().get_reauthentication_methods(user), reauthentication.by_code()]

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        if self.request.user.is_authenticated:
            return reverse("accounts:account")
        elsewhere: str = super().get_email_verification_redirect_url(email_address)
        return elsewhere

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accounts:account")

    def add_message(self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any) -> None:
        # The page that asks for a code says that it was sent; only one that was sent again needs a word
        if message_template and message_template.endswith("_sent.txt") and request.POST.get("action") != "resend":
            return
        # allauth has one text for wrong passwords, after which one waits, and for wrong codes, which it alone says as a message
        if kwargs.get("message") == self.error_messages["too_many_login_attempts"]:
            kwargs["message"] = self.error_messages["too_many_wrong_codes"]
        if message_template == "account/messages/email_confirmed.txt" and request.user.is_authenticated:
            message_template = "account/messages/email_is_now.txt"
        super().add_message(request, level, message_template, *args, **kwargs)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sends after the commit of the transaction that caused the mail: no network inside it, no mail about what was undone."""
        message = self.render_mail(
            template_prefix, email, {"request": self.request, "email": email, "site_url": settings.SITE_URL, **context}
        )
        transaction.on_commit(partial(mailing.send, message))


@receiver(email_confirmed)
def welcome(sender: type[EmailAddress], *, request: HttpRequest, email_address: EmailAddress, **kwargs: Any) -> None:
    """An address was confirmed, by its own code or on the way of another: in the same transaction the credits come."""
    user = email_address.user
    adapter = AccountAdapter(request)
    wallet = Wallet.objects.filter(account__user=user).first()
    # They welcome whoever signs up: an account that only changes its address has had them
    if wallet is not None and not wallet.ledger.filter(kind=EntryKind.WELCOME).exists():
        entry = grant_welcome(wallet, mailbox=email_address.email)
        if entry is not None:
            adapter.add_message(request, messages.SUCCESS, message=f"Welcome: {as_text(entry.amount)} credits are in your wallet.")
    # Anybody can sign up with somebody else's address and wait until its owner gets in by a code: then only the owner may stay.
    if user.last_login is None and user.has_usable_password() and not hasattr(email_address, "asked_for_here"):
        user.set_unusable_password()
        user.save(update_fields=["password"])
        message = "The password given at sign-up no longer counts, since your address was not confirmed with it. You can set a new one."
        adapter.add_message(request, messages.WARNING, message=message)
