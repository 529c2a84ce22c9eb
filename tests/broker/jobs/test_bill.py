"""Bills: exact text, comparisons at the same machine-hours."""

from __future__ import annotations

from fractions import Fraction

from tests.broker.harness import offer, ranked
from tradewind.broker.jobs.bill import exact_text, make_bill
from tradewind.broker.store.records import EventRow
from tradewind.optimizer.plan import Certificate, Plan


def fact(kind, unix):
    data = {"instance_id": "i", "price_usd_h": "0.1", "place": "aws/r1/a m1 (spot)"}
    return EventRow(0, "instance/i", 1, 1, unix, kind, "c", data)


def test_exact_text():
    assert exact_text(Fraction(1, 3)) == "0.333333333333"
    assert exact_text(Fraction(2, 3)) == "0.666666666667"
    assert exact_text(Fraction(12)) == "12.000000000000"


def test_half_an_hour_beside_what_else_was_for_sale():
    plan = Plan(
        feasible=True,
        hourly_usd=0.1,
        total_usd=0.1,
        placements=(),
        candidates=(ranked(offer()), ranked(offer(price=0.4, cloud="gcp")), ranked(offer(price=0.2, cloud="gcp"))),
        certificate=Certificate(objective=0.1, bound=0.1, gap=0.0, seconds=0.0, solver="x", columns=1, rows=1),
        offers_considered=3,
    )
    bill = make_bill([fact("launched", 0.0), fact("ended", 1800.0)], plan, rehearsed=True, now=1e9)
    assert (bill.spent_usd, bill.spent_usd_exact, bill.node_hours) == (0.05, "0.050000000000", 0.5)
    costs = {c.how: c.usd for c in bill.comparisons}
    assert costs == {"spot": 0.05, "on demand": 0.15000000000000002, "cheapest on aws": 0.05, "cheapest on gcp": 0.1}
