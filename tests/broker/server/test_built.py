"""The daemon refuses by name what it could not carry out, and keeps what a task says of its cluster's end."""

from __future__ import annotations

import re

import pytest

from tests.broker.harness import Running, job_request, launch_request, run
from tests.broker.scripted import ScriptedCloud
from tests.spec.corpus import DOCUMENTS
from tests.spec.reading import read
from tradewind.broker.server.requests import PlanRequest, Refusal
from tradewind.spec import not_built, parse_task


def test_nothing_is_planned_or_launched_without_what_was_asked(tmp_path) -> None:
    task = parse_task("run: x\nresources: {volumes: [{path: /m, name: d}]}\n", "t.yaml", "/")
    secret = parse_task("run: x\nsecrets: {A: null}\n", "t.yaml", "/")

    async def scenario() -> None:
        async with Running(str(tmp_path), ScriptedCloud()) as running:
            broker = running.broker
            for asked in (
                broker.plans.plan(PlanRequest(task)),
                broker.launch(launch_request(task)),
                broker.submit(job_request(task)),
            ):
                with pytest.raises(Refusal, match=r"^resources\.volumes: attached disks are not there yet; remove"):
                    await asked
            with pytest.raises(Refusal, match="the task's secrets A were not given"):
                await broker.launch(launch_request(secret))
            assert running.kinds() == []

    run(scenario())


def test_everything_that_is_not_there_is_refused_before_anything_is_bought(tmp_path) -> None:
    tasks = [read(text, "/") for text in DOCUMENTS]
    beyond = [task for task in tasks if not task.secrets and not_built(task, "launch")]
    assert len(beyond) > 20

    async def scenario() -> None:
        async with Running(str(tmp_path), ScriptedCloud()) as running:
            for task in beyond:
                (said, *_) = not_built(task, "launch")
                with pytest.raises(Refusal, match="^" + re.escape(said)):
                    await running.broker.launch(launch_request(task))
                if unfit := not_built(task, "job"):
                    with pytest.raises(Refusal, match="^" + re.escape(unfit[0])):
                        await running.broker.submit(job_request(task))
            assert running.kinds() == []

    run(scenario())


def test_autostop_of_a_task_is_its_clusters() -> None:
    task = parse_task("run: x\nresources: {autostop: {idle_minutes: 7, down: true}}\n", "t.yaml", "/")
    options = launch_request(task).options()
    assert (options.autostop_min, options.autostop_down) == (7, True)
    options = launch_request(parse_task("run: x\n", "t.yaml", "/")).options()
    assert (options.autostop_min, options.autostop_down) == (None, False)
