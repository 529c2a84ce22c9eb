"""Hazards by what is published and what was seen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.catalog import OfferFilter, open_catalog
from tradewind.catalog.traces import spot_traces
from tradewind.optimizer.cost import UNKNOWN_RISK_PER_H
from tradewind.optimizer.hazard import EXACT_TO, PRIOR_SHAPE, Seen, learnt, poisson_limits


def seen(hours: float, losses: int) -> Seen:
    return Seen("aws", "r", "z", "m", hours, losses)


def test_nothing_seen_is_no_figure_and_little_seen_leaves_what_is_published():
    assert learnt((), 1e-4, UNKNOWN_RISK_PER_H) is None
    assert learnt((seen(0.0, 0),), 1e-4, UNKNOWN_RISK_PER_H) is None
    barely = learnt((seen(0.001, 0),), 1e-4, UNKNOWN_RISK_PER_H)
    assert barely.per_h == pytest.approx(1e-4, rel=1e-3)
    assert learnt((seen(0.001, 0),), None, 3.5e-4).per_h == pytest.approx(3.5e-4, rel=1e-3)


@given(st.floats(0.01, 1e5), st.integers(0, 500), st.floats(1e-6, 1))
def test_the_figure_lies_between_what_is_published_and_what_was_seen(hours, losses, published):
    found = learnt((seen(hours, losses),), published, UNKNOWN_RISK_PER_H)
    low, high = sorted((published, losses / hours))
    assert low * (1 - 1e-9) <= found.per_h <= high * (1 + 1e-9)
    assert 0 <= found.low_per_h <= losses / hours <= found.high_per_h


def test_the_limits_are_those_of_the_tables():
    # Ulm, American Journal of Epidemiology 131:373, 1990: 90 % limits of a Poisson count; and -ln 0.05 for none at all.
    assert poisson_limits(0) == (0.0, pytest.approx(-math.log(0.05), rel=1e-9))
    assert poisson_limits(1) == (pytest.approx(0.0513, abs=1e-4), pytest.approx(4.7439, abs=1e-4))
    assert poisson_limits(10) == (pytest.approx(5.4254, abs=1e-4), pytest.approx(16.9622, abs=1e-4))
    exact, near = poisson_limits(EXACT_TO), poisson_limits(EXACT_TO + 1)
    assert near[0] - exact[0] == pytest.approx(1.0, abs=0.1)
    assert near[1] - exact[1] == pytest.approx(1.0, abs=0.1)


def test_the_prior_is_the_likeliest_over_the_recorded_markets(tmp_path, monkeypatch):
    """Losses of held machines, negative binomial under a Gamma prior with the published mean: the likelihood is greatest near the shape in use."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    zones = []
    with open_catalog() as catalog:
        for series in (s for s in spot_traces() if s.kind == "preemption"):
            pairs = list(zip(series.points, series.points[1:], strict=False))
            hours = sum(value * (after - at) / 3600 for (at, value), (after, _) in pairs)
            losses = sum(max(value - then, 0) for (_, value), (_, then) in pairs)
            region = series.zone[:-1] if series.cloud == "aws" else series.zone[:-2]
            wanted = OfferFilter(
                clouds=(series.cloud,), instance_type=series.instance_type, region=region, use_spot=None
            )
            risks = [o.spot_risk_per_h for o in catalog.offers(wanted) if o.spot_risk_per_h is not None]
            zones.append((losses, hours, risks[0] if risks else UNKNOWN_RISK_PER_H))
    assert len(zones) == 14

    def likelihood(shape: float) -> float:
        total = 0.0
        for k, t, published in zones:
            rate = shape / published
            total += math.lgamma(shape + k) - math.lgamma(shape) - math.lgamma(k + 1)
            total += shape * math.log(rate / (rate + t)) + k * math.log(t / (rate + t))
        return total

    best = max((10 ** (x / 20) for x in range(-100, 20)), key=likelihood)
    assert best == pytest.approx(0.0008, rel=0.05)
    assert pytest.approx(best, abs=0.0003) == PRIOR_SHAPE
