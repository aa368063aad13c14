"""Signing up and signing in, where allauth's forms leave something to us."""

from allauth.account.adapter import get_adapter
from allauth.account.forms import SignupForm as AllauthSignupForm
from django.db import IntegrityError, transaction
from unfold.forms import AuthenticationForm


class SignupForm(AllauthSignupForm):
    """allauth's form, but user, address, account and wallet are made together or not at all."""

    def save(self, request):
        with transaction.atomic():
            return super().save(request)

    def try_save(self, request):
        try:
            return super().try_save(request)
        except IntegrityError:
            # Somebody signed up with the same address between our check and our insert: answer as if it had been there all along.
            self.account_already_exists = True
            return super().try_save(request)


class StaffSignInForm(AuthenticationForm):
    """The sign-in of `/admin/`: by email address, under the same limit of failed attempts as the customers' page."""

    def clean(self):
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password:
            self.user_cache = get_adapter(self.request).authenticate(self.request, email=email, password=password)
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data
