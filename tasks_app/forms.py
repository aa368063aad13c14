"""Which tasks the page lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms

from tasks_app.listing import Listing
from tasks_app.models import Capability, TaskStatus

CAPABILITIES = {Capability.TEXT_TO_MUSIC.value: "Text to music", Capability.REFERENCE_AUDIO_TO_MUSIC.value: "Reference audio to music"}


class TaskFilter(forms.Form):
    """Of one status, of one kind, or all of them."""

    use_required_attribute = False
    status = forms.ChoiceField(
        required=False,
        label="Status",
        choices=[("", "Any status"), *TaskStatus.choices],
        error_messages={"invalid_choice": "There is no status “%(value)s”."},
    )
    capability = forms.ChoiceField(
        required=False,
        label="Kind",
        choices=[("", "Any kind"), *CAPABILITIES.items()],
        error_messages={"invalid_choice": "There is no kind “%(value)s”."},
    )

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__({name: str(data.get(name) or "") for name in ("status", "capability")}, auto_id="filter-%s")

    @property
    def chosen(self) -> dict[str, str]:
        """What the list is narrowed to, once the form is valid."""
        return {name: value for name, value in self.cleaned_data.items() if value}

    def query(self, *, cursor: str = "") -> str:
        """The query of an address with these filters, at `cursor`; empty for all tasks from the newest on."""
        kept = {**self.chosen, **({"cursor": cursor} if cursor else {})}
        return f"?{urlencode(kept)}" if kept else ""

    def listing(self, *, cursor: str, limit: int) -> Listing:
        return Listing(
            status=self.chosen.get("status"),
            capability=self.chosen.get("capability"),
            created_after=None,
            created_before=None,
            limit=limit,
            cursor=cursor or None,
            order="desc",
            expand=frozenset(),
        )
