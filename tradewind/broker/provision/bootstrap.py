"""Makes running instances into a cluster: an agent on each, files, the runtime's head on rank 0 and a node daemon everywhere."""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Sequence

from tradewind import __version__
from tradewind.agent import protocol
from tradewind.broker.capabilities import Console
from tradewind.broker.provider import Instance, Provider, ProviderError, Told, Transport
from tradewind.broker.provision import accelerators
from tradewind.broker.provision.agent_client import AgentClient, AgentError, AgentGone, AgentRefused
from tradewind.broker.provision.gang import BOOTED, LEASE_S
from tradewind.broker.provision.git_source import GitError, Repositories
from tradewind.broker.provision.ignore_files import leaving_out
from tradewind.broker.provision.node import Node
from tradewind.broker.provision.remote_environment import AGENT_LOG, start_agent
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows
from tradewind.broker.store.records import ClusterRow, InstanceRow
from tradewind.spec.task import Task

AGENT_DEADLINE_S = 20.0
ORDER_TIMEOUT_S = 30.0
ROOM_S, ROOM_PAUSE_S = 60.0, 1.0  # how long, and how often, an agent whose disk is full is asked again
LAST_WORDS_TIMEOUT_S = 5.0
LAST_LINES, LAST_WORDS = 3, 600  # lines and characters of an agent's log that stand in a sentence
LOST = frozenset({"SshLost"})
# What every machine of a cloud would do again, for all are made of the same image and given the same keys, wheel and files.
OF_ALL_MADE = frozenset({"SshRefused", "HostKeyChanged", "HostKeyUnknown", "NoPython", "Install", "DiskFull"})
OF_THE_FILES = frozenset({"BadSource", "BadTarget"})
# The longest pause between two knocks at an agent's socket: over SSH each is a channel, and all nodes of a gang are knocked at from here.
HERE_PAUSE_S, SSH_PAUSE_S = 0.05, 0.2
LOCAL = "local"


class BootstrapError(Exception):
    """A node could not be made part of its cluster; one sentence."""


class WayBroken(BootstrapError):  # noqa: N818  the name says what it is
    """The connection to a machine, or its agent, was lost while it was set up; one sentence."""


class WrongMachine(BootstrapError):  # noqa: N818  the name says what it is
    """The instance is not what was bought, and another of its kind would not be either; one sentence."""


def is_broken(error: Exception) -> bool:
    """Whether only the way to a machine, or its agent, was lost: the machine may be as good as it was."""
    return isinstance(error, WayBroken | AgentGone) or (isinstance(error, ProviderError) and error.code in LOST)


def is_final(error: Exception, provider: str, *, own_image: bool) -> bool:
    """Whether another machine of this provider would come to the same, so that none is bought. `own_image`: the task names its image."""
    if isinstance(error, WrongMachine) or isinstance(error.__cause__, GitError):
        return True
    told = error.__cause__ if isinstance(error.__cause__, ProviderError) else error
    if not isinstance(told, ProviderError):
        return False
    if told.code in OF_THE_FILES:
        return True
    if provider not in BOOTED:  # machines of one's own differ
        return False
    return told.code in OF_ALL_MADE or (own_image and told.code == "SshUnreachable")


def instance_of(row: InstanceRow) -> Instance:
    """The row as a provider knows it."""
    return Instance(
        instance_id=row.id, provider_id=row.provider_id, state="RUNNING", address=row.address, tags=row.tags
    )


async def reach_agent(provider: Provider, row: InstanceRow, *, start: bool) -> tuple[Transport, AgentClient]:
    """A connection to the instance's agent, greeted; with `start` the agent is started when none answers.

    Raises:
        BootstrapError: no agent answers within AGENT_DEADLINE_S (at once without `start`), or it speaks another protocol; without `start` also
            when its cloud says that the instance does not run, which knocking would take until a deadline to find out.
    """
    transport = await provider.connect(await _located(provider, row, running=not start))
    try:
        return transport, await _greeted(transport, row, start=start)
    except BaseException:
        await transport.close()
        raise


