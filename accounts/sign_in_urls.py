"""Everything under `/accounts/`: allauth's pages, a few of them with a word of ours added."""

from __future__ import annotations

from allauth.account import views
from django.urls import include, path

from accounts.guards import of_code, of_somebody_recent, out
from accounts.reauthenticate_by_code import reauthenticate_by_code
from accounts.reset_by_code import confirm_reset_code
from accounts.sign_up import sign_up

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
