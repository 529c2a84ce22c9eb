"""Budgets are acted on before they are spent."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.jobs.money import judge

RATE = Fraction(36)  # a cent a second


def test_fine_then_warned_then_ended_with_the_lead_kept():
    assert judge(Fraction(7), RATE, 10.0, lead_s=5.0) == "fine"
    assert judge(Fraction(8), RATE, 10.0, lead_s=5.0) == "warn"
    assert judge(Fraction("9.94"), RATE, 10.0, lead_s=5.0) == "warn"
    assert judge(Fraction("9.95"), RATE, 10.0, lead_s=5.0) == "end"
    assert judge(Fraction(0), Fraction(0), 10.0, lead_s=5.0) == "fine"


@given(st.fractions(0, 20), st.fractions(0, 1000), st.floats(0.01, 20), st.floats(0, 60))
def test_who_is_not_ended_has_money_for_the_lead(spent, rate, budget, lead_s):
    if judge(spent, rate, budget, lead_s=lead_s) != "end":
        assert spent + rate * Fraction(repr(lead_s)) / 3600 < Fraction(repr(budget))
