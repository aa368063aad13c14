"""A code that was mailed and is still waited for in this browser: what any page can say of it."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.internal.flows.email_verification_by_code import EmailVerificationProcess
from allauth.account.internal.flows.login_by_code import LoginCodeVerificationProcess
from allauth.account.internal.stagekit import get_pending_stage
from allauth.account.stages import LoginByCodeStage
from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True)
class PendingCode:
    """`confirms` an address of a sign-up, or else signs in. `url` is the page on which it is entered."""

    email: str
    confirms: bool
    url: str


def pending_code(request: HttpRequest) -> PendingCode | None:
    """The code a stranger was mailed, if it is still good. The same whether there is such a customer or not."""
    verification = EmailVerificationProcess.resume(request)
    if verification:
        return PendingCode(verification.email, confirms=True, url=reverse("account_email_verification_sent"))
    stage = get_pending_stage(request)
    login = LoginCodeVerificationProcess.resume(stage) if isinstance(stage, LoginByCodeStage) and stage.state else None
    return PendingCode(login.state["email"], confirms=False, url=reverse("account_confirm_login_code")) if login else None
