"""Amounts are rounded half up, once, and exactly."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallets import money

amounts = st.decimals(min_value=0, max_value=10**12, places=4)
rates = st.decimals(min_value=Decimal("0.0001"), max_value=10**7, places=4)


def half_up(value: Fraction, places: int) -> Decimal:
    scaled = value * 10**places
    return Decimal((scaled + Fraction(1, 2)).__floor__()).scaleb(-places)


@pytest.mark.parametrize(
    ("value", "rounded", "rounded_up"),
    [
        ("3", "3.0000", "3.0000"),
        ("0.00005", "0.0001", "0.0001"),
        ("0.00004999", "0.0000", "0.0001"),
        ("2.00015", "2.0002", "2.0002"),
        ("-0.00001", "0.0000", "0.0000"),
        ("-1.00005", "-1.0001", "-1.0000"),
    ],
)
def test_credits_have_four_places(value, rounded, rounded_up):
    assert str(money.credits(value)) == rounded
    assert str(money.credits_up(value)) == rounded_up


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e60", "abc"])
def test_what_is_no_amount_is_refused(value):
    for rounding in (money.credits, money.credits_up, money.usd):
        with pytest.raises(ValueError, match="no amount"):
            rounding(value)


def test_a_float_of_usd_loses_its_noise():
    assert str(money.usd(2.0549999999999998e-05)) == "0.000020550000"
    assert str(money.usd(0.1 + 0.2)) == "0.300000000000"
    with pytest.raises(ValueError, match="no amount"):
        money.usd(float("nan"))


def test_texts():
    assert money.as_text(Decimal(3)) == "3.0000"
    assert money.as_text(Decimal("1E+2")) == "100.0000"
    assert money.as_text(Decimal("-0.00001")) == "0.0000"
    assert money.group(Decimal("-1234567.5")) == "-1,234,567.5000"


@given(cost=st.decimals(min_value=0, max_value=10**6, places=12), markup=st.decimals(min_value=0, max_value=10**6, places=6))
def test_a_charge_is_the_exact_product_rounded_once(cost, markup):
    charged = money.credits(money.product(cost, credits_per_usd=markup))
    assert charged == half_up(Fraction(cost) * Fraction(markup), 4)


@given(credits=amounts, rate=rates)
def test_the_usd_reference_is_the_exact_quotient_rounded_once(credits, rate):
    assert money.usd_reference(credits, rate=rate) == half_up(Fraction(credits) / Fraction(rate), 4)
    assert money.usd_reference(-credits, rate=rate) == -half_up(Fraction(credits) / Fraction(rate), 4)
