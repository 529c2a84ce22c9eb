"""The agent's process: its lock, its socket, its life."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys

from tradewind.agent.agent import Agent
from tradewind.agent.connection import Connection
from tradewind.agent.environment import AGENT_MARK
from tradewind.agent.state import StateDirectory


async def serve(home: str, instance_id: str) -> None:
    """Serve the home (an absolute path without links) until the instance is to end, or SIGTERM.

    Raises:
        AlreadyServedError: another agent serves it.
    """
    state = StateDirectory(home)
    state.take()
    os.environ[AGENT_MARK] = home  # inherited by all that is started from here, and not part of this process's own mark
    agent = Agent(state, instance_id=instance_id)
    await agent.begin()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not _is_own_user(writer):
            writer.close()
            return
        task = asyncio.create_task(Connection(agent, reader, writer).serve(), name="connection")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = _listen(state.socket)
    server = await asyncio.start_unix_server(accept, sock=listener, limit=1 << 20)
    lease = asyncio.create_task(agent.keep_lease(), name="lease")
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    endings = [asyncio.create_task(event.wait()) for event in (agent.ending, told_to_end)]
    try:
        await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        if agent.ending.is_set():
            await _until_answered(tasks)
            agent.end_instance()
        else:
            await agent.wind_down("its agent was told to end")
    finally:
        server.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(state.socket)
        rest = [*endings, lease, *tasks]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await agent.close()


async def _until_answered(connections: set[asyncio.Task[None]]) -> None:
    """Leave the answers under way a moment to get out: a peer that hangs up on reading its own ends the wait."""
    if connections:
        await asyncio.wait(connections, timeout=0.2)


def _listen(path: str) -> socket.socket:
    """A listening socket at `path`, 0600, however long the path; whatever stood there belonged to an agent that is gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(mask)
        os.close(directory)
    listener.listen(64)
    listener.setblocking(False)
    return listener


def _is_own_user(writer: asyncio.StreamWriter) -> bool:
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid = int.from_bytes(credentials[4:8], sys.byteorder)
    if uid not in (os.geteuid(), 0):
        print(f"refused a connection from user {uid}", file=sys.stderr)
        return False
    return True
