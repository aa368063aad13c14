"""The forms of the wallet page: which entries are listed, a voucher's code, and when to be mailed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms

from contract.limits import MOST_CREDITS
from wallets.entry_words import WORDS
from wallets.models import Wallet
from wallets.vouchers import spelling

ALL_BUT_CHARGES = "other"


class KindFilter(forms.Form):
    """Which entries of the ledger are listed: of one kind, all but charges, or all of them."""

    kind = forms.ChoiceField(
        required=False,
        label="Entries",
        choices=[("", "All entries"), (ALL_BUT_CHARGES, "All but charges"), *WORDS.items()],
        error_messages={"invalid_choice": "There is no such kind of entry."},
    )

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__({"kind": str(data.get("kind") or "")}, auto_id="filter-%s")

    @property
    def chosen(self) -> str:
        """The kind, empty for all of them and where the form is not valid."""
        return str(self.cleaned_data.get("kind", "")) if self.is_valid() else ""

    @property
    def words(self) -> str:
        return str(dict(self.fields["kind"].choices)[self.chosen])  # type: ignore[attr-defined]  # a choice field's

    def query(self, *, cursor: str = "") -> str:
        """The query of an address with this filter, at `cursor`; empty for all entries from the newest on."""
        kept = {name: value for name, value in (("kind", self.chosen), ("cursor", cursor)) if value}
        return f"?{urlencode(kept)}" if kept else ""


class VoucherForm(forms.Form):
    """A code, as somebody types it."""

    code = forms.CharField(
        max_length=spelling.LONGEST,
        label="Voucher code",
        error_messages={"max_length": "That is longer than a voucher code."},
        # No maxlength: a browser would cut what is pasted
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "placeholder": "XXXX-XXXX-XXXX-XXXX-XXXX"}
        ),
    )

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, auto_id="voucher-%s")
        self.fields["code"].widget.attrs.pop("maxlength", None)


class LowBalanceForm(forms.Form):
    """Below how many credits of balance a mail goes out. Empty: none does."""

    credits = forms.DecimalField(
        required=False,
        min_value=Decimal("0.0001"),
        max_value=MOST_CREDITS,
        max_digits=18,
        decimal_places=4,
        label="Email me when my balance is below, in credits",
        help_text="Once for each time it falls below. Empty: no email.",
        error_messages={
            "invalid": "Write a number of credits, such as 500.",
            "min_value": "Write a number above zero, or leave it empty for no email.",
            "max_decimal_places": "Credits have four decimal places at most.",
        },
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, wallet: Wallet) -> None:
        credits = wallet.low_balance_credits
        initial = {} if credits is None else {"credits": f"{credits:f}".rstrip("0").rstrip(".")}
        super().__init__(data, initial=initial, auto_id="low-balance-%s")
