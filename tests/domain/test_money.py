"""Money is exact or rounded on purpose."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain.money import amount, ceil_to_step, dec, divide, floor_to_step, is_multiple, percent, text

AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=9, allow_nan=False)
STEPS = st.sampled_from([Decimal(x) for x in ("0.00001", "0.001", "0.01", "0.5", "1", "10")])


@pytest.mark.parametrize("bad", [0.1, float("nan"), "nan", "Infinity", "1,5", "", "0x10", None])
def test_what_is_not_exact_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"float|number"):
        dec(bad)  # type: ignore[arg-type]


@given(AMOUNTS)
def test_text_is_canonical_and_comes_back_equal(value: Decimal) -> None:
    written = text(value)
    assert dec(written) == value
    assert text(dec(written)) == written
    assert "E" not in written
    assert written.startswith("-") == (value < 0)


def test_equal_values_have_equal_text() -> None:
    assert {text(Decimal(x)) for x in ("1.50", "1.5", "15E-1", "1.5000")} == {"1.5"}
    assert text(Decimal("-0.00")) == "0"


@given(AMOUNTS, STEPS)
def test_rounding_to_a_step_never_crosses_the_value(value: Decimal, step: Decimal) -> None:
    low, high = floor_to_step(value, step), ceil_to_step(value, step)
    assert low <= value <= high
    assert is_multiple(low, step) and is_multiple(high, step)
    assert high - low in (0, step)


@given(AMOUNTS, STEPS)
def test_a_quotient_is_within_half_a_quantum_of_the_truth(value: Decimal, step: Decimal) -> None:
    assert abs(divide(value, step) * step - value) <= step * Decimal("0.5E-12")


def test_amounts_and_percentages_read_as_the_log_prints_them() -> None:
    assert percent(Decimal("0.062")) == "6.20%"
    assert amount(Decimal("312.4"), "USDT") == "312.40 USDT"
