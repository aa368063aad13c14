"""The form of automatic top-ups."""

from decimal import Decimal

from django import forms
from django.conf import settings

from wallets.automatic_top_ups import terms

_USD = {
    "required": "Give an amount in USD.",
    "invalid": "Give the amount in digits, with a point for cents and nothing else, such as 1250.50.",
    "max_decimal_places": "Whole cents only: two decimal places at most.",
    "max_value": f"No more than ${terms.MOST_CEILING_USD:,} can be set.",
}


class AutoTopUpForm(forms.Form):
    """When, how much, and how much a month at most."""

    threshold_credits = forms.DecimalField(
        label="When my balance is below (credits)",
        max_digits=14,
        decimal_places=4,
        min_value=Decimal("0.0001"),
        error_messages={
            "required": "Give the number of credits below which your card is charged.",
            "invalid": "Give the credits in digits, with a point for decimals and nothing else, such as 1234.5.",
            "min_value": "The threshold must be above zero.",
            "max_decimal_places": "Credits have four decimal places at most.",
            "max_digits": "That is more than a threshold can be.",
            "max_whole_digits": "That is more than a threshold can be.",
        },
        help_text="More than your largest call can cost, or that may be refused first. Credits held for calls in flight still count.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    amount_usd = forms.DecimalField(
        label="Charge my card (USD)",
        decimal_places=2,
        error_messages=_USD,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    monthly_ceiling_usd = forms.DecimalField(
        label="But in a month no more than (USD)",
        decimal_places=2,
        max_value=terms.MOST_CEILING_USD,
        error_messages=_USD,
        help_text="Of automatic top-ups, per calendar month (UTC).",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    @classmethod
    def of(cls, auto):
        """Unsent, with what is set or proposed."""
        credits = f"{auto.threshold_credits:f}".rstrip("0").rstrip(".")
        return cls(
            initial={
                "threshold_credits": credits,
                "amount_usd": f"{auto.amount_usd:.2f}",
                "monthly_ceiling_usd": f"{auto.monthly_ceiling_usd:.2f}",
            }
        )

    def clean_amount_usd(self):
        amount = self.cleaned_data["amount_usd"]
        if not settings.TOPUP_MIN_USD <= amount <= settings.TOPUP_MAX_USD:
            raise forms.ValidationError(f"Choose an amount from ${settings.TOPUP_MIN_USD:,.2f} to ${settings.TOPUP_MAX_USD:,.2f}.")
        return amount

    def clean(self):
        super().clean()
        amount, ceiling = self.cleaned_data.get("amount_usd"), self.cleaned_data.get("monthly_ceiling_usd")
        if amount is not None and ceiling is not None and ceiling < amount:
            self.add_error("monthly_ceiling_usd", "The ceiling must have room for one top-up.")
        return self.cleaned_data
