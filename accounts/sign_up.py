"""The page to sign up: who only looks at it loses no code that was mailed to sign in."""

from __future__ import annotations

from allauth.account.stages import LoginStage
from allauth.account.views import SignupView
from django.http import HttpRequest, HttpResponseRedirect


class LookingSignupView(SignupView):
    """allauth's, which gives up a pending sign-in when it is opened; this one when something is sent."""

    def _redirect_to_pending_stage(self, request: HttpRequest, stage: LoginStage) -> HttpResponseRedirect | None:
        if request.method != "POST" and not stage.login.signup:
            return None
        pending: HttpResponseRedirect | None = super()._redirect_to_pending_stage(request, stage)
        return pending


sign_up = LookingSignupView.as_view()
