"""Staff's forms about money: credits given or taken, a call refunded, and a new credits-per-USD rate."""

import uuid
from decimal import Decimal

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from contract.limits import MOST_CREDITS
from wallets import editing
from wallets.effective_from import EffectiveFromField
from wallets.models import CreditsPerUsdRate, EntryKind, LedgerEntry
from wallets.money import as_text


class WalletSelect(AutocompleteSelect):
    """Finds a wallet by its account's email address. What an address or a form names may be anything, though."""

    def optgroups(self, name, value, attr=None):
        return super().optgroups(name, [pk for pk in value if pk.isascii() and pk.isdecimal() and len(pk) < 20], attr)


class MoveForm(forms.ModelForm):
    """Credits given to a wallet, or an adjustment either way. `submission` names one rendering: sent twice, it is one entry."""

    kind = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in (EntryKind.GRANT, EntryKind.ADJUSTMENT)], widget=UnfoldAdminSelectWidget
    )
    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        max_length=1000,
        help_text="Internal: it stands in the ledger for good, and customers see the amount and the time, not the reason.",
    )
    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    class Meta:
        model = LedgerEntry
        fields = ["wallet", "kind", "amount", "reason"]

    def clean(self):
        super().clean()
        kind, amount = self.cleaned_data.get("kind"), self.cleaned_data.get("amount")
        if amount == 0 or (amount is not None and amount < 0 and kind == EntryKind.GRANT):
            self.add_error("amount", "A grant is above zero; an adjustment may be negative, but not zero.")
        if amount is not None and abs(amount) > MOST_CREDITS:
            self.add_error("amount", f"At most {MOST_CREDITS:,} credits at once.")
        return self.cleaned_data


class RefundForm(forms.Form):
    """Credits of one call's charge, to give back. `submission` names one rendering: sent twice, it is one refund.

    Asked for more than the `left` credits it refuses, but for what was sent before: that refund stands. Of what is given back
    between this look and the refund it knows nothing: the refund itself gives what is left then.
    """

    credits = forms.DecimalField(max_digits=18, decimal_places=4, min_value=Decimal("0.0001"), widget=UnfoldAdminDecimalFieldWidget)
    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        max_length=1000,
        help_text="Internal: it stands in the ledger for good, and customers see the amount and the time, not the reason.",
    )
    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, data, *, record, left):
        super().__init__(data, initial={"credits": left})
        self.record, self.left = record, left

    def clean(self):
        super().clean()
        credits, submission = self.cleaned_data.get("credits", 0), self.cleaned_data.get("submission")
        if credits > self.left and not editing.was_refunded(self.record, submission=str(submission)):
            self.add_error("credits", f"At most the {as_text(self.left)} credits that are left of the charge.")
        return self.cleaned_data


class RateForm(forms.ModelForm):
    effective_from = EffectiveFromField(what="A rate", help_text="Receipts already written keep their rate.")

    class Meta:
        model = CreditsPerUsdRate
        fields = ["wallet", "value", "effective_from", "reason"]
