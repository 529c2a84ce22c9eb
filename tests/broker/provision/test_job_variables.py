"""A job's variables: SkyPilot's names beside ours, the same task id in every attempt, the task's own on top."""

from __future__ import annotations

import json

import msgspec

from tests.broker.harness import Running, job_request, launch_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.provision.job_variables import job_variables
from tradewind.broker.store import rows


def test_they_tell_place_job_and_task(tmp_path) -> None:
    async def scenario() -> None:
        async with Running(str(tmp_path / "data"), ScriptedCloud()) as r:
            envs = {"SKYPILOT_USER": "mine", "TRADEWIND_ARRAY_INDEX": "3", "TRADEWIND_ARRAY_SIZE": "9"}
            await r.broker.launch(launch_request(msgspec.structs.replace(task("wait"), envs=envs)))
            cluster, job = r.broker.job("c", 1)
            found = job_variables(job, cluster, "me")
            assert json.loads(found["SKYPILOT_CLUSTER_INFO"])["cluster_name"] == "c"
            assert (found["SKYPILOT_INTERNAL_JOB_ID"], found["SKYPILOT_USER"]) == ("1", "mine")
            assert (found["SKYPILOT_JOB_RANK"], found["SKYPILOT_NUM_JOBS"]) == ("3", "9")
            assert "SKYPILOT_TASK_ID" not in found

            number = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state(number) == "RUNNING")
            row = r.broker.managed_job(number)
            assert row.cluster_id is not None
            owner = r.store.read(lambda c: rows.cluster(c, row.cluster_id))
            (theirs,) = r.store.read(lambda c: rows.jobs_of(c, row.cluster_id))
            assert owner is not None
            again = job_variables(msgspec.structs.replace(theirs, attempt=2, id=7), owner, "me")
            assert (
                again["SKYPILOT_TASK_ID"]
                == job_variables(theirs, owner, "me")["SKYPILOT_TASK_ID"]
                == again["SKYPILOT_TASK_IDS"]
            )

    run(scenario())
