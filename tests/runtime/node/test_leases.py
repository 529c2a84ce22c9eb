from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradewind.runtime.messages.cluster import NodeView
from tradewind.runtime.messages.values import Condition, Shape
from tradewind.runtime.node.bundles import BundledPool
from tradewind.runtime.node.leases import SPREAD_TURN_S, AskThere, GrantHere, LeaseBook, Refuse


def view(node: str, total: float, free: float) -> NodeView:
    return NodeView(node, "host", "host:1", {"CPU": total}, {"CPU": free}, {})


def make(cpus: float = 2) -> LeaseBook:
    return LeaseBook("aaaa", BundledPool({"CPU": cpus}))


def test_grants_until_full_and_goes_on_when_something_is_free() -> None:
    book = make()
    book.want("p", 1, Shape({"CPU": 1}), 3, 1)
    grants = book.decide()
    assert [type(grant) for grant in grants] == [GrantHere, GrantHere]
    assert book.decide() == []
    book.pool.release(grants[0].allocation)  # type: ignore[union-attr]
    assert len(book.decide()) == 1
    assert book.waiting == 0


def test_nested_requests_go_first() -> None:
    book = make(1)
    book.want("driver", 1, Shape({"CPU": 1}), 1, 1)
    book.want("worker", 1, Shape({"CPU": 1}), 1, 0)
    (grant,) = book.decide()
    assert grant.process == "worker"


def test_what_does_not_fit_here_is_asked_of_a_node_that_has_room() -> None:
    book = make(1)
    book.see([view("aaaa", 1, 1), view("bbbb", 4, 1), view("cccc", 4, 3)])
    book.want("p", 1, Shape({"CPU": 1}), 4, 1)
    decisions = book.decide()
    assert isinstance(decisions[0], GrantHere)
    asked = [decision.node for decision in decisions[1:] if isinstance(decision, AskThere)]
    assert sorted(asked) == ["bbbb", "cccc", "cccc"] or asked == ["cccc"] * 3
    book.answered("p", 1, asked[0], granted=False)
    assert book.waiting == 3


def test_spread_takes_turns() -> None:
    book = make(4)
    book.see([view("bbbb", 4, 4)])
    book.want("p", 1, Shape({"CPU": 1}, "SPREAD"), 4, 1)
    kinds = [type(decision).__name__ for decision in book.decide()]
    assert kinds.count("GrantHere") == 2
    assert kinds.count("AskThere") == 2


def test_a_node_keeps_its_turn_for_a_while_and_then_loses_it() -> None:
    book = make(1)
    book.see([view("bbbb", 4, 0)])
    book.want("p", 1, Shape({"CPU": 0.25}, "SPREAD"), 3, 1)
    assert [type(decision).__name__ for decision in book.decide(now=1.0)] == ["GrantHere"]
    assert book.decide(now=1.0 + SPREAD_TURN_S / 2) == []
    assert book.waits_for_turn
    assert [type(decision).__name__ for decision in book.decide(now=1.0 + 2 * SPREAD_TURN_S)] == ["GrantHere"] * 2


def test_labels_are_wanted_or_preferred() -> None:
    book = LeaseBook("aaaa", BundledPool({"CPU": 4}), {"zone": "a"})
    book.see([NodeView("bbbb", "host", "host:1", {"CPU": 4}, {"CPU": 4}, {"zone": "b"})])
    book.want("p", 1, Shape({"CPU": 1}, hard=[Condition("zone", "in", ["b"])]), 1, 1)
    book.want("p", 2, Shape({"CPU": 1}, soft=[Condition("zone", "in", ["b"])]), 1, 1)
    book.want("p", 3, Shape({"CPU": 1}, soft=[Condition("zone", "in", ["c"])]), 1, 1)
    assert [type(decision) for decision in book.decide()] == [AskThere, AskThere, GrantHere]
    book.want("p", 4, Shape({"CPU": 1}, hard=[Condition("zone", "in", ["c"])]), 1, 1)
    (refusal,) = book.decide()
    assert isinstance(refusal, Refuse)
    assert "zone in c" in refusal.reason


def test_affinity_is_kept_or_refused_with_the_reason() -> None:
    book = make(4)
    book.see([view("bbbb", 4, 4)])
    book.want("p", 1, Shape({"CPU": 1}, "NODE:bbbb"), 1, 1)
    (decision,) = book.decide()
    assert isinstance(decision, AskThere)
    book.want("p", 2, Shape({"CPU": 1}, "NODE:dddd"), 1, 1)
    (refusal,) = book.decide()
    assert isinstance(refusal, Refuse)
    assert "dddd" in refusal.reason
    book.want("p", 3, Shape({"CPU": 1}, "NODE?dddd"), 1, 1)
    (soft,) = book.decide()
    assert isinstance(soft, GrantHere)


def test_the_impossible_is_refused_with_what_was_asked_and_what_there_is() -> None:
    book = make(2)
    book.see([view("bbbb", 4, 4)])
    book.want("p", 1, Shape({"CPU": 9}), 1, 1)
    (refusal,) = book.decide()
    assert isinstance(refusal, Refuse)
    assert "9 CPU" in refusal.reason
    assert "2 CPU" in refusal.reason
    assert "4 CPU" in refusal.reason
    assert book.pending == {}


@given(
    st.lists(
        st.tuples(st.sampled_from(["p", "q"]), st.integers(1, 3), st.sampled_from([0.5, 1.0, 2.0]), st.integers(0, 5)),
        max_size=12,
    ),
    st.integers(1, 6),
)
def test_never_more_is_granted_than_wanted_or_there_is(wishes: list[tuple[str, int, float, int]], cpus: int) -> None:
    book = make(cpus)
    wanted: dict[tuple[str, int], int] = {}
    granted: dict[tuple[str, int], int] = {}
    shapes: dict[tuple[str, int], float] = {}
    for process, request, amount, count in wishes:
        key = (process, request)
        shapes.setdefault(key, amount)
        book.want(process, request, Shape({"CPU": shapes[key]}), count, 1)
        wanted[key] = count + granted.get(key, 0)
        for decision in book.decide():
            if isinstance(decision, GrantHere):
                granted[decision.process, decision.request] = granted.get((decision.process, decision.request), 0) + 1
        book.pool.validate()
        assert book.pool.free["CPU"] >= 0
    for key, count in granted.items():
        assert count <= wanted[key]
