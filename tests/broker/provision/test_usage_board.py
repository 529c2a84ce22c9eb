"""The newest samples by job, and who is warned of idle accelerators."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradewind.agent.protocol import Usage
from tradewind.broker.provision.usage import FRESH_S, IDLE_AFTER_S, IDLE_SHARE, UsageBoard


def used(*shares: float) -> Usage:
    return Usage(cpus=1.5, memory_gib=2.0, processes=3, accelerators=shares)


def test_nodes_are_summed_and_the_old_is_left_out():
    board = UsageBoard()
    board.take("i-1", {"7-1": used(0.5), "8-1": used()}, 100.0)
    board.take("i-2", {"7-1": used(0.9)}, 101.0)
    assert board.by_job(101.0)["7-1"] == Usage(cpus=3.0, memory_gib=4.0, processes=6, accelerators=(0.5, 0.9))
    assert board.by_job(101.0)["8-1"] == used()
    assert board.by_job(100.5 + FRESH_S) == {"7-1": used(0.9)}
    board.take("i-1", {}, 102.0)
    board.forget("i-2")
    assert board.by_job(102.0) == {}


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([5.0, 60.0, 400.0]), st.sampled_from([(), (0.0, 0.01), (0.0, 0.9)])), max_size=40
    )
)
def test_once_for_each_idle_time_and_only_for_long_ones(steps):
    board, now, since, warned = UsageBoard(), 0.0, None, False
    for pause, shares in steps:
        now += pause
        told = board.take("i-1", {"7-1": used(*shares)}, now)
        if not shares or max(shares) >= IDLE_SHARE:
            since, warned = None, False
            assert told == []
            continue
        since = now if since is None else since
        due = now - since >= IDLE_AFTER_S and not warned
        assert told == (["7-1"] if due else [])
        warned = warned or due
