"""The page on which somebody signed in shows by a mailed code that it is still they: allauth has one for passwords only."""

from __future__ import annotations

import time
from typing import Any, Final

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import EmailAddress
from allauth.account.views import BaseReauthenticateView
from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from accounts.forms import CodeForm

_SESSION_KEY: Final = "reauthentication_code"


@method_decorator([never_cache, login_required], name="dispatch")
class ReauthenticateByCodeView(BaseReauthenticateView):
    """Sends the code when asked to (`action=send`), then takes it: as long, as often and as strictly as a code to sign in."""

    form_class = CodeForm
    template_name = "account/reauthenticate_by_code.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.email = EmailAddress.objects.get_primary_email(request.user)
        self.sent: dict[str, Any] = request.session.get(_SESSION_KEY) or {}
        if self.sent and (self.sent["email"] != self.email or time.time() - self.sent["at"] > app_settings.LOGIN_BY_CODE_TIMEOUT):
            self.sent = {}
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.POST.get("action") == "send":
            return self._send()
        if not self.sent:
            messages.error(request, "That code has expired or was used before. Ask for a new one.")
            return self._again()
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer

    def _send(self) -> HttpResponse:
        refused: HttpResponse | None = ratelimit.consume_or_429(self.request, action="request_login_code", key=self.email)
        if refused:
            return refused
        adapter = get_adapter(self.request)
        code = adapter.generate_login_code()
        self.request.session[_SESSION_KEY] = {"code": code, "email": self.email, "at": time.time(), "failed": 0}
        adapter.send_mail("account/email/reauthentication_code", self.email, {"code": code})
        return self._again()

    def _again(self) -> HttpResponse:
        return HttpResponseRedirect(self.passthrough_next_url(reverse("account_reauthenticate_by_code")))

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "code": self.sent.get("code", "")}

    def form_valid(self, form: CodeForm) -> HttpResponse:
        del self.request.session[_SESSION_KEY]
        record_authentication(self.request, self.request.user, method="code", email=self.email, reauthenticated=True)
        resumed: HttpResponse = super().form_valid(form)
        return resumed

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        failed = self.sent["failed"] + 1
        if failed < app_settings.LOGIN_BY_CODE_MAX_ATTEMPTS:
            self.request.session[_SESSION_KEY] = {**self.sent, "failed": failed}
            shown: HttpResponse = super().form_invalid(form)
            return shown
        del self.request.session[_SESSION_KEY]
        messages.error(self.request, get_adapter().error_messages["too_many_wrong_codes"])
        return self._again()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "email": self.email, "is_sent": bool(self.sent)}


reauthenticate_by_code = ReauthenticateByCodeView.as_view()
