"""Budgets: what is decided from what was spent. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

WARN_AT = Fraction(8, 10)
Verdict = Literal["fine", "warn", "end"]


def judge(spent_usd: Fraction, usd_h: Fraction, budget_usd: float, *, lead_s: float) -> Verdict:
    """Whether a budget still holds: "end" once it would be spent within `lead_s` seconds at the present rate, "warn" from 80 % on.

    The lead is the time until somebody looks again and machines are gone: a budget is a bound, so it is acted on before it is reached.
    """
    budget = Fraction(repr(budget_usd))
    if spent_usd + usd_h * Fraction(repr(lead_s)) / 3600 >= budget:
        return "end"
    return "warn" if spent_usd >= WARN_AT * budget else "fine"
