"""Staff's two forms about money: credits given or taken, and a new credits-per-USD rate."""

import uuid

from django import forms

from wallets.effective_from import EffectiveFromField
from wallets.models import CreditsPerUsdRate, EntryKind, LedgerEntry


class MoveForm(forms.ModelForm):
    """Credits given to a wallet, or an adjustment either way. `submission` names one rendering: sent twice, it is one entry."""

    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in (EntryKind.GRANT, EntryKind.ADJUSTMENT)])
    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=1000, help_text="Stands in the ledger for good.")
    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    class Meta:
        model = LedgerEntry
        fields = ["wallet", "kind", "amount", "reason"]

    def clean(self):
        super().clean()
        kind, amount = self.cleaned_data.get("kind"), self.cleaned_data.get("amount")
        if amount == 0 or (amount is not None and amount < 0 and kind == EntryKind.GRANT):
            self.add_error("amount", "A grant is above zero; an adjustment may be negative, but not zero.")
        return self.cleaned_data


class RateForm(forms.ModelForm):
    effective_from = EffectiveFromField(what="A rate", help_text="Receipts already written keep their rate.")

    class Meta:
        model = CreditsPerUsdRate
        fields = ["wallet", "value", "effective_from", "reason"]
