"""The agent as a unit of systemd where that runs the machine: its log where it is looked for, and started again when it is killed."""

from __future__ import annotations

import asyncio
import pathlib

import pytest

from clouds.lab.namespaces import open_lab
from clouds.lab.test_namespaces import reach
from tests.clouds.provision.test_remote_environment import greeted
from tradewind.broker.provision.remote_environment import EnvironmentMaker, start_agent
from tradewind.broker.provision.ssh_keys import KeyRing

# No systemd runs in a namespace: this does what systemd-run(1) and systemd.exec(5) say of the options that are used, and refuses others.
SYSTEMD_RUN = """#!/bin/sh
exec python3 - "$@" <<'END'
import os, subprocess, sys, time
arguments, settings, variables = sys.argv[1:], {}, {}
while arguments and arguments[0].startswith("-"):
    option = arguments.pop(0)
    if option in ("-p", "-E"):
        name, _, value = arguments.pop(0).partition("=")
        (settings if option == "-p" else variables)[name] = value
    elif option.split("=")[0] not in ("--quiet", "--collect", "--unit", "--uid", "--gid"):
        sys.exit(f"unknown option {option}")
if set(settings) != {"Restart", "RestartSec", "WorkingDirectory", "StandardOutput", "StandardError"}:
    sys.exit(f"other settings: {sorted(settings)}")
if os.fork():
    sys.exit()
os.setsid()
kind, _, path = settings["StandardOutput"].partition(":")
log = open(path, {"append": "ab"}[kind])
null = open(os.devnull)
os.dup2(null.fileno(), 0), os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
while subprocess.call(arguments, cwd=settings["WorkingDirectory"], env={**os.environ, **variables}) != 0:
    time.sleep(float(settings["RestartSec"]))
END
"""
IMAGE = {
    "/usr/local/bin/systemd-run": (SYSTEMD_RUN, 0o755),
    "/usr/local/bin/sudo": ('#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n', 0o755),
    "/etc/lab/run.d/systemd": ("#!/bin/sh\nmkdir -p /run/systemd/system\n", 0o755),
}


@pytest.mark.timeout(90)
def test_it_is_started_again_when_it_is_killed(tmp_path: pathlib.Path) -> None:
    keys = KeyRing(str(tmp_path / "data"))

    async def scenario() -> None:
        transport = await reach(host, keys)
        try:
            await EnvironmentMaker(str(tmp_path / "cache"))(transport)
            await start_agent(transport, "i-one")
            first = await greeted(transport)
            await transport.run(["kill", "-9", str(first.pid)])
            second = await greeted(transport)
            assert (second.instance_id, second.pid != first.pid) == ("i-one", True)
            assert (await transport.run(["test", "-f", "logs/agent.log"])).exit_code == 0
        finally:
            await transport.close()

    with open_lab(tmp_path / "lab") as lab:
        host = lab.host(
            ("172.31.6.1", "54.200.6.1"),
            user="tradewind",
            authorized=(keys.login().public,),
            host_key=keys.host("172.31.6.1").private,
            files=dict(IMAGE),
        )
        host.wait_ssh()
        asyncio.run(scenario())
