"""Spending reports: exact, grouped, and the same as the bills."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.store import costs, rows


@pytest.mark.parametrize("by", ["job", "name", "cloud", "region", "day"])
def test_a_report_is_the_sum_of_the_bills(tmp_path, by):
    async def scenario():
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            jobs = [await r.broker.submit(job_request(task(nodes=n), name=f"n{n}")) for n in (1, 2)]
            for job in jobs:
                await r.until("it ends", lambda j=job: r.job_state(j) == "SUCCEEDED")
            await r.until("nothing runs", lambda: not r.store.read(rows.live_instances))
            later = r.broker.services.now() + 3600
            report = r.store.read(lambda c: costs.report(c, by, rehearsed=True, now=later))
            bills = [r.broker.bill(job) for job in jobs]
            assert report.usd == pytest.approx(sum(bill.spent_usd for bill in bills), rel=1e-9)
            assert sum(line.instances for line in report.lines) == 3
            assert {"job": 2, "name": 2, "cloud": 1, "region": 1, "day": 1}[by] == len(report.lines)
            assert report.on_demand_usd == pytest.approx(3 * report.usd, rel=1e-9)
            assert report.usd_h == 0
            assert r.store.read(lambda c: costs.report(c, by, rehearsed=False, now=later)).lines == ()
            total = r.store.read(lambda c: costs.totals(c, later))
            assert total[True].usd > 0
            assert total[False].usd == Fraction(0)

    run(scenario())


def test_by_the_values_of_a_label(tmp_path):
    def labelled(**labels):
        one = task(nodes=1)
        resources = (msgspec.structs.replace(one.resources[0], labels=tuple(sorted(labels.items()))),)
        return msgspec.structs.replace(one, resources=resources)

    async def scenario():
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            tasks = [labelled(team="red"), labelled(team="red", x="1"), labelled(team="blue"), labelled(steam="no")]
            jobs = [await r.broker.submit(job_request(one, name=f"n{n}")) for n, one in enumerate(tasks)]
            for job in jobs:
                await r.until("it ends", lambda j=job: r.job_state(j) == "SUCCEEDED")
            await r.until("nothing runs", lambda: not r.store.read(rows.live_instances))
            report = r.store.read(lambda c: costs.report(c, "label:team", rehearsed=True, now=r.broker.services.now()))
            assert {line.group: line.instances for line in report.lines} == {"red": 2, "blue": 1, "(no such label)": 1}

    run(scenario())
    assert costs.is_group("label:team")
    assert not costs.is_group("label:")
    assert not costs.is_group("moon")
