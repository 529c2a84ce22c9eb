from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradewind.runtime.core.dispatch import MAX_WANTED, TARGET_LOAD, Call, Function, Group, Lease
from tradewind.runtime.messages.values import Shape


def function(cost: int) -> Function:
    made = Function(1, "f", b"", b"", {})
    made.cost = cost
    return made


def group_with(leases: int) -> Group:
    group = Group(1, Shape({"CPU": 1}))
    for number in range(leases):
        group.granted(Lease(number, group, None, 100 + number, None))
    return group


def test_a_call_of_unknown_length_goes_to_an_idle_worker_only() -> None:
    group = group_with(2)
    unknown = Function(1, "f", b"", b"", {})
    for number in (1, 2):
        lease = group.choose()
        assert lease is not None
        group.send(lease, Call(number, unknown, b"", 1))
    assert group.choose() is None


def test_short_calls_are_streamed_ahead_evenly() -> None:
    group = group_with(2)
    short = function(10)
    sent = 0
    while (lease := group.choose()) is not None:
        sent += 1
        group.send(lease, Call(sent, short, b"", 1))
    assert sent == 2 * TARGET_LOAD // 10
    assert abs(group.leases[0].load - group.leases[1].load) <= 10


def test_the_first_look_replaces_the_guess_and_later_ones_blend_in() -> None:
    seen = Function(1, "f", b"", b"", {})
    seen.observe(100)
    assert seen.cost == 112
    for _ in range(60):
        seen.observe(5000)
    assert 4900 < seen.cost <= 5012


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "grant", "send", "finish", "back", "lose"]), st.integers(0, 5)), max_size=60
    )
)
def test_every_call_is_in_exactly_one_place_and_loads_add_up(steps: list[tuple[str, int]]) -> None:
    group = Group(1, Shape({"CPU": 1}))
    cost = function(100)
    calls: list[Call] = []
    finished: set[int] = set()
    for what, which in steps:
        leases = group.leases
        if what == "add":
            call = Call(len(calls) + 1, cost, b"", 1)
            calls.append(call)
            group.queue.append(call)
        elif what == "grant":
            group.granted(Lease(len(calls) * 100 + which, group, None, 0, None))
        elif what == "send" and group.queue and (lease := group.choose()) is not None:
            group.send(lease, group.queue.popleft())
        elif leases:
            lease = leases[which % len(leases)]
            if what == "finish" and lease.running:
                call = next(iter(lease.running.values()))
                group.finish(lease, call)
                finished.add(call.id)
            elif what == "back":
                group.take_back(lease, list(lease.running)[1:])
            elif what == "lose":
                group.queue.extend(group.lose(lease))
        asked = group.to_ask()
        assert asked is None or 0 <= asked <= MAX_WANTED
        assert all(lease.load == 100 * len(lease.running) for lease in group.leases)
        places = (
            [call.id for call in group.queue]
            + [number for lease in group.leases for number in lease.running]
            + list(finished)
        )
        assert sorted(places) == [call.id for call in calls]
