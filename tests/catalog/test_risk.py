from __future__ import annotations

import math

import pytest

from tradewind.catalog.risk import HOURS_A_MONTH, interruptions_per_hour


@pytest.mark.parametrize(
    ("band", "share"), [("<5%", 0.025), ("5-10%", 0.075), ("10-15%", 0.125), ("15-20%", 0.175), (">20%", 0.225)]
)
def test_a_month_at_this_hazard_interrupts_the_bands_middle_share(band: str, share: float) -> None:
    assert 1 - math.exp(-interruptions_per_hour(band) * HOURS_A_MONTH) == pytest.approx(share, abs=1e-6)


def test_a_band_that_is_none() -> None:
    with pytest.raises(KeyError):
        interruptions_per_hour("25-30%")
