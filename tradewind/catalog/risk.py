"""Spot risk: interruptions/hour from the monthly bands that AWS publishes."""

from __future__ import annotations

import math

HOURS_A_MONTH = 730.0

# The Spot Instance Advisor's "frequency of interruption": the share of instances reclaimed during the trailing month. The middle of each
# band stands for it; the open band ">20%" is continued by half a step, so that its figure is a floor rather than an estimate.
_SHARE_INTERRUPTED_A_MONTH = {"<5%": 0.025, "5-10%": 0.075, "10-15%": 0.125, "15-20%": 0.175, ">20%": 0.225}


def interruptions_per_hour(band: str) -> float:
    """The constant hazard at which the band's middle share p is interrupted within a month: -ln(1 - p) / 730.

    Exponential lifetimes: the only law that a single monthly share determines. Raises KeyError for a band that is none.
    """
    return round(-math.log1p(-_SHARE_INTERRUPTED_A_MONTH[band]) / HOURS_A_MONTH, 9)
