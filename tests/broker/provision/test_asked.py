"""What a task asks for beside a machine's size reaches its cloud: ports, disk, image, labels; and what idle means."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import Running, launch_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.provision.ssh_sessions import count
from tradewind.broker.server.fleet import Fleet
from tradewind.broker.server.idleness import BUSY, Idleness, idle_min
from tradewind.spec import parse_task

ASKED = "resources: {ports: [8000-8002, 80], disk_size: 300, disk_tier: high, network_tier: best, image_id: {r1: ami-1}, labels: {team: a}}\n"


def test_it_reaches_the_cloud_and_the_record(tmp_path) -> None:
    async def scenario() -> None:
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            asked = parse_task(ASKED, "t.yaml", "/").resources
            await r.broker.launch(launch_request(msgspec.structs.replace(task("wait"), resources=asked)))
            await r.until("it is up", lambda: r.cluster_state() == "UP")
            (request,) = cloud.requests.values()
            assert (request.disk_gib, request.disk_tier, request.image) == (300, "high", "ami-1")
            assert request.network_tier == "best"
            assert dict(request.labels) == {"team": "a"}
            assert list(cloud.opened.values()) == [{80, 8000, 8001, 8002}]
            await Fleet(r.broker).open_ports("c", [9000])
            (found,) = await Fleet(r.broker).endpoints("c")
            assert found.ports == (80, 8000, 8001, 8002, 9000)
            further = parse_task(
                "run: exit 0\nresources: {ports: [81], autostop: {idle_minutes: 7, down: true}}\n", "t.yaml", "/"
            )
            await r.broker.launch(launch_request(further))
            row = r.broker.cluster("c")
            assert (row.open_ports, row.options.autostop_min) == ((80, 81, 8000, 8001, 8002, 9000), 7)
            assert 81 in next(iter(cloud.opened.values()))

    run(scenario())


def test_what_is_idle_is_ended_and_what_is_not_stays(tmp_path) -> None:
    async def scenario() -> None:
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            await r.broker.launch(launch_request(task("wait")))
            await r.until("it runs", lambda: r.cluster_state() == "UP" and not r.broker.job("c", 1)[1].ended_unix)
            fleet, idleness = Fleet(r.broker), Idleness(r.broker)
            await fleet.autostop("c", 0, down=True, wait_for="jobs")
            await idleness.look()
            assert r.cluster_state() == "UP"
            await fleet.autostop("c", 0, down=True, wait_for="none")
            await idleness.look()
            await r.until("it has ended", lambda: r.cluster_state() == "TERMINATED")
            assert cloud.instances == {}

    run(scenario())


@pytest.mark.parametrize(("began", "entered", "minutes"), [(0.0, 0.0, 10.0), (300.0, 0.0, 5.0), (0.0, 540.0, 1.0)])
def test_idleness_counts_from_the_last_that_happened(began: float, entered: float, minutes: float) -> None:
    assert idle_min((), began, entered, 600.0) == minutes
    assert BUSY < 0


TCP = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:0016 0100007F:D431 01 00000000:00000000
   1: 00000000:0016 00000000:0000 0A 00000000:00000000
   2: 0100007F:0016 0200007F:D431 01 00000000:00000000
   3: 0100007F:1F90 0200007F:D432 01 00000000:00000000
   4: 0100007F:0016 0200007F:D433 06 00000000:00000000
   0: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000300007F:0400 01 00000000:00000000
"""


def test_other_peoples_connections_are_counted_and_not_ours() -> None:
    assert count(f"127.0.0.1 54321 127.0.0.1 22\n{TCP}") == 2
    assert count(f"127.0.0.2 54321 127.0.0.1 22\n{TCP}") == 2
    assert count(f"127.0.0.3 1024 127.0.0.1 22\n{TCP}") == 2
    assert count(f"127.0.0.9 1024 127.0.0.1 8080\n{TCP}") == 1
    assert count(f"\n{TCP}") == 0


@pytest.mark.parametrize("jump_s", [-10 * 365 * 86400.0, 10 * 365 * 86400.0])
def test_a_clock_that_jumps_ends_nothing_and_counts_on(tmp_path, jump_s: float) -> None:
    async def scenario() -> None:
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            await r.broker.launch(launch_request(task("wait")))
            await r.until("it is up", lambda: r.cluster_state() == "UP")
            clock = r.broker.services.clock
            r.broker.services.clock = lambda: clock() + jump_s
            await Fleet(r.broker).autostop("c", 5, down=True, wait_for="jobs")
            await Idleness(r.broker).look()
            (agent,) = cloud.agents.values()
            await r.until("its job runs", lambda: r.broker.job("c", 1)[1].state == "RUNNING")
            agent.finish("1-1")
            await r.until("its job has ended", lambda: r.broker.job("c", 1)[1].state == "SUCCEEDED")
            await Idleness(r.broker).look()
            assert r.cluster_state() == "UP"
            number = await r.broker.execute("c", task("exit 0"))
            await r.until("another has ended", lambda: r.broker.job("c", number)[1].state == "SUCCEEDED")
            await r.broker.down("c")
            assert cloud.instances == {}

    run(scenario())
