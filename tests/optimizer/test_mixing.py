"""The policies that mix spot with on demand: none with a net is ever late, whatever the market does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.optimizer.mixing import (
    Mix,
    Standing,
    eager_failover,
    greedy_with_net,
    on_demand_only,
    ours,
    uniform_progress,
)
from tradewind.optimizer.replay import replay

STEP_H = 0.05
NETTED = (on_demand_only, greedy_with_net, uniform_progress, ours)


@st.composite
def markets(draw):
    """Spells of availability in up to three zones, from none at all to always, many just long enough to hurt."""
    spells = draw(st.lists(st.tuples(st.integers(1, 60), st.sets(st.sampled_from("abc"))), max_size=60))
    return [tuple(sorted(zones)) for length, zones in spells for _ in range(length)]


@settings(max_examples=400, deadline=None)
@given(
    markets(),
    st.floats(0.5, 30),
    st.floats(0, 20),
    st.sampled_from([0.0, 0.05, 0.12, 0.5]),
    st.sampled_from([0.0, 0.1, 1.0]),
)
def test_no_policy_with_a_net_is_late(market, work, slack, changeover, rework):
    mix = Mix(work, work + changeover + STEP_H + slack, changeover, rework, STEP_H)
    for policy in NETTED:
        lived = replay(mix, policy, market, spot_price=0.3)
        assert not lived.late, (policy.__name__, lived)
        assert lived.ended_h >= work - 1e-6


def test_without_spot_waiting_costs_nothing_and_on_demand_ends_it():
    mix = Mix(10, 20, 0.1, 0.2, STEP_H)
    for policy in (greedy_with_net, uniform_progress, ours):
        lived = replay(mix, policy, [], spot_price=0.3)
        assert not lived.late
        assert lived.cost == pytest.approx(10.1, abs=2.0)
    assert replay(mix, eager_failover, [], spot_price=0.3).late


def test_with_spot_all_along_only_spot_is_paid():
    mix = Mix(10, 20, 0.1, 0.2, STEP_H)
    for policy in (eager_failover, greedy_with_net, uniform_progress, ours):
        lived = replay(mix, policy, [("a",)] * 1000, spot_price=0.25)
        assert (lived.cost, lived.preemptions) == (pytest.approx(10.1 * 0.25), 0)


def test_a_loss_undoes_what_no_checkpoint_holds():
    mix = Mix(2, 100, 0.1, 1.0, STEP_H)
    lived = replay(mix, eager_failover, [("a",)] * 32 + [()] + [("b",)] * 200, spot_price=1.0)
    # 1.6 h held: 0.1 to start, 1 saved, 0.5 lost; then one more hour after another 0.1.
    assert lived.spot_h == pytest.approx(1.6 + 0.1 + 1.0, abs=STEP_H)
    assert lived.preemptions == 1


def test_behind_the_line_it_buys_and_ahead_it_lets_go():
    mix = Mix(10, 20, 0.1, 0.0, STEP_H)
    assert uniform_progress(mix, Standing(4, 1, "nothing")).on == "on demand"
    assert greedy_with_net(mix, Standing(4, 1, "nothing")).on == "nothing"
    assert uniform_progress(mix, Standing(4, 3, "on demand", "", ("a",))).on == "spot"
    assert uniform_progress(mix, Standing(4, 2, "on demand", "", ("a",))).on == "on demand"
