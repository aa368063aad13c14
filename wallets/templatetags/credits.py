"""Amounts on pages. Every amount is a Decimal and stays one: a float is a mistake of the caller and raises TypeError."""

from __future__ import annotations

from decimal import Decimal

from django import template

from wallets import money

register = template.Library()

NOTHING = "–"
MINUS = "\N{MINUS SIGN}"


def _exact(value: Decimal | int | str) -> Decimal:
    if isinstance(value, float):
        raise TypeError("an amount is a Decimal, not a float")
    return Decimal(value)


@register.filter
def credits(value: Decimal | int | str | None) -> str:
    """Credits, or USD of reference, to the fourth place: `1234.5` gives `1,234.5000`; none gives a dash."""
    if value is None or value == "":
        return NOTHING
    return money.group(_exact(value)).replace("-", MINUS)


@register.filter
def signed(value: Decimal | int | str) -> str:
    """A change in credits with its sign, a minus of the width of the plus: `+5.0000`; nothing stays `0.0000`."""
    amount = money.credits(_exact(value))
    sign = "+" if amount > 0 else MINUS if amount < 0 else ""
    return f"{sign}{money.group(abs(amount))}"


@register.filter
def exact(value: Decimal | int | str | None) -> str:
    """A cost, rate or product as it is: no rounding, no zeros at the end that say nothing. `0.002000000000` gives `0.002`."""
    if value is None or value == "":
        return NOTHING
    text = f"{_exact(value):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
