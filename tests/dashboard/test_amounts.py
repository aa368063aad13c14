"""How amounts are written on pages."""

from __future__ import annotations

from decimal import Decimal

import pytest

from wallets.templatetags.credits import credits, exact


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal(3), "3.0000"),
        (Decimal("1234567.5"), "1,234,567.5000"),
        (Decimal("-0.6462"), "\N{MINUS SIGN}0.6462"),
        (Decimal("0.00005"), "0.0001"),
        (Decimal("0.00004999"), "0.0000"),
        (Decimal("2.00025"), "2.0003"),
        (Decimal("99999999999999.9999"), "99,999,999,999,999.9999"),
        (0, "0.0000"),
        (None, "–"),
    ],
)
def test_credits_have_four_places_and_thousands(value, shown):
    assert credits(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("0.002000000000"), "0.002"),
        (Decimal("1500.000000"), "1,500"),
        (Decimal("1E-12"), "0.000000000001"),
        (Decimal(100), "100"),
        (Decimal("0.000000000000"), "0"),
        (Decimal("1E+3"), "1,000"),
        (None, "–"),
    ],
)
def test_costs_are_shown_as_they_are(value, shown):
    assert exact(value) == shown


def test_a_float_is_no_amount():
    for write in (credits, exact):
        with pytest.raises(TypeError):
            write(0.1)
