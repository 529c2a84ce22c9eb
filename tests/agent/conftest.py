"""A real agent in a process of its own, with a client connected to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from tradewind.agent.environment import agent_mark
from tradewind.agent.processes import end_marked
from tradewind.agent.protocol import AgentEvent, Configure, JobEnded, agent_socket_path
from tradewind.broker.clouds.local.host_client import connect_unix
from tradewind.broker.provision.agent_client import AgentClient

DEADLINE_S = 80


class RunningAgent:
    """An agent process for a home, restartable, with its events collected."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None
        self.clients: list[AgentClient] = []
        self.log = os.path.join(os.path.dirname(home), "agent.log")

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tradewind.agent", "--home", self.home, "--instance-id", "i-test"],
                stdout=log,
                stderr=log,
                cwd=self.home,
            )

    async def connect(self, *, configure: bool = True) -> AgentClient:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                client = AgentClient(*await connect_unix(agent_socket_path(self.home)))
                break
            except OSError:
                assert time.monotonic() < deadline, self.said()
                await asyncio.sleep(0.005)
        self.clients.append(client)
        await client.hello("test")
        if configure:
            await client.call(Configure("c", 0, ("127.0.0.1",), time.time() + 600))
        return client

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def peak_mib(self) -> float:
        assert self.process is not None
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

    def said(self) -> str:
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def clean_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        end_marked(agent_mark(self.home))


@pytest.fixture
def agent(tmp_path, monkeypatch) -> Iterator[RunningAgent]:
    with tempfile.TemporaryDirectory(prefix="tw-") as path:  # sockets' paths are short
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        yield from running_agent(tmp_path)


def running_agent(tmp_path) -> Iterator[RunningAgent]:
    home = tmp_path / "home"
    home.mkdir()
    made = RunningAgent(str(home))
    made.start()
    yield made
    made.clean_up()
    assert "Traceback" not in made.said(), made.said()


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run on a fresh loop, bounded. What a failed test leaves connected is closed: its warning would fail another test, much later."""
    agent = request.getfixturevalue("agent") if "agent" in request.fixturenames else None

    def bounded(coroutine: Coroutine[Any, Any, Any]) -> Any:
        async def body() -> Any:
            try:
                async with asyncio.timeout(DEADLINE_S):
                    return await coroutine
            finally:
                while agent is not None and agent.clients:
                    await agent.clients.pop().close()

        return asyncio.run(body())

    return bounded


@pytest.fixture
def connected(agent) -> Callable[[], contextlib.AbstractAsyncContextManager[AgentClient]]:
    @contextlib.asynccontextmanager
    async def open_client(*, configure: bool = True) -> AsyncIterator[AgentClient]:
        client = await agent.connect(configure=configure)
        try:
            yield client
        finally:
            await client.close()

    return open_client


@pytest.fixture
def fact_of() -> Callable[..., Coroutine[Any, Any, Any]]:
    async def wait_for_fact(client: AgentClient, kind: type, job_id: str | None = None, after_seq: int = 0) -> Any:
        events = client.subscribe(after_seq)
        async with contextlib.aclosing(events):
            async for event in events:
                assert isinstance(event, AgentEvent)
                if isinstance(event.fact, kind) and (job_id is None or event.fact.job_id == job_id):
                    return event.fact
        raise AssertionError("the agent is gone")

    return wait_for_fact


@pytest.fixture
def end_of(fact_of) -> Callable[[AgentClient, str], Coroutine[Any, Any, JobEnded]]:
    return lambda client, job_id: fact_of(client, JobEnded, job_id)
