"""The form of "Add credits": how many USD."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings

from wallets.money import group
from wallets.top_ups import topups

OTHER = "other"


class TopUpForm(forms.Form):
    """One of the amounts to choose from, or another one; `amount_usd` once it is valid. `submission`: sent twice, it is one top-up."""

    amount = forms.ChoiceField(
        widget=forms.RadioSelect, error_messages={"required": "Choose an amount.", "invalid_choice": "Choose one of these amounts."}
    )
    other = forms.DecimalField(
        required=False,
        max_digits=12,
        decimal_places=2,
        label="Amount in USD",
        error_messages={"invalid": "Write an amount in USD, such as 40 or 12.50.", "max_decimal_places": "Whole cents only."},
        widget=forms.NumberInput(attrs={"step": "0.01", "inputmode": "decimal"}),
    )
    submission = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None = None, *, rate: Decimal) -> None:
        super().__init__(data, initial={"submission": uuid.uuid4()}, auto_id="top-up-%s")
        self.presets = [(f"{usd:.2f}", usd, topups.credits_for(usd, rate=rate)) for usd in topups.presets()]
        choices = [(value, f"${value}: {group(credits)} credits") for value, _, credits in self.presets]
        self.fields["amount"].choices = [*choices, (OTHER, "Another amount")]  # type: ignore[attr-defined]  # a choice field's
        # The second, where there is one: neither the least nor the most
        self.initial["amount"] = (choices[:2] or [(OTHER, "")])[-1][0]
        self.fields["other"].help_text = f"From ${settings.TOPUP_MIN_USD:,.2f} to ${settings.TOPUP_MAX_USD:,.2f}."

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("amount") == OTHER and "other" not in self.errors:
            usd = given.get("other")
            if usd is None:
                self.add_error("other", "Write the amount.")
            elif not topups.is_offered(usd):
                self.add_error("other", str(topups.AmountError()))
        elif given.get("amount") != OTHER:
            self.errors.pop("other", None)  # not asked for
        return given

    @property
    def amount_usd(self) -> Decimal:
        chosen = self.cleaned_data["amount"]
        return Decimal(self.cleaned_data["other"] if chosen == OTHER else chosen)
