"""Changes of the record whose caller does not wait for them to the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable

import pytest

from tests.broker.harness import Running, launch_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.store.ledger import Ledger


async def cancelled_while(r: Running, work: Callable[[Ledger], None]) -> list[dict]:
    """What the loop complained of after `work` was applied by a caller that is cancelled while it runs."""
    complaints: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))

    overtaken = threading.Event()

    def slowly(ledger: Ledger) -> None:
        overtaken.wait(20)
        work(ledger)

    caller = asyncio.create_task(r.broker.services.apply(slowly))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    overtaken.set()
    while any(held.get_name() == "apply" for held in asyncio.all_tasks()):  # noqa: ASYNC110  the task is the broker's own
        await asyncio.sleep(0.01)
    gc.collect()
    return complaints


def test_an_event_that_was_overtaken_is_one_line_and_no_traceback(tmp_path, caplog):
    async def scenario():
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            await r.broker.launch(launch_request(task("wait")))
            await r.until("it is up", lambda: r.cluster_state() == "UP")
            late = cm.BootstrapDone(cause="late", incarnation=1)
            caplog.set_level(logging.INFO, "tradewind.broker")
            complaints = await cancelled_while(r, lambda ledger: ledger.cluster_event(1, late))
            assert complaints == []
            (said,) = [record for record in caplog.records if "came too late" in record.message]
            assert said.message == (
                "it came too late and was ignored: a cluster in state UP cannot take the event BootstrapDone"
            )
            assert said.exc_info is None
            assert r.cluster_state() == "UP"

    run(scenario())


def test_a_failure_that_nobody_waits_for_is_named(tmp_path, caplog):
    async def scenario():
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            complaints = await cancelled_while(r, lambda ledger: ledger.cluster_event(77, cm.Stopped(cause="none")))
            assert complaints == []
            assert "failed after its caller had gone" in caplog.text

    run(scenario())
