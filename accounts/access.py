"""Which pages are whose."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import Account, User


def account_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A page of the signed-in user's account, which the view finds as `request.account`.

    Strangers are sent to sign in. Staff have no account and are sent to `/admin/`.
    """

    @login_required
    def with_account(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        assert isinstance(request.user, User)
        account = Account.objects.filter(user=request.user).first()
        if account is None:
            return redirect("admin:index") if request.user.is_staff else render(request, "accounts/no_account.html", status=403)
        request.account = account  # type: ignore[attr-defined]  # ours, beside Django's own
        return view(request, *args, **kwargs)

    @wraps(view)
    def with_account_or_elsewhere(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = with_account(request, *args, **kwargs)
        if isinstance(response, HttpResponseRedirect) and request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(response.url)  # else the page to sign in would stand inside of this one
        return response

    return with_account_or_elsewhere
