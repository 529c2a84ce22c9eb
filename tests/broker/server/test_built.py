"""The daemon refuses by name what it could not carry out, and keeps what a task says of its cluster's end."""

from __future__ import annotations

import pytest

from tests.broker.harness import Running, job_request, launch_request, run
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.server.requests import PlanRequest, Refusal
from tradewind.spec import parse_task


def test_nothing_is_planned_or_launched_without_what_was_asked(tmp_path) -> None:
    task = parse_task("run: x\nresources: {local_disk: nvme}\n", "t.yaml", "/")
    secret = parse_task("run: x\nsecrets: [A]\n", "t.yaml", "/")

    async def scenario() -> None:
        async with Running(str(tmp_path), ScriptedCloud()) as running:
            broker = running.broker
            for asked in (
                broker.plan(PlanRequest(task)),
                broker.launch(launch_request(task)),
                broker.submit(job_request(task)),
            ):
                with pytest.raises(
                    Refusal, match=r"^resources\.local_disk: asking for instance storage is not there yet; remove"
                ):
                    await asked
            with pytest.raises(Refusal, match="the task's secrets A were not given"):
                await broker.launch(launch_request(secret))
            assert running.kinds() == []

    run(scenario())


def test_autostop_of_a_task_is_its_clusters() -> None:
    task = parse_task("run: x\nresources: {autostop: {idle_minutes: 7, down: true}}\n", "t.yaml", "/")
    options = launch_request(task).options()
    assert (options.autostop_min, options.autostop_down) == (7, True)
    options = launch_request(parse_task("run: x\n", "t.yaml", "/")).options()
    assert (options.autostop_min, options.autostop_down) == (None, False)
