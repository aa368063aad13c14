"""Amounts: credits with four places, USD costs with twelve, each rounded half up and once.

Credits and USD are always Decimal here; a float enters only as LiteLLM's cost and becomes its shortest decimal text first, which
ends float noise (contract.md 2). Everything raises ValueError for what is no finite amount.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal, DecimalException

FOUR_PLACES = Decimal("0.0001")
TWELVE_PLACES = Decimal("0.000000000001")
# Wider than any product of two amounts, so that nothing is rounded on the way to the one rounding meant
EXACT = Context(prec=60)


def _rounded(value: Decimal | int | str, *, to: Decimal, rounding: str) -> Decimal:
    try:
        amount = Decimal(value).quantize(to, rounding=rounding, context=EXACT)
    except DecimalException as error:
        raise ValueError(f"no amount: {value!r}") from error
    if not amount.is_finite():
        raise ValueError(f"no amount: {value!r}")
    return amount or abs(amount)


def credits(value: Decimal | int | str) -> Decimal:
    """`value` credits to four places, half up: what is charged, granted, shown."""
    return _rounded(value, to=FOUR_PLACES, rounding=ROUND_HALF_UP)


def credits_up(value: Decimal | int | str) -> Decimal:
    """`value` credits to four places, up: a hold must never be smaller than the charge it stands for."""
    return _rounded(value, to=FOUR_PLACES, rounding=ROUND_CEILING)


def usd(value: Decimal | float | str) -> Decimal:
    """A cost of `value` USD to twelve places, half up. A float counts as its shortest decimal text."""
    return _rounded(repr(value) if isinstance(value, float) else value, to=TWELVE_PLACES, rounding=ROUND_HALF_UP)


def product(cost_usd: Decimal, *, credits_per_usd: Decimal) -> Decimal:
    """`cost_usd` USD x `credits_per_usd`, exactly, for `credits` or `credits_up` to round. 0.00200 USD x 1500 = 3.0000 credits."""
    return EXACT.multiply(cost_usd, credits_per_usd)


def usd_reference(credits: Decimal, *, rate: Decimal) -> Decimal:
    """`credits` in USD at `rate` credits per USD, four places, half up; for display only. 3.0000 at 1000 is 0.0030.

    One integer division, so that no intermediate quotient is rounded before the rounding meant; `settle` computes the same.
    """
    size = EXACT.divide_int(abs(credits) * 20000 + rate, rate * 2) / 10000
    return _rounded(size.copy_sign(credits), to=FOUR_PLACES, rounding=ROUND_HALF_UP)


def as_text(credits: Decimal) -> str:
    """Credits (or a USD reference) as the API writes them: "3.0000"."""
    return f"{_rounded(credits, to=FOUR_PLACES, rounding=ROUND_HALF_UP):f}"


def exact_text(credits: Decimal) -> str:
    """A rate in credits, unrounded: four places at least, as many as it has. "450.0000", "0.00125"."""
    exact = credits.normalize(EXACT)
    exponent = exact.as_tuple().exponent
    return f"{exact:f}" if isinstance(exponent, int) and exponent < -4 else as_text(exact)


def group(credits: Decimal) -> str:
    """Credits as pages write them: "10,000.0000"."""
    return f"{_rounded(credits, to=FOUR_PLACES, rounding=ROUND_HALF_UP):,f}"


def is_amount(value: Decimal) -> bool:
    """Whether `value` is a finite amount of at most four places, not below zero."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -4 and value >= 0
