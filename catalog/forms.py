"""Staff's form of a new price version."""

from django import forms

from catalog.models import Price
from wallets.effective_from import EffectiveFromField


class PriceForm(forms.ModelForm):
    effective_from = EffectiveFromField(what="A price", help_text="Calls already admitted keep the price of their hold.")

    class Meta:
        model = Price
        fields = ["model", "credits_per_litellm_usd", "credits_per_task", "effective_from", "reason"]
