"""The page of the code that resets a password, which can be mailed anew: allauth does that for its other codes only."""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.views import ConfirmPasswordResetCodeView
from allauth.core import ratelimit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse


class ConfirmResetCodeView(ConfirmPasswordResetCodeView):
    """Sends another code when asked to (`action=resend`), as often as those to sign in: only the newest one counts."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.POST.get("action") == "resend" and self._can_resend:
            return self._resend()
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer

    @property
    def _can_resend(self) -> bool:
        return not self._process.is_resend_quota_reached(app_settings.LOGIN_BY_CODE_MAX_RESEND_COUNT)

    def _resend(self) -> HttpResponse:
        email = self._process.state["email"]
        refused: HttpResponse | None = ratelimit.consume_or_429(self.request, action="reset_password", key=email.lower())
        if refused:
            return refused
        if self._process.user:  # who has no account is told so once
            self._process.send()
        self._process.record_resend()
        self._process.persist()
        get_adapter().add_message(self.request, messages.SUCCESS, "account/messages/login_code_sent.txt", {"recipient": email})
        return HttpResponseRedirect(self.passthrough_next_url(reverse("account_confirm_password_reset_code")))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "can_resend": self._can_resend}


confirm_reset_code = ConfirmResetCodeView.as_view()
