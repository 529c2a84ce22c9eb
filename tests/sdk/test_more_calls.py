"""The rest of the command line in Python: secrets, ports, why, arrays, accelerators, doctor; blocking and on an event loop."""

from __future__ import annotations

import asyncio
import pathlib

import pytest

import tradewind as tw

pytestmark = pytest.mark.end_to_end

HERE = tw.Resources(infra="local", ports="8765", labels={"team": "weather"})
SPOT = tw.Resources(cpus="2+", use_spot=True)


def test_secrets_ports_and_reasons_of_a_cluster(data: pathlib.Path) -> None:
    hush = tw.Task("hush", run="echo $TOKEN ${#TOKEN}", secrets=["TOKEN"], resources=HERE)
    with pytest.raises(tw.Refused, match="TOKEN were not given"):
        tw.launch(hush, "more")
    done = tw.launch(hush, "more", secrets={"TOKEN": "correcthorse"})
    assert list(tw.logs(done.cluster, done.job_id)) == ["************ 12\n"]
    again = tw.exec("more", hush, secrets={"TOKEN": "batterystaple"})
    assert list(tw.logs(again.cluster, again.job_id)) == ["************* 13\n"]
    (seen,) = tw.status("more")
    assert (seen.ports, seen.labels) == ((8765,), {"team": "weather"})
    (where,) = tw.ports("more")
    assert where.endswith(":8765")
    assert tw.ports("more", 9000) == (where.replace("8765", "9000"),)
    told = tw.why("more")
    assert (told.subject, told.state, told.waiting_for) == ("cluster/more", "UP", "")
    assert asyncio.run(tw.aio.why("more")) == told
    tw.autostop("more", 60, wait_for="jobs")
    with pytest.raises(tw.Refused):
        tw.ssh_command("more", "true", rank=7)
    tw.down("more")
    with pytest.raises(tw.NotFound):
        tw.why("nothing of that name")


def test_an_array_runs_and_a_job_is_paused_and_resumed(data: pathlib.Path) -> None:
    task = tw.Task("grid", run="echo lr $LR", resources=SPOT)
    number = tw.jobs.launch_array(task, [{"LR": "0.1"}, {"LR": "0.2"}], max_active=1, rehearse=True)
    for job in tw.jobs.array_jobs(number):
        assert tw.jobs.wait(job.id, timeout_s=60).succeeded
    grid = tw.jobs.array(number)
    assert (grid.size, grid.ended, grid.succeeded, grid.states) == (2, 2, 2, {"SUCCEEDED": 2})
    assert tw.jobs.cancel_array(number) == 0
    assert tw.jobs.spend(rehearsed=True)

    slow = tw.jobs.launch(tw.Task("slow", run="sleep 300", resources=SPOT), rehearse=True)
    tw.jobs.pause(slow)
    with pytest.raises(tw.Refused):
        tw.jobs.retry(slow)
    asyncio.run(tw.aio.jobs.cancel(slow))
    assert tw.jobs.wait(slow, timeout_s=60).state == "CANCELLED"


def test_accelerators_and_this_machine(data: pathlib.Path) -> None:
    found = tw.accelerators("a100-80")
    (one,) = found.values()
    assert list(found) == [one.name] == ["A100-80GB"]
    assert one.facts is not None
    assert round(one.facts.memory_gib) == 80
    assert one.cheapest_on_demand is not None
    assert one.cheapest_spot is not None
    assert one.cheapest_spot.price_spot_usd_h
    assert 1.0 in one.counts
    assert len(asyncio.run(tw.aio.accelerators())) > 10
    assert all(finding.says for finding in tw.doctor())
