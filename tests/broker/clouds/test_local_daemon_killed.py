"""A daemon that is killed around the start of an instance leaves garbage or an instance, never half of one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from tradewind.broker.clouds.local.provider import LocalProvider

DAEMON = """
import asyncio, os, signal, sys, time
from tradewind.broker.clouds.local import directory, provider
from tradewind.broker.clouds.local.machine import this_machine
from tradewind.broker.provider import LaunchRequest

point, root = sys.argv[1:]

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
asyncio.run(provider.LocalProvider(root).launch(request, "t"))
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
    daemon = subprocess.run([sys.executable, "-c", DAEMON, point, root], timeout=30, check=False)
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
