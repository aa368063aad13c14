"""The moment from which a new version counts, in staff's forms."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

_FURTHEST = timedelta(days=366)


class EffectiveFromField(forms.SplitDateTimeField):
    """A time from now to a year ahead, in UTC; left empty it is now. `what` counts from then: "A price"."""

    widget = UnfoldAdminSplitDateTimeWidget

    def __init__(self, *, what: str, help_text: str, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "required": False, "help_text": f"UTC. Empty: from now on. {help_text}"})
        self.what = what

    def prepare_value(self, value: Any) -> Any:
        """What to show: a form sends a list of two, a text comes from the page's address and is no time."""
        return None if isinstance(value, str) else super().prepare_value(value)

    def clean(self, value: Any) -> datetime:
        """Raises ValidationError for a time that is over, and for one so far off that it must be a slip: no version is ever changed."""
        moment: datetime | None = super().clean(value)
        if moment is not None and moment < timezone.now():
            raise forms.ValidationError(f"{self.what} can't count from a time that is over.")
        if moment is not None and moment > timezone.now() + _FURTHEST:
            raise forms.ValidationError(f"{self.what} can be set a year ahead at most.")
        return moment or timezone.now()
