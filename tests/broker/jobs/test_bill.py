"""Bills: exact text, comparisons at the same machine-hours."""

from __future__ import annotations

from fractions import Fraction

import pytest
from sqlalchemy import text

from tests.broker.harness import Running, job_request, offer, ranked, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.jobs.bill import exact_text, make_bill
from tradewind.broker.store import rows
from tradewind.broker.store.listing import Filter
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


@pytest.mark.parametrize("column", ["task", "plan"])
def test_a_damaged_job_row_holds_up_nobody(tmp_path, column):
    async def scenario():
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            later = r.broker.services.now() + 3600
            jobs = [await r.broker.submit(job_request(task("exit 0"), not_before_unix=later)) for _ in range(3)]
            r.store.write(
                lambda c: c.execute(text(f"UPDATE managed_jobs SET {column} = '{{\"na' WHERE id = {jobs[1]}"))
            )
            r.store.write(lambda c: c.execute(text("UPDATE managed_jobs SET not_before_unix = NULL")))
            await r.broker.submit(job_request(task("exit 0")))

            def states():
                return {one["id"]: one["state"] for one in r.broker.desk.list_jobs(Filter())}

            await r.until("all end", lambda: set(states().values()) <= {"SUCCEEDED", "FAILED_PRECHECKS"})
            assert [number for number, state in states().items() if state != "SUCCEEDED"] == [jobs[1]]
            (damaged,) = [one for one in r.broker.desk.list_jobs(Filter()) if one["id"] == jobs[1]]
            assert damaged["why"].startswith("its row in the record is damaged (")

    run(scenario())


def test_a_damaged_event_row_hides_nothing(tmp_path):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            cloud.kill(cloud.running()[0], "taken")
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            await r.broker.cancel_managed(job)
            await r.until("it ends", lambda: r.job_state() == "CANCELLED")
            before, kinds = r.broker.bill(job), r.kinds(managed_job_id=job)
            r.store.write(lambda c: c.execute(text("UPDATE events SET data = '{\"instance' WHERE seq % 2 = 0")))
            assert (r.broker.bill(job), r.kinds(managed_job_id=job)) == (before, kinds)
            damaged = [f for f in r.store.read(rows.events) if "unreadable" in f.data]
            assert len(damaged) > 3
            assert all(f.data["unreadable"] == '{"instance' for f in damaged)

    run(scenario())
