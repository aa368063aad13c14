"""The forms of the wallet page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms

from wallets.entry_words import WORDS

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
        return dict(self.fields["kind"].choices)[self.chosen]  # type: ignore[attr-defined]  # a choice field's

    def query(self, *, cursor: str = "") -> str:
        """The query of an address with this filter, at `cursor`; empty for all entries from the newest on."""
        kept = {name: value for name, value in (("kind", self.chosen), ("cursor", cursor)) if value}
        return f"?{urlencode(kept)}" if kept else ""
