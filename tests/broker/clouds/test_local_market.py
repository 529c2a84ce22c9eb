"""The rehearsed market: drawn from records, inside the window, the same everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.clouds.local.market import Market, Reclaim, draw_reclaim, scale_into_window

holds = st.lists(st.floats(1, 1e6), max_size=30).map(tuple)


@given(
    seed=st.integers(0, 2**63),
    hold_times=holds,
    scale=st.floats(0.01, 1e5),
    start=st.floats(0, 100),
    length=st.floats(0, 100),
    nodes=st.integers(1, 100),
)
def test_a_draw_is_a_record_inside_the_window(seed, hold_times, scale, start, length, nodes):
    market = Market(seed, hold_times, scale, (start, start + length))
    drawn = draw_reclaim(market, gang="g", num_nodes=nodes, reclaims_so_far=0)
    assert drawn == draw_reclaim(market, gang="g", num_nodes=nodes, reclaims_so_far=0)
    possible = [hold for hold in hold_times if start <= hold / scale <= start + length]
    assert (drawn is None) == (not possible)
    if drawn is not None:
        assert drawn.hold_s in possible
        assert start <= drawn.after_s <= start + length
        assert 0 <= drawn.rank < nodes


def test_every_record_and_rank_is_drawn_about_equally_often():
    market = [Market(seed, (10.0, 20.0, 30.0, 40.0)) for seed in range(4000)]
    drawn = [draw_reclaim(one, gang="g", num_nodes=4, reclaims_so_far=0) for one in market]
    for hold in (10.0, 20.0, 30.0, 40.0):
        assert 850 < sum(one.hold_s == hold for one in drawn) < 1150
    for rank in range(4):
        assert 850 < sum(one.rank == rank for one in drawn) < 1150


def test_a_known_draw_does_not_change_with_the_version():
    market = Market(7, (60.0, 600.0, 1200.0, 2400.0, 6000.0), time_scale=60.0, window_s=(0.0, 50.0))
    drawn = draw_reclaim(market, gang="job-2", num_nodes=5, reclaims_so_far=0)
    assert drawn == Reclaim(rank=3, after_s=20.0, hold_s=1200.0)


def test_no_more_than_allowed():
    market = Market(1, (10.0,), max_reclaims=2)
    assert [draw_reclaim(market, gang="g", num_nodes=1, reclaims_so_far=n) is None for n in range(4)] == [
        False, False, True, True,
    ]  # fmt: skip


@given(hold_times=st.lists(st.floats(1, 1e7), min_size=1).map(tuple), start=st.floats(0, 50), length=st.floats(1, 50))
def test_a_scale_that_makes_a_reclaim_possible(hold_times, start, length):
    window = (start, start + length)
    market = Market(1, hold_times, scale_into_window(hold_times, window), window)
    assert draw_reclaim(market, gang="g", num_nodes=1, reclaims_so_far=0) is not None


@pytest.mark.parametrize(
    "market", [Market(1, (1.0,), time_scale=0), Market(1, (1.0,), window_s=(2, 1)), Market(1, (1.0,), time_scale=-1)]
)
def test_nonsense_is_refused(market):
    with pytest.raises(ValueError):
        draw_reclaim(market, gang="g", num_nodes=1, reclaims_so_far=0)


def test_a_gang_without_nodes_is_refused():
    with pytest.raises(ValueError, match="at least one node"):
        draw_reclaim(Market(1, (1.0,)), gang="g", num_nodes=0, reclaims_so_far=0)
