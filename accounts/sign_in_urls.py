"""Everything under `/accounts/`: allauth's pages, a few of them with a word of ours added."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import urlsplit

from allauth.account import views
from allauth.core import ratelimit
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import include, path, reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from accounts import reauthentication
from accounts.reauthenticate_by_code import reauthenticate_by_code
from accounts.reset_by_code import confirm_reset_code
from accounts.sign_up import sign_up

View = Callable[..., HttpResponseBase]

_STARTS: Final = ("account_login", "account_request_login_code", "account_reset_password", "account_email")
"""Where allauth sends somebody who has no code to enter (any more)."""


def of_code(view: View) -> View:
    """A page on which a code is entered: it acts in one transaction, and who is sent away without a word is told why.

    Wrong codes are counted in the session, which many requests at once can outrun; the limit by address is not outrun.
    """

    @wraps(view)
    @never_cache
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        refused: HttpResponseBase | None = ratelimit.consume_or_429(request, action="enter_code")
        if refused:
            return refused
        with transaction.atomic():
            response = view(request, *args, **kwargs)
        told = getattr(messages.get_messages(request), "added_new", False)
        if isinstance(response, HttpResponseRedirect) and not told and urlsplit(response.url).path in map(reverse, _STARTS):
            messages.error(request, "That code has expired or was used before. Ask for a new one.")
        return response

    return page


def of_somebody_recent(view: View) -> View:
    """A page for those who have just shown who they are; others do it first and then come back."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Not by allauth's decorator: it would keep what was posted, a password, in the session
        user = request.user
        if user.is_authenticated and not user.has_usable_password() and not reauthentication.authenticated_recently(request):
            return redirect(f"{reverse('account_reauthenticate_by_code')}?{urlencode({'next': request.path})}")
        return view(request, *args, **kwargs)

    return page


def out(view: View) -> View:
    """Signing out, also out of a code that is waited for: of that nothing stays, whether there is such a customer or not."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and not request.user.is_authenticated:
            request.session.flush()
        return view(request, *args, **kwargs)

    return page


urlpatterns = [
    path("signup/", sign_up, name="account_signup"),
    path("logout/", out(views.logout), name="account_logout"),
    path("login/code/confirm/", of_code(views.confirm_login_code), name="account_confirm_login_code"),
    path("confirm-email/", of_code(views.email_verification_sent), name="account_email_verification_sent"),
    path("password/reset/confirm/", of_code(confirm_reset_code), name="account_confirm_password_reset_code"),
    path("password/reset/complete/", of_code(views.complete_password_reset), name="account_complete_password_reset"),
    path("password/set/", of_somebody_recent(views.password_set), name="account_set_password"),
    path("reauthenticate/code/", reauthenticate_by_code, name="account_reauthenticate_by_code"),
    path("", include("allauth.account.urls")),
]
