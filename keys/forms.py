"""The form of a new key."""

import re
import uuid

from django import forms

from keys.models import ApiKey

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class NewKeyForm(forms.Form):
    """A name, and the number of this form: sent twice, it makes one key."""

    name = forms.CharField(
        max_length=ApiKey._meta.get_field("name").max_length,
        help_text="What uses this key, say “billing worker, production”. It stands on the receipts of its calls.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    submission = forms.UUIDField(widget=forms.HiddenInput)

    @classmethod
    def new(cls, *, name=""):
        """An unsent form."""
        return cls(initial={"name": name, "submission": uuid.uuid4()})

    def clean_name(self):
        name = " ".join(self.cleaned_data["name"].split())
        if _CONTROL.search(name):
            raise forms.ValidationError("A name can't hold control characters.")
        return name
