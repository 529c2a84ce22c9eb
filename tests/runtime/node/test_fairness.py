from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradewind.runtime.node.fairness import PATIENCE_S, Holding, Shares, Wish, to_yield

ONE = {"CPU": 1}


def test_a_share_is_the_largest_part_of_any_resource() -> None:
    shares = Shares({"CPU": 10, "GPU": 2}, [("a", {"CPU": 3}), ("a", {"GPU": 1}), ("b", {"CPU": 4})])
    assert shares.of("a") == 0.5
    assert shares.of("b") == 0.4
    assert shares.of("c") == 0.0
    assert shares.of("b", more={"GPU": 2}) == 1.0
    assert shares.of("b", less={"CPU": 4}) == 0.0
    assert shares.of("b", more={"unknown": 9}) == 0.4


def test_one_cpu_goes_round_among_those_who_have_waited() -> None:
    shares = Shares(ONE, [("a", ONE)])
    held = [Holding(7, "a", ONE)]
    assert to_yield(shares, [Wish("b", ONE, 0.0)], held) is None
    assert to_yield(shares, [Wish("b", ONE, PATIENCE_S)], held) == (7, "b")
    assert to_yield(shares, [Wish("a", ONE, 9.0)], held) is None, "nobody takes from oneself"
    assert to_yield(shares, [], held) is None


@given(st.lists(st.integers(0, 8), min_size=2, max_size=5))
def test_yielding_ends_with_jobs_as_even_as_can_be(counts: list[int]) -> None:
    cpus = sum(counts)
    holdings = dict(enumerate(name for name, count in enumerate(counts) for _ in range(count)))
    wishes = [Wish(str(job), ONE, 0.0) for job in range(len(counts))]
    for _ in range(100):
        shares = Shares({"CPU": cpus}, [(str(job), ONE) for job in holdings.values()])
        found = to_yield(shares, wishes, [Holding(number, str(job), ONE) for number, job in holdings.items()])
        if found is None:
            break
        holdings[found[0]] = int(found[1])
    else:
        raise AssertionError("leases go round in circles")
    after = [sum(held == job for held in holdings.values()) for job in range(len(counts))]
    assert max(after) - min(after) <= 1
