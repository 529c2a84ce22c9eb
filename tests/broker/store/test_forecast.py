"""What is still to be spent: work left at the lengths that were given, at the newest plans' prices."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, text

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.store import schema
from tradewind.broker.store.forecast import Forecast, forecast


def test_what_is_left_of_every_unfinished_job_is_counted_once(tmp_path):
    async def scenario():
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            now = r.broker.services.now()

            def ahead(after_s: float = 0.0) -> Forecast:
                return r.store.read(lambda c: forecast(c, rehearsed=True, now=now + after_s))

            assert ahead() == Forecast()
            ended = await r.broker.submit(job_request(task()))
            await r.until("it ends", lambda: r.job_state(ended) == "SUCCEEDED")
            assert ahead() == Forecast()
            running = await r.broker.submit(job_request(task("wait", nodes=2), hours=4.0))
            await r.until("it runs", lambda: r.job_state(running) == "RUNNING")
            await r.broker.submit(job_request(task(), not_before_unix=now + 1e6))  # nobody knows its length: one hour
            price = r.broker.managed_job(running).hourly_usd
            r.store.write(
                lambda c: c.execute(text(f"UPDATE attempts SET started_unix = {now} WHERE managed_job_id = {running}"))
            )
            told = ahead(3600)
            assert told.jobs == 2
            assert told.hours == pytest.approx(3 + 1)
            assert told.usd == pytest.approx(3 * price + price / 2)  # the other has one node
            assert ahead(50 * 3600).hours == pytest.approx(1), "who takes longer than was said is nearly done"

            def lose(connection) -> None:
                connection.execute(
                    text(
                        f"UPDATE attempts SET ended_unix = {now + 3600}, end = 'preempted' WHERE managed_job_id = {running}"
                    )
                )

            r.store.write(lose)
            assert ahead(7200).hours == pytest.approx(4 + 1), "nothing of a lost attempt was kept"
            kept = {
                "subject": "x",
                "managed_job_id": running,
                "unix": now + 1800,
                "kind": "checkpoint synced",
                "cause": "x",
            }
            r.store.write(lambda c: c.execute(insert(schema.events), kept))
            assert ahead(7200).hours == pytest.approx(3.5 + 1), "but for its checkpoint"
            assert r.store.read(lambda c: forecast(c, rehearsed=False, now=now)) == Forecast()

    run(scenario())


def test_a_damaged_row_is_counted_with_what_is_usual(tmp_path):
    async def scenario():
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            now = r.broker.services.now()
            await r.broker.submit(job_request(task(), hours=3.0, not_before_unix=now + 1e6))
            r.store.write(lambda c: c.execute(text("UPDATE managed_jobs SET options = '{\"ho', plan = '{'")))
            assert r.store.read(lambda c: forecast(c, rehearsed=True, now=now)).hours == 1.0

    run(scenario())
