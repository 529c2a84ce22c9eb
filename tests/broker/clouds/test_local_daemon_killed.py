"""A daemon that is killed around the start of an instance leaves garbage or an instance, never half of one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from tests.broker.clouds.yards import left_of, needs_namespaces
from tradewind.broker.clouds.local.machines import Yard
from tradewind.broker.clouds.local.provider import LocalProvider

DAEMON = """
import asyncio, os, signal, sys, time
from tradewind.broker.clouds.local import directory, provider
from tradewind.broker.clouds.local.machine import this_machine
from tradewind.broker.provider import LaunchRequest

point, root, isolation = sys.argv[1:]

def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

if point == "before the intent":
    directory.InstanceDirectory.write_intent = die
if point == "before the fork":
    os.posix_spawn = die
if point == "after the fork":
    spawn = os.posix_spawn
    def spawn_and_die(*args, **kwargs):
        spawn(*args, **kwargs)
        die()
    os.posix_spawn = spawn_and_die
if point == "after the launch":
    provider.LocalProvider._describe = die
request = LaunchRequest(instance_id="i-one", cluster="c", rank=0, offer=this_machine(), use_spot=False, max_hourly_usd=0,
                        tags={"cluster": "c1", "id": "i-one"}, lease_until_unix=time.time() + 600)
asyncio.run(provider.LocalProvider(root, isolation=lambda: isolation).launch(request, "t"))
"""


@pytest.mark.parametrize(
    ("point", "found"),
    [
        ("before the intent", []),
        ("before the fork", ["TERMINATED"]),
        ("after the fork", ["RUNNING"]),
        ("after the launch", ["RUNNING"]),
    ],
)
def test_killed(point, found, tmp_path, ask, run):
    root = str(tmp_path / "instances")
    daemon = subprocess.run([sys.executable, "-c", DAEMON, point, root, "auto"], timeout=30, check=False)
    assert daemon.returncode == -signal.SIGKILL
    provider = LocalProvider(root)

    async def scenario():
        seen = await provider.describe({"cluster": "c1"})
        while any(i.state == "PENDING" for i in await provider.describe({})):  # noqa: ASYNC110  its host is just coming up
            await asyncio.sleep(0.005)
        assert [i.state for i in await provider.describe({"cluster": "c1"})] == found
        if found == ["TERMINATED"]:
            assert seen[0].reason == "it never started"
        again = await provider.launch(ask(), "t")  # the intent is tried again with its token
        assert again.state == "RUNNING"
        assert os.listdir(root) == ["i-one"]
        hosts = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if is_host(pid, root)]
        assert len(hosts) == 1
        await provider.terminate("i-one")
        assert os.listdir(root) == []

    run(scenario())


def is_host(pid: str, root: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return False
    return root.encode() + b"/i-one" in words and b"unshare" not in words[0]


@needs_namespaces
@pytest.mark.parametrize("point", ["before the intent", "before the fork", "after the fork", "after the launch"])
@pytest.mark.parametrize("goes_on", [False, True])
def test_killed_with_a_machine_for_the_instance(point, goes_on, tmp_path, ask, run):
    root, yard = str(tmp_path / "instances"), Yard(str(tmp_path))
    daemon = subprocess.run([sys.executable, "-c", DAEMON, point, root, "namespaces"], timeout=30, check=False)
    assert daemon.returncode == -signal.SIGKILL
    provider = LocalProvider(root, isolation=lambda: "namespaces")

    async def scenario():
        if goes_on:
            again = await provider.launch(ask(), "t")
            assert again.state == "RUNNING"
            assert [one.address for one in await provider.describe({"cluster": "c1"})] == [again.address]
        for one in await provider.describe({}):
            await provider.terminate(one.provider_id)
        await provider.sweep({"tradewind-owner": "me"})

    run(scenario())
    assert left_of(yard) == []