async def _greeted(transport: Transport, row: InstanceRow, *, start: bool) -> AgentClient:
    """The agent's end of the transport, once it has answered. Raises as `reach_agent` does."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + AGENT_DEADLINE_S
    started = False
    pause = 0.005
    while True:
        try:
            reader, writer = await transport.open(protocol.agent_socket_path(transport.home))
            client = AgentClient(reader, writer)
            try:
                async with asyncio.timeout(max(0.1, deadline - loop.time())):
                    await client.hello(__version__)
            except BaseException:
                await client.close()
                raise
        except (OSError, AgentError, TimeoutError) as error:
            if isinstance(error, AgentError) and getattr(error, "kind", "") == "version":
                raise BootstrapError(f"{row.id}: {error}") from error
            if not start or loop.time() > deadline:
                said = await last_words(transport) if start else ""
                raise BootstrapError(f"{row.id}: no agent answers ({error}){said}") from error
            if not started:
                await start_agent(transport, row.id, alone=row.provider == LOCAL)
                started = True
            await asyncio.sleep(pause)
            pause = min(HERE_PAUSE_S if row.provider == LOCAL else SSH_PAUSE_S, pause * 1.5)
        else:
            return client


async def last_words(transport: Transport) -> str:
    """The last lines of the agent's own log as a clause; "" when it has said nothing, or cannot be read any more."""
    tail = ["tail", "-n", "40", posixpath.join(transport.home, AGENT_LOG)]
    try:
        done = await transport.run(tail, timeout_s=LAST_WORDS_TIMEOUT_S)
    except (ProviderError, OSError):
        return ""
    lines = done.stdout.decode(errors="replace").splitlines()
    # Of a fault's report the line that names it; where in our code it arose tells a person nothing.
    said = [line for line in lines if line.strip() and not line[0].isspace() and not line.startswith("Traceback")]
    return f"; its agent's log ends: {' | '.join(said[-LAST_LINES:])[-LAST_WORDS:]}" if said else ""


async def ordered(node: Node, order: protocol.Order) -> protocol.Answer:
    """The answer of the agent of a node that is being set up.

    Raises:
        BootstrapError: it refused, was lost (WayBroken) or gave no answer; the sentence ends with the last words of its log.
    """
    try:
        return await call(node.client, order)
    except AgentGone as error:
        raise WayBroken(f"{node.row.id}: {error}{await last_words(node.transport)}") from error
    except AgentError as error:
        raise BootstrapError(f"{error}{await last_words(node.transport)}") from error
    except TimeoutError as error:
        silent = f"{node.row.id}: its agent gave no answer within {ORDER_TIMEOUT_S:g} s"
        raise BootstrapError(f"{silent}{await last_words(node.transport)}") from error


async def _located(provider: Provider, row: InstanceRow, *, running: bool) -> Instance:
    """The instance with the addresses that it has now: a machine that was stopped comes back under others.

    Raises:
        BootstrapError: it should be `running`, and is not.
        ProviderError: its cloud could not be asked.
    """
    if row.provider == LOCAL:
        return instance_of(row)
    listed = [one for one in await provider.describe(row.tags) if one.provider_id == row.provider_id]
    if running and not any(one.state in {"PENDING", "RUNNING"} for one in listed):
        state = listed[0].state.lower() if listed else "not listed by its cloud"
        raise BootstrapError(f"{row.id}: no agent answers (the instance is {state})")
    return listed[0] if listed else instance_of(row)


async def keep_console(services: Services, row: InstanceRow) -> str:
    """Where what the machine printed while it booted is kept now, as a clause; "" where its cloud has nothing."""
    provider = services.providers[row.provider]
    if not isinstance(provider, Console):
        return ""
    try:
        said = await provider.console(row.provider_id)
    except ProviderError:
        return ""
    if not said:
        return ""
    path = services.path("logs", f"console-{row.id}.log")
    await asyncio.to_thread(_write, path, said)
    return f"; what it printed while it booted is in {path}"


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


async def call(client: AgentClient, order: protocol.Order, timeout_s: float = ORDER_TIMEOUT_S) -> protocol.Answer:
    """The agent's answer; raises AgentError, or TimeoutError after `timeout_s` seconds. While its disk is full it is asked again for ROOM_S."""
    deadline = asyncio.get_running_loop().time() + ROOM_S
    while True:
        try:
            async with asyncio.timeout(timeout_s):
                return await client.call(order)
        except AgentRefused as refused:
            if refused.kind != "room" or asyncio.get_running_loop().time() > deadline:
                raise
            log.info("%s is asked again in %g s: %s", type(order).__name__, ROOM_PAUSE_S, refused)
        await asyncio.sleep(ROOM_PAUSE_S)


