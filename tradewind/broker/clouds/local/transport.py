"""A connection to a local instance: its host is asked to start things, files are copied, sockets are opened directly."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence

from tradewind.broker.clouds.local.directory import InstanceDirectory
from tradewind.broker.clouds.local.errors import refusal
from tradewind.broker.clouds.local.host_client import ask_host, connect_unix, unix_socket
from tradewind.broker.clouds.local.mirror import mirror
from tradewind.broker.provider import LeaveOut, RunResult, Told

_NO_ENVIRONMENT: Mapping[str, str] = {}


class LocalTransport:
    """Implements `Transport` for an instance in a directory of this machine."""

    def __init__(self, directory: InstanceDirectory) -> None:
        self._directory = directory

    @property
    def home(self) -> str:
        """The instance's home directory."""
        return self._directory.home

    @property
    def python(self) -> str:
        """This interpreter: the instance shares this machine's environment."""
        return sys.executable

    async def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] = _NO_ENVIRONMENT, timeout_s: float = 60
    ) -> RunResult:
        """Run a command in the instance's home to its end; it is killed when it takes longer (ProviderError "time-out")."""
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        sock: socket.socket | None = None
        try:
            sock = unix_socket(self._directory.host_socket)
            request = json.dumps({"op": "run", "argv": list(argv), "env": dict(env)}).encode() + b"\n"
            sent = socket.send_fds(sock, [request], [out_write, err_write])
            if sent < len(request):  # an empty send would fail where the command has ended and the host hung up already
                sock.sendall(request[sent:])
        except OSError as error:
            for fd in (out_read, err_read):
                os.close(fd)
            if sock is not None:
                sock.close()
            why = self._directory.why_ended()
            raise refusal("ended", f"instance {self._directory.instance_id} does not run: {why}") from error
        finally:
            os.close(out_write)
            os.close(err_write)
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        try:
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
                answering = group.create_task(_answer(reader))
                out, err = group.create_task(_read_all(out_read)), group.create_task(_read_all(err_read))
        except TimeoutError as error:
            raise refusal(
                "time-out", f"{argv[0]} took more than {timeout_s:g} s on {self._directory.instance_id}"
            ) from error
        finally:
            writer.close()  # the host kills what still runs for this connection
        answer, stdout, stderr = answering.result(), out.result(), err.result()
        if not answer:
            why = self._directory.why_ended()
            raise refusal("ended", f"instance {self._directory.instance_id} ended while {argv[0]} ran on it: {why}")
        said = json.loads(answer)
        if "error" in said:
            return RunResult(exit_code=127, stdout=stdout, stderr=stderr + said["error"].encode() + b"\n")
        return RunResult(exit_code=int(said["exit"]), stdout=stdout, stderr=stderr)

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str] = _NO_ENVIRONMENT, log: str) -> None:
        """Start a command that outlives this connection; its output is appended to `log` (in the home unless absolute)."""
        path = os.path.join(self.home, log)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        await ask_host(self._directory, {"op": "start", "argv": list(argv), "env": dict(env), "log": path})

    async def put(
        self, source: str, target: str, *, leave_out: LeaveOut | None = None, told: Told | None = None
    ) -> None:
        """Make what `source` holds stand at `target`; only what differs is copied. Raises ProviderError "bad-request" or "disk"."""
        try:
            await asyncio.to_thread(mirror, source, target, home=self.home, leave_out=leave_out, told=told)
        except ValueError as error:
            raise refusal("bad-request", str(error)) from error
        except OSError as error:
            where = f"copying {source} to {target} on {self._directory.instance_id}"
            raise refusal("disk", f"{where} failed: {error.strerror or error} ({error.filename or target})") from error

    async def open(self, socket_path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a unix socket on the instance. Raises OSError while nobody listens there."""
        return await connect_unix(socket_path)

    async def close(self) -> None:
        """Nothing is held between calls."""


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """The host's line; b"" when it ended first, whether the stream was closed or reset (killed with our request unread)."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


async def _read_all(fd: int) -> bytes:
    """Everything until the pipe's last writer is gone; closes `fd`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", buffering=0)
    )
    try:
        return await reader.read()
    finally:
        transport.close()
