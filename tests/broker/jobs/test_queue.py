"""Admission: priorities, turns, caps. Pure."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.jobs.limits import Limits
from tradewind.broker.jobs.queue import Situation, admit, waiting_sentence
from tradewind.broker.store.waiting import Load, Waiting

IDLE = {False: Load(), True: Load()}


def job(id_, *, priority=0, array=None, usd=1.0, rehearse=True):
    return Waiting(id_, priority, array, usd, rehearse)


def test_the_highest_priority_first_then_the_oldest():
    waiting = [job(1), job(2), job(3, priority=5), job(4, priority=-1)]
    assert admit(waiting, Situation(IDLE), Limits(max_active_jobs=3)) == (3, 1, 2)


def test_arrays_and_single_jobs_take_turns():
    waiting = [*(job(i, array=7) for i in range(1, 6)), job(6), *(job(i, array=8) for i in range(7, 12))]
    assert admit(waiting, Situation(IDLE), Limits(max_active_jobs=5)) == (1, 6, 7, 2, 8)


def test_an_array_keeps_to_its_own_limit_and_holds_nobody_back():
    waiting = [*(job(i, array=7) for i in range(1, 6)), job(6)]
    now = Situation(IDLE, arrays={7: 1}, array_limits={7: 2})
    assert admit(waiting, now, Limits()) == (6, 1)
    full = Situation(IDLE, arrays={7: 2}, array_limits={7: 2})
    assert "2 active jobs of its array" in waiting_sentence(waiting[0], full, Limits())


def test_a_dear_job_under_the_cap_is_not_starved_and_one_above_it_blocks_nobody():
    now = Situation({False: Load(), True: Load(1, 5.0)})
    limits = Limits(max_hourly_cost=10.0)
    assert admit([job(1, usd=6.0), job(2, usd=1.0)], now, limits) == ()
    assert admit([job(1, usd=60.0), job(2, usd=1.0)], now, limits) == (2,)
    assert "limits.yaml allows 10" in waiting_sentence(job(1, usd=60.0), now, limits)
    assert "would exceed the cap" in waiting_sentence(job(1, usd=6.0), now, limits)


def test_rehearsals_and_real_money_are_counted_apart():
    now = Situation({False: Load(1, 10.0), True: Load()})
    waiting = [job(1, rehearse=False), job(2, rehearse=True)]
    assert admit(waiting, now, Limits(max_hourly_cost=10.0)) == (2,)
    assert admit(waiting, Situation(IDLE, spent=frozenset({True})), Limits(budget=1)) == (1,)


def test_shares_take_turns_whoever_came_first():
    crowd = [msgspec.structs.replace(job(n), share="crowd") for n in range(1, 8)]
    lone = [msgspec.structs.replace(job(n), share="lone") for n in (8, 9)]
    now = Situation({False: Load(), True: Load()})
    assert admit([*crowd, *lone], now, Limits(max_active_jobs=5)) == (1, 8, 2, 9, 3)
    busy = msgspec.structs.replace(now, load={False: Load(3, 0.3), True: Load()}, shares={"lone": 3})
    assert admit([*crowd, *lone], busy, Limits(max_active_jobs=8)) == (1, 2, 3, 4, 8)
    urgent = msgspec.structs.replace(job(10, priority=1), share="crowd")
    assert admit([*crowd, *lone, urgent], now, Limits(max_active_jobs=3)) == (10, 8, 1)


def test_it_is_said_when_a_job_may_start():
    said = waiting_sentence(job(1), Situation(IDLE), Limits(), not_before_unix=90.0, unix=30.0)
    assert said == "its time: it starts in 60 s at the earliest"


jobs = st.lists(
    st.builds(
        Waiting,
        id=st.integers(1, 10**6),
        priority=st.integers(-2, 2),
        array_id=st.sampled_from([None, 1, 2]),
        hourly_usd=st.sampled_from([0.5, 1.0, 3.0]),
        rehearse=st.booleans(),
    ),
    unique_by=lambda one: one.id,
    max_size=40,
)


@given(
    jobs,
    st.integers(1, 10),
    st.none() | st.floats(0.5, 12),
    st.dictionaries(st.sampled_from([1, 2]), st.integers(1, 4)),
    st.integers(0, 5),
)
def test_no_limit_is_ever_exceeded_and_none_is_left_idle(waiting, most, cap, array_limits, active):
    now = Situation({False: Load(active, active * 0.5), True: Load()}, array_limits=array_limits)
    limits = Limits(max_active_jobs=most, max_hourly_cost=cap)
    chosen = admit(waiting, now, limits)
    assert len(set(chosen)) == len(chosen)
    assert len(chosen) + active <= max(most, active)
    by_id = {one.id: one for one in waiting}
    for world in (False, True):
        usd = sum(by_id[i].hourly_usd for i in chosen if by_id[i].rehearse is world)
        assert cap is None or usd == 0 or usd + now.load[world].hourly_usd <= cap * (1 + 1e-9)
    counted = Counter(by_id[i].array_id for i in chosen)
    assert all(counted[array] <= limit for array, limit in array_limits.items())
    left = [one for one in waiting if one.id not in chosen]
    if cap is None and not array_limits and left:
        assert len(chosen) + active >= most, "a place is free and somebody waits"
        assert not chosen or max(one.priority for one in left) <= min(by_id[i].priority for i in chosen)
