"""The part of a key's form that sets its spend caps: credits for each window, an empty field for no cap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms

from contract.limits import MOST_CREDITS
from wallets.budgets import CapStanding
from wallets.models import CapWindow
from wallets.money import as_text, credits, group

_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_SPENT = {CapWindow.DAY: "today", CapWindow.WEEK: "this week", CapWindow.MONTH: "this month", CapWindow.TOTAL: "in all"}


class CapField(forms.CharField):
    """Credits as the API writes them, or nothing for no cap. Text, so that a browser sends and shows again whatever was typed."""

    def __init__(self, *, label: str, help_text: str) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(label=label, help_text=help_text, required=False, widget=widget)

    def clean(self, value: Any) -> Decimal | None:
        typed = super().clean(value)
        if not typed:
            return None
        if not _NUMBER.fullmatch(typed):
            raise forms.ValidationError("Give the credits in digits, with a point for decimals and nothing else, such as 1234.5.")
        amount = Decimal(typed)
        if amount < 0:
            raise forms.ValidationError("A cap can't be below zero. 0 refuses every call that may cost something; empty is no cap.")
        if amount > MOST_CREDITS:
            raise forms.ValidationError(f"A cap can be {MOST_CREDITS:,} credits at most. Leave it empty for no cap.")
        if amount != credits(amount):
            raise forms.ValidationError("Credits have four decimal places at most.")
        return credits(amount)


class CapsForm(forms.Form):
    """`limits()` are for `wallets.budgets.set_caps`."""

    cap_day = CapField(label="Credits per day", help_text="Starts over at midnight UTC.")
    cap_week = CapField(label="Credits per week", help_text="Starts over on Mondays, 00:00 UTC.")
    cap_month = CapField(label="Credits per month", help_text="Starts over on the 1st, 00:00 UTC.")
    cap_total = CapField(label="Credits in total", help_text="Never starts over.")

    def __init__(self, *args: Any, caps: Sequence[CapStanding] = (), **kwargs: Any) -> None:
        """`caps` are those the key has already, as they stand."""
        super().__init__(*args, **kwargs)
        for cap in caps:
            self.initial[_name(cap.window)] = as_text(cap.limit_credits)
            self.fields[_name(cap.window)].help_text += f" {group(cap.spent_credits)} credits are spent {_SPENT[cap.window]}."

    @property
    def cap_fields(self) -> list[forms.BoundField]:
        """Those of the caps, in their order on the page."""
        return [self[_name(window)] for window in CapWindow]

    @property
    def caps_errors(self) -> set[str]:
        """The names of the caps' fields in which something is wrong."""
        return self.errors.keys() & {_name(window) for window in CapWindow}

    @property
    def has_caps(self) -> bool:
        """Whether any cap is given, or wrong: then they are shown at once."""
        return any(field.value() for field in self.cap_fields)

    def limits(self) -> dict[str, Decimal | None]:
        """The limit of each window, in credits; None removes it. Of a form that is valid."""
        return {window: self.cleaned_data.get(_name(window)) for window in CapWindow}


def _name(window: str) -> str:
    return f"cap_{window}"
