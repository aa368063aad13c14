"""Staff's form of a new price version."""

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from catalog.models import Price


class PriceForm(forms.ModelForm):
    effective_from = forms.SplitDateTimeField(
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="UTC. Empty: from now on. Calls already admitted keep the price of their hold.",
    )

    class Meta:
        model = Price
        fields = ["model", "credits_per_litellm_usd", "credits_per_task", "effective_from", "reason"]

    def clean_effective_from(self):
        moment = self.cleaned_data["effective_from"]
        if moment is not None and moment < timezone.now():
            raise forms.ValidationError("A price can't count from a time that is over.")
        return moment or timezone.now()
