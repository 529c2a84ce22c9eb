"""From an open SSH port to an agent that answers: machines of this computer (an address and an sshd each), with a bare Python and a warm uv cache.

A machine's login home is empty but for `python3` (an interpreter without packages), `uv` and uv's cache, which may not ask any index. What is
timed is the daemon's own way: log in, ship the wheel, make the environment, start the agent, hear from it.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import yaml

from benchmarks.clouds.figures import Figure
from tradewind.broker.clouds.local.isolation import means
from tradewind.broker.clouds.local.machines import Machine, Yard
from tradewind.broker.clouds.local.sshd import login_user
from tradewind.broker.clouds.ssh.provider import SshProvider
from tradewind.broker.provider import LaunchRequest
from tradewind.broker.provision.bootstrap import reach_agent
from tradewind.broker.provision.remote_environment import EnvironmentMaker
from tradewind.broker.provision.wheel import build_wheel, write_wheel
from tradewind.broker.store.records import InstanceRow
from tradewind.catalog.offer import Offer

ONE, MANY = "SSH open to agent ready, bare Python and warm uv cache", "the same on 20 nodes in parallel"
NODES = 20


async def machines() -> list[Figure]:
    """One node, then twenty at once."""
    uv = shutil.which("uv", path=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    here = means()
    why = here.no_login or ("" if uv else "no uv here: pip install uv")
    if why or uv is None:
        return [Figure(ONE, 4.0, None, why), Figure(MANY, 20.0, None, why)]
    with tempfile.TemporaryDirectory() as directory:
        yard = Yard(directory)
        try:
            made = await asyncio.to_thread(_stand, yard, "processes" if here.no_namespaces else "namespaces")
            cache = await asyncio.to_thread(_warm_cache, pathlib.Path(directory), uv)
            for machine in made:
                _furnish(pathlib.Path(directory, "machines", machine.name, "home"), uv, cache)
            one = await _seconds(yard, made[:1], directory)
            many = await _seconds(yard, made[1:], directory)
        finally:
            with yard.locked():
                for machine in yard.machines():
                    yard.end(machine.name)
    note = "in namespaces of this computer" if not here.no_namespaces else "as processes of this computer"
    return [
        Figure(ONE, 4.0, one, note),
        Figure(MANY, 20.0, many, f"{os.cpu_count()} processors for all of them and the daemon"),
    ]


def _stand(yard: Yard, way) -> list[Machine]:  # type: ignore[no-untyped-def]
    with yard.locked():
        return yard.make_standing(NODES + 1, way, memory_gib=2.0)


def _warm_cache(directory: pathlib.Path, uv: str) -> pathlib.Path:
    """A cache that holds all that the wheel needs."""
    cache, wheel = directory / "uv-cache", build_wheel()
    environment = {**os.environ, "UV_CACHE_DIR": str(cache)}
    subprocess.run(
        [uv, "venv", "--quiet", "--python", _bare_python(), str(directory / "warm")], env=environment, check=True
    )
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", str(directory / "warm/bin/python"), write_wheel(wheel, str(directory))],
        env=environment, check=True,
    )  # fmt: skip
    return cache


def _bare_python() -> str:
    return os.path.realpath(pathlib.Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))


def _furnish(home: pathlib.Path, uv: str, cache: pathlib.Path) -> None:
    """What an image with Python and uv has."""
    own = home / ".local" / "bin"
    own.mkdir(parents=True)
    (own / "python3").write_text(f'#!/bin/sh\nexec {_bare_python()} "$@"\n')
    (own / "python3").chmod(0o755)
    (own / "uv").symlink_to(uv)
    (home / ".config" / "uv").mkdir(parents=True)
    (home / ".config" / "uv" / "uv.toml").write_text(f'offline = true\ncache-dir = "{cache}"\n')


async def _seconds(yard: Yard, made: list[Machine], directory: str) -> float:
    """Until the agents of all of them have answered."""
    path = os.path.join(directory, "pool.yaml")
    hosts = [
        {"name": m.name, "ip": m.address, "port": m.port, "host_key": yard.host_key(m), "identity_file": yard.login_key_path()}
        for m in made
    ]  # fmt: skip
    pathlib.Path(path).write_text(yaml.safe_dump({"pool": {"user": login_user(), "hosts": hosts}}))  # noqa: ASYNC240  a small file
    cache_dir = tempfile.mkdtemp(dir=directory)
    provider = SshProvider(path, ledger_dir=f"{directory}/ledger", prepare=EnvironmentMaker(cache_dir))
    try:
        assert await provider.offers(), await provider.report()
        (offer,) = await provider.offers()
        rows = await asyncio.gather(*(_lent(provider, offer, machine.name) for machine in made))
        began = time.monotonic()
        reached = await asyncio.gather(*(reach_agent(provider, row, start=True) for row in rows))
        seconds = time.monotonic() - began
        for transport, client in reached:
            await client.close()
            await transport.close()
        for row in rows:
            await provider.terminate(row.provider_id)
    finally:
        await provider.aclose()
    return seconds


async def _lent(provider: SshProvider, offer: Offer, name: str) -> InstanceRow:
    tags = {"tradewind-instance": name}
    instance = await provider.launch(LaunchRequest(name, "bench", 0, offer, False, 1.0, tags, time.time() + 3600), name)
    return InstanceRow(
        id=name, cluster_id=1, rank=0, tries=1, token=name, tags=tags, provider="ssh", provider_id=instance.provider_id,
        address=instance.address, offer=offer, use_spot=False, price_usd_h="0", state="RUNNING", lease_until_unix=time.time() + 3600,
        agent_seq=0, created_unix=0, launched_unix=None, ended_unix=None, reason="",
    )  # fmt: skip
