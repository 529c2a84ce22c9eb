"""The runtime under agents: two nodes, one cluster; what dies is told; orders are done once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time

import pytest

from tradewind.agent.protocol import (
    Configure,
    JobEnded,
    RuntimeHead,
    RuntimeLost,
    StartJob,
    StartRuntimeHead,
    StartRuntimeNode,
    StopRuntime,
    agent_socket_path,
)
from tradewind.broker.clouds.local.machine import this_machine
from tradewind.broker.clouds.local.provider import LocalProvider
from tradewind.broker.provider import LaunchRequest
from tradewind.broker.provision.agent_client import AgentClient, AgentRefused

RESOURCES = {"CPU": 1.0, "memory": 256e6, "object_store_memory": 64e6}
PROGRAM = """
import os
from tradewind import runtime

runtime.init()

@runtime.remote
def rank():
    return os.environ["TRADEWIND_NODE_RANK"], os.path.basename(os.getcwd())

ranks = set()
while len(ranks) < 2:
    ranks |= set(runtime.get([rank.options(scheduling_strategy="SPREAD").remote() for _ in range(8)]))
print(sorted(ranks), runtime.cluster_resources()["CPU"])
"""


@pytest.fixture
def provider(tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory(prefix="tw-") as path:
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        yield LocalProvider(str(tmp_path / "instances"))
        assert os.listdir(os.path.join(path, "tradewind")) == []


@contextlib.asynccontextmanager
async def nodes(provider, count: int):
    """Clients of `count` configured agents, each on an instance of its own."""
    ids = [f"i-{rank}" for rank in range(count)]

    async def one(rank: int):
        request = LaunchRequest(
            instance_id=ids[rank], cluster="c", rank=rank, offer=this_machine(), use_spot=False, max_hourly_usd=0,
            tags={}, lease_until_unix=time.time() + 600,
        )  # fmt: skip
        instance = await provider.launch(request, ids[rank])
        transport = await provider.connect(instance)
        await transport.start(
            [transport.python, "-P", "-m", "tradewind.agent", "--home", transport.home], log="agent.log"
        )
        while True:
            try:
                client = AgentClient(*await transport.open(agent_socket_path(transport.home)))
                break
            except OSError:
                await asyncio.sleep(0.005)
        await client.hello("x")
        return instance, client

    made = []
    try:
        made += await asyncio.gather(*(one(rank) for rank in range(count)))
        ips = tuple(instance.address for instance, _ in made)
        for rank, (_, client) in enumerate(made):
            await client.call(Configure("c", rank, ips, time.time() + 600))
        yield [client for _, client in made]
    finally:
        for _, client in made:
            await client.close()
        await asyncio.gather(*(provider.terminate(one) for one in ids))


async def start(clients, incarnation: str) -> RuntimeHead:
    head = await clients[0].call(StartRuntimeHead(incarnation))
    order = StartRuntimeNode(incarnation, head.address, head.credentials, RESOURCES)
    await asyncio.gather(*(client.call(order) for client in clients))
    return head


def children(of: str) -> dict[int, bytes]:
    """Processes whose command line holds `of`, by their number here."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
        except OSError:
            continue
        if of.encode() in command:
            found[int(pid)] = command
    return found


def daemons(provider, instance_id: str, module: str) -> list[int]:
    mark = f"TRADEWIND_INSTANCE={instance_id}".encode()
    home = f"TRADEWIND_AGENT_HOME={provider._root}/{instance_id}/home".encode()
    found = []
    for pid in children(module):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read().split(b"\0")
            if mark in environment and home in environment:
                found.append(pid)
    return found


def test_a_job_on_two_nodes(provider, run, end_of):
    async def scenario():
        async with nodes(provider, 2) as clients:
            head = await start(clients, "1")
            assert await clients[0].call(StartRuntimeHead("1")) == head  # done once
            await clients[0].call(StartJob("1-1", "run", f"python - <<'END'{PROGRAM}END"))
            ended = await end_of(clients[0], "1-1")
            log = b"".join([piece async for piece in clients[0].read_log("1-1")])
            assert ended.state == "SUCCEEDED", log
            assert log == b"[('0', 'workdir'), ('1', 'workdir')] 2.0\n"
            again = await start(clients, "2")  # a new incarnation replaces what ran
            assert again.address != head.address or again.credentials != head.credentials
            for client in clients:
                await client.call(StopRuntime())
            assert daemons(provider, "i-0", "tradewind.runtime") == []

    run(scenario())


@pytest.mark.parametrize(
    ("process", "module"), [("node", "tradewind.runtime.node.main"), ("head", "tradewind.runtime.head.main")]
)
def test_a_daemon_that_dies_is_told(provider, run, fact_of, process, module):
    async def scenario():
        async with nodes(provider, 1) as clients:
            await start(clients, "1")
            (pid,) = daemons(provider, "i-0", module)
            told = asyncio.create_task(fact_of(clients[0], RuntimeLost))
            await asyncio.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
            lost = await told
            assert lost.process == process
            assert "SIGKILL" in lost.why
            await start(clients, "2")

    run(scenario())


def test_a_node_that_cannot_join_is_refused_in_a_sentence(provider, run):
    async def scenario():
        async with nodes(provider, 1) as clients:
            head = await clients[0].call(StartRuntimeHead("1"))
            with pytest.raises(AgentRefused, match="the runtime's node could not start") as caught:
                await clients[0].call(StartRuntimeNode("1", head.address, b"nonsense", RESOURCES))
            assert caught.value.kind == "state"
            assert "\n" not in caught.value.message

    run(scenario())


def test_the_end_of_the_agent_is_the_end_of_its_runtime(agent, run):
    async def scenario():
        client = await agent.connect()
        head = await client.call(StartRuntimeHead("1"))
        await client.call(StartRuntimeNode("1", head.address, head.credentials, RESOURCES))
        await client.call(StartJob("1-1", "run", "sleep 1000"))
        mark = f"TRADEWIND_AGENT_HOME={agent.home}".encode()
        assert len(having(mark)) >= 3
        agent.kill()
        await client.close()
        agent.start()
        client = await agent.connect(configure=False)
        assert having(mark) == []  # the new agent has ended what the old one left
        facts = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                async for event in client.subscribe():
                    facts.append(event.fact)  # noqa: PERF401
        assert [fact.state for fact in facts if isinstance(fact, JobEnded)] == ["LOST"]
        await client.close()

    run(scenario())


def having(mark: bytes) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if mark in file.read().split(b"\0"):
                found.append(int(pid))
    return found
