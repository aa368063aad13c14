"""Signing up and signing in, where allauth's forms leave something to us."""

from typing import Any

from allauth.account import forms as allauth
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.validators import MaxLengthValidator
from django.db import IntegrityError, transaction
from unfold.forms import AuthenticationForm


class _Focused(forms.Form):
    """Its first field has the focus; after a mistake the one that it is in, or the last where it can't be told."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._focus(next(iter(self.fields)))

    def full_clean(self):
        super().full_clean()
        if self.is_bound and self.errors:
            self._focus(next((name for name in self.fields if name in self.errors), list(self.fields)[-1]))

    def _focus(self, focused: str) -> None:
        for name, field in self.fields.items():
            field.widget.attrs.pop("autofocus", None)
            if name == focused:
                field.widget.attrs["autofocus"] = True


def _take_no_longer_address(field: forms.Field) -> None:
    """Refuse an address that is longer than we keep: allauth would cut it. Not by `maxlength`, by which a browser would."""
    length = EmailAddress._meta.get_field("email").max_length
    field.validators.append(MaxLengthValidator(length, "An address has at most %(limit_value)d characters."))


class SignInForm(_Focused, allauth.LoginForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # what password managers look for beside a password
        self.fields["login"].widget.attrs["autocomplete"] = "username"


class SignupForm(_Focused, allauth.SignupForm):
    """allauth's form, but user, address, account and wallet are made together or not at all. A password may be left out."""

    account_already_exists: bool

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        _take_no_longer_address(self.fields["email"])
        self.fields["password1"].help_text = "At least 8 characters. Or leave it empty and sign in by codes that we email you."

    def save(self, request):
        with transaction.atomic():
            return super().save(request)

    def try_save(self, request):
        if self.account_already_exists:
            self._take_as_long()
        try:
            return super().try_save(request)
        except IntegrityError:
            # Somebody signed up with the same address between our check and our insert: answer as if it had been there all along.
            self.account_already_exists = True
            return super().try_save(request)

    def _take_as_long(self):
        """Hash the password as for a new account, so that the time tells nobody which addresses are taken."""
        if password := self.cleaned_data.get("password1"):
            make_password(password)


class RequestCodeForm(_Focused, allauth.RequestLoginCodeForm):
    """Also posted by the second button of the sign-in form, which calls the address `login`."""

    def __init__(self, data: Any = None, *args, **kwargs):
        if data is not None and "email" not in data:
            data = {"email": data.get("login", "")}
        super().__init__(data, *args, **kwargs)
        self.fields["email"].widget.attrs["autocomplete"] = "username"


class ResetPasswordForm(_Focused, allauth.ResetPasswordForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs["autocomplete"] = "username"


class ReauthenticateForm(_Focused, allauth.ReauthenticateForm):
    pass


class NewAddressForm(_Focused, allauth.AddEmailForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "New address"
        _take_no_longer_address(self.fields["email"])


class _NewPassword(_Focused):
    """A new password is typed once: who mistypes it gets in by a code and sets another."""

    password2 = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["password1"].label = "New password"
        self.fields["password1"].help_text = "At least 8 characters."


class ChangePasswordForm(_NewPassword, allauth.ChangePasswordForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = "Current password"


class SetPasswordForm(_NewPassword, allauth.SetPasswordForm):
    pass


class ResetPasswordKeyForm(_NewPassword, allauth.ResetPasswordKeyForm):
    pass


class _EasyToType(_Focused):
    """Of a code: phones show digits and offer it from the mail; the dash in it may be left out."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= {"inputmode": "numeric", "autocomplete": "one-time-code", "maxlength": "20"}


class CodeForm(_EasyToType, allauth.BaseConfirmCodeForm):
    pass


class ConfirmAddressForm(_EasyToType, allauth.ConfirmEmailVerificationCodeForm):
    pass


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
