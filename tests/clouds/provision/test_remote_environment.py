"""An environment on a real machine that has only an image's Python, and the agent answering from it."""

from __future__ import annotations

import asyncio
import json
import pathlib
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from clouds.lab.namespaces import Host, Lab
from clouds.lab.test_namespaces import boot, reach
from tradewind import __version__
from tradewind.agent import protocol
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision import bootstrap
from tradewind.broker.provision.agent_client import AgentClient
from tradewind.broker.provision.remote_environment import PROBE, EnvironmentMaker, prepare_environment, start_agent
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.ssh_transport import SshTransport
from tradewind.broker.provision.wheel import Requirement, build_wheel


@pytest.fixture
def host(lab: Lab, keys: KeyRing) -> Iterator[Host]:
    host = boot(lab, keys, "172.31.5.1", "54.200.5.1")
    yield host
    host.remove()


async def greeted(transport: SshTransport) -> protocol.Welcome:
    deadline = time.monotonic() + 20
    while True:
        try:
            reader, writer = await transport.open(protocol.agent_socket_path(transport.home))
        except OSError:
            assert time.monotonic() < deadline, (await transport.run(["cat", "logs/agent.log"])).stdout
            await asyncio.sleep(0.05)
            continue
        client = AgentClient(reader, writer)
        try:
            return await client.hello(__version__)
        finally:
            await client.close()


@pytest.mark.parametrize(
    ("requirement", "answer"),
    [
        (Requirement("msgspec"), "full"),
        (Requirement("msgspec", ((">=", "0.18"), ("<", "99"))), "full"),
        (Requirement("PuLP", (("<", "4"), (">=", "2.8"))), "full"),
        (Requirement("msgspec", (("<", "0.1"),)), "bare"),
        (Requirement("msgspec", ((">=", "99"),)), "bare"),
        (Requirement("msgspec", (("~=", "0.18"),)), "bare"),
        (Requirement("no-such-distribution"), "bare"),
    ],
)
def test_an_interpreter_is_judged_by_what_it_has(requirement: Requirement, answer: str) -> None:
    assert probed([requirement]) == answer


def test_the_interpreter_of_the_tests_has_what_tradewind_needs() -> None:
    """So every bound in pyproject.toml is one that the probe reads."""
    assert probed(list(build_wheel().requirements)) == "full"


def probed(requirements: list[Requirement]) -> str:
    wanted = json.dumps([[r.name, r.bounds] for r in requirements])
    done = subprocess.run([sys.executable, "-c", PROBE, wanted], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_from_a_bare_machine_to_an_agent_that_answers(host: Host, keys: KeyRing, tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        transport = await reach(host, keys)
        try:
            assert transport.python == ""
            started = time.monotonic()
            make = EnvironmentMaker(str(tmp_path / "cache"))
            python = await make(transport)
            assert python == transport.python == "/home/tradewind/.tradewind/env/bin/python"
            await start_agent(transport, "i-one")
            welcome = await greeted(transport)
            took = time.monotonic() - started
            assert (welcome.instance_id, welcome.tradewind_version) == ("i-one", __version__)
            assert took < 20, f"{took:.1f} s from SSH to an agent"
            where = await transport.run([python, "-P", "-c", "import tradewind; print(tradewind.__file__)"])
            assert where.stdout.startswith(b"/home/tradewind/.tradewind/env")
        finally:
            await transport.close()
        again = await reach(host, keys)
        try:
            started = time.monotonic()
            assert await make(again) == python
            assert time.monotonic() - started < 2, "a second connection finds the environment as it is"
        finally:
            await again.close()

    asyncio.run(scenario())


def test_another_wheel_replaces_the_environment(host: Host, keys: KeyRing, tmp_path: pathlib.Path) -> None:
    package = tmp_path / "tradewind"
    (package / "agent").mkdir(parents=True)
    (package / "__init__.py").write_text("WHICH = 'other'\n")
    (package / "agent" / "__init__.py").touch()

    async def scenario() -> None:
        transport = await reach(host, keys)
        try:
            await prepare_environment(transport, build_wheel(str(package)), str(tmp_path / "cache"))
            done = await transport.run([transport.python, "-c", "import tradewind; print(tradewind.WHICH)"])
            assert done.stdout == b"other\n"
            (package / "__init__.py").write_text("WHICH = 'third'\n")
            await prepare_environment(transport, build_wheel(str(package)), str(tmp_path / "cache"))
            done = await transport.run([transport.python, "-c", "import tradewind; print(tradewind.WHICH)"])
            assert done.stdout == b"third\n"
        finally:
            await transport.close()

    asyncio.run(scenario())


def test_without_an_index_the_refusal_says_so(host: Host, keys: KeyRing, tmp_path: pathlib.Path) -> None:
    wheel = msgspec.structs.replace(
        build_wheel(), requirements=(Requirement("no-such-distribution", ((">=", "1.0"),)),)
    )

    async def scenario() -> None:
        transport = await reach(host, keys)
        try:
            with pytest.raises(ProviderError, match="could not") as caught:
                await prepare_environment(transport, wheel, str(tmp_path / "cache"))
            assert caught.value.code in {"Install", "NoPython"}
            assert "\n" not in str(caught.value)
            assert transport.python == ""
        finally:
            await transport.close()

    asyncio.run(scenario())


def test_an_agent_that_does_not_come_up_is_told_with_the_last_words_of_its_log(
    host: Host, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "AGENT_DEADLINE_S", 0.5)
    broken = "#!/bin/sh\nprintf 'Traceback (most recent call last):\\n  File x\\nImportError: no msgspec here\\n' >&2; exit 1\n"

    async def scenario() -> None:
        transport = await reach(host, keys)
        try:
            await transport.script(f"cat >broken <<'END'\n{broken}END\nchmod 755 broken")
            transport._python = "./broken"
            row: Any = types.SimpleNamespace(id="i-one", provider="gcp")
            with pytest.raises(bootstrap.BootstrapError) as caught:
                await bootstrap._greeted(transport, row, start=True)
            assert str(caught.value).startswith("i-one: no agent answers (nobody listens at ")
            assert str(caught.value).endswith("; its agent's log ends: ImportError: no msgspec here")
        finally:
            await transport.close()

    asyncio.run(scenario())