async def prepare_node(node: Node, cluster: ClusterRow, peers: Sequence[InstanceRow], boundary: Services) -> None:
    """The node knows its place in the cluster and holds the task's files."""
    offer = node.row.offer
    # Counted from now, not from the purchase: a machine that was stopped for longer than its lease would end itself at once.
    until = boundary.now() + LEASE_S
    await ordered(
        node,
        protocol.Configure(
            cluster=cluster.name,
            rank=node.row.rank,
            node_ips=tuple(peer.address for peer in peers),
            lease_until_unix=until,
            accelerator=offer.accelerator,
            accelerator_count=offer.accelerator_count,
        ),
    )
    await boundary.providers[node.row.provider].lease(node.row.provider_id, until)
    await boundary.apply(lambda ledger: rows.update_instance(ledger.connection, node.row.id, lease_until_unix=until))
    await _watch_notices(node, boundary)
    await boundary.boundary("bootstrap:configured")
    await check_accelerators(node, boundary)
    with boundary.copies.of(cluster.id) as told:
        await put_files(node, cluster.task, boundary.repositories, told)
    await boundary.boundary("bootstrap:files")


async def _watch_notices(node: Node, services: Services) -> None:
    """The agent hears of it when the cloud is about to take its machine, where the cloud says so."""
    source = getattr(services.providers[node.row.provider], "notice_source", None)
    if source is not None:
        asked = {name: getattr(source, name) for name in source.__struct_fields__}
        asked |= {"headers": dict(source.headers), "token_request_headers": dict(source.token_request_headers)}
        await ordered(node, protocol.WatchNotices(**asked))


async def open_ports(services: Services, cluster: ClusterRow, instances: Sequence[InstanceRow]) -> None:
    """The world reaches the ports that the task asks for, and those that were opened since. Raises ProviderError."""
    ports = cluster.open_ports
    if ports:
        for cloud in sorted({row.provider for row in instances}):
            mine = [row.provider_id for row in instances if row.provider == cloud]
            await services.providers[cloud].open_ports(mine, ports)


async def check_accelerators(node: Node, services: Services) -> None:
    """The instance has the accelerators it was bought for, by its agent's word; what it has is known, and told in the timeline.

    Raises:
        WrongMachine: it has others, fewer or none; it says which.
    """
    if node.row.provider == LOCAL or not node.row.offer.accelerator:
        return  # a rehearsal's are logical
    found = await ordered(node, protocol.FindAccelerators())
    if not isinstance(found, protocol.Accelerators):
        raise BootstrapError(
            f"{node.row.id}: the agent answered {type(found).__name__} to the question for accelerators"
        )
    if why := accelerators.missing(node.row.offer, found):
        raise WrongMachine(f"{node.row.id}: {why}")
    node.accelerators = found
    subject, cause, row = f"instance/{node.row.id}", f"agent/{node.row.id}", node.row
    told = {"rank": row.rank, "found": accelerators.described(found)}
    await services.apply(lambda ledger: ledger.record(subject, "accelerators", cause, told, cluster_id=row.cluster_id))


async def put_files(node: Node, task: Task, repositories: Repositories, told: Told) -> None:
    """The task's work directory, but for what its ignore files name, and its mounts are on the node as they are here now; `told` how far it is.

    Raises:
        BootstrapError: the repository that is its work directory cannot be had any more.
    """
    if task.git is not None:
        try:
            await node.transport.put(await repositories.checkout(task.git), "workdir", told=told)
        except GitError as error:
            raise BootstrapError(f"workdir: {error}") from error
    if task.workdir is not None:
        leave_out = await asyncio.to_thread(leaving_out, task.workdir)
        await node.transport.put(task.workdir, "workdir", leave_out=leave_out, told=told)
    for mount in task.file_mounts:
        await node.transport.put(mount.source, mount.target.removeprefix("~/"), told=told)


async def start_head(node: Node, incarnation: str) -> protocol.RuntimeHead:
    """The runtime's head of this incarnation runs on the node."""
    answer = await ordered(node, protocol.StartRuntimeHead(incarnation=incarnation))
    if not isinstance(answer, protocol.RuntimeHead):
        raise BootstrapError(f"{node.row.id}: the agent answered {type(answer).__name__} to the order for a head")
    return answer


async def start_node(node: Node, incarnation: str, head: protocol.RuntimeHead) -> None:
    """A node daemon on the node has joined the head."""
    await ordered(
        node,
        protocol.StartRuntimeNode(
            incarnation=incarnation,
            head_address=head.address,
            credentials=head.credentials,
            resources=accelerators.runtime_resources(node.row.offer, node.accelerators),
        ),
    )
