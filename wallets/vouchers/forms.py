"""Staff's form of new voucher codes."""

import uuid
from decimal import Decimal

from django import forms
from django.utils import timezone

from contract.limits import MOST_CREDITS
from wallets.models import VoucherBatch
from wallets.vouchers import vouchers

_MOST_USES = 1_000_000


class BatchForm(forms.ModelForm):
    """`submission` names one rendering: sent twice, it makes one batch."""

    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    class Meta:
        model = VoucherBatch
        fields = ["credits", "codes", "uses", "expires_at", "note"]

    def clean_credits(self):
        return self._within("credits", least=Decimal("0.0001"), most=MOST_CREDITS)

    def clean_codes(self):
        return self._within("codes", least=1, most=vouchers.MOST_CODES)

    def clean_uses(self):
        return self._within("uses", least=1, most=_MOST_USES)

    def clean_expires_at(self):
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError("That time is over.")
        return expires_at

    def _within(self, name, *, least, most):
        value = self.cleaned_data[name]
        if not least <= value <= most:
            raise forms.ValidationError(f"From {least} to {most:,}.")
        return value
