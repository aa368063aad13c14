"""Staff's form of a new price version, of a chat model or of one of music."""

from typing import ClassVar

from django import forms

from catalog.models import Price
from wallets.effective_from import EffectiveFromField


class PriceForm(forms.ModelForm):
    effective_from = EffectiveFromField(what="A price", help_text="Calls and tasks already taken on keep the price they were taken on for.")

    class Meta:
        model = Price
        fields = ["model", "credits_per_litellm_usd", "credits_per_task", "provider_cost_usd", "effective_from", "reason"]
        help_texts: ClassVar = {
            "credits_per_litellm_usd": "Of a chat model.",
            "credits_per_task": "Of a music model.",
            "provider_cost_usd": "Of a music model: what a task costs us. Empty: not known. “New price” on the model's page begins with "
            "the numbers that count now.",
        }
