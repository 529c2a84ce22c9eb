"""A connection to an instance over SSH, with its host key pinned and its loss noticed within seconds.

Commands and their environment travel over the session's standard input, so that neither argv nor `ps` on the instance shows a value.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tradewind.broker.provider import Instance, LeaveOut, ProviderError, RunResult, Told
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.ssh_put import SshCopy
from tradewind.broker.provision.ssh_silence import SILENCE_S, keep_asking, until_silent
from tradewind.broker.provision.ssh_stream import open_unix

if TYPE_CHECKING:
    import socket

    import asyncssh

# What the kernels cannot see, an sshd that hangs: after so many unanswered keep-alives of SSH the connection counts as lost.
KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 10.0, 2
# Through a jump host the kernels know the first hop only, so that SSH itself has to ask as often (it gives up an interval after the last).
JUMP_INTERVAL_S, JUMP_COUNT = 1.0, 2
ATTEMPT_TIMEOUT_S = 10.0  # for one TCP connect and login
RETRY_S = 0.5
SESSIONS = 8  # commands at once over one connection; sshd refuses more than 10 of them (MaxSessions, sshd_config(5))
BOOT_DEADLINE_S = 300.0  # clouds take 20 to 120 s from "running" to a listening sshd
ENVIRONMENT = ".tradewind/env"  # in the home: where bootstrap makes the environment that the agent runs in
_TOO_MANY, _TURN_S = "open failed", 0.02  # what OpenSSH says of a session over its limit (serverloop.c)
_NO_ENVIRONMENT: Mapping[str, str] = {}
Prepare = Callable[["SshTransport"], Awaitable[object]]


class Endpoint(msgspec.Struct, frozen=True):
    """Where and as whom to log in, and the host keys (known_hosts' key part: "ssh-ed25519 AAAA...") that alone are accepted there.

    Without host keys the person's own known_hosts decides; user "" and port 0 are what the person's SSH configuration says.
    """

    host: str
    user: str = ""
    host_keys: tuple[str, ...] = ()
    port: int = 22
    cloud: str = "ssh"  # whose name refusals carry
    identity_file: str = ""  # a private key of the person's, in place of their agent and default keys
    home: str = ""  # the instance's home below the login user's; "" makes it that one

    def __str__(self) -> str:
        return (
            (f"{self.user}@" if self.user else "") + self.host + (f":{self.port}" if self.port not in {0, 22} else "")
        )


class SshConnector:
    """Connects to the instances of one data directory: logs in with its key, and pins the host key that it gave each of them.

    `prepare` runs on every new connection before anybody sees it: it makes the environment that the agent needs.
    """

    def __init__(
        self,
        keys: KeyRing,
        *,
        cloud: str,
        user: str = "tradewind",
        port: int = 22,
        deadline_s: float = BOOT_DEADLINE_S,
        prepare: Prepare | None = None,
    ) -> None:
        self._keys, self._cloud, self._user, self._port, self._deadline_s = keys, cloud, user, port, deadline_s
        self._prepare = prepare

    async def __call__(self, instance: Instance, host_keys: Sequence[str] = ()) -> SshTransport:
        """A transport to a running instance; `host_keys` are pinned in place of ours where the image took none. Raises ProviderError."""
        pinned = tuple(host_keys) or (self._keys.host(instance.instance_id).public,)
        host = instance.public_address or instance.address
        endpoint = Endpoint(host=host, user=self._user, host_keys=pinned, port=self._port, cloud=self._cloud)
        transport = await connect(endpoint, self._keys.login().private, deadline_s=self._deadline_s)
        return await prepared(transport, self._prepare)


async def prepared(transport: SshTransport, prepare: Prepare | None) -> SshTransport:
    """The transport once `prepare` has made its instance ready; closed again when that fails."""
    if prepare is not None:
        try:
            await prepare(transport)
        except BaseException:
            await transport.close()
            raise
    return transport


async def connect(endpoint: Endpoint, private_key: str | None, *, deadline_s: float = BOOT_DEADLINE_S) -> SshTransport:
    """A transport, once the host's sshd lets us in; without `private_key` the person's own agent and keys are used.

    Raises:
        ProviderError: "SshUnreachable" when nobody answered until the deadline, "SshRefused" when the login was not accepted until then,
            "HostKeyChanged" at once when another host key was shown.
    """
    import asyncssh

    deadline = time.monotonic() + deadline_s
    where = str(endpoint)
    while True:
        try:
            async with asyncio.timeout(max(1.0, min(ATTEMPT_TIMEOUT_S, deadline - time.monotonic()))):
                connection = await _log_in(endpoint, private_key)
        except asyncssh.HostKeyNotVerifiable as error:
            raise _host_key_refusal(endpoint) from error
        except asyncssh.PermissionDenied as error:
            code, why, cause = (
                "SshRefused",
                f"{where} did not accept our key",
                error,
            )  # cloud-init may not have written it yet
        except TimeoutError as error:
            code, why, cause = "SshUnreachable", f"{where} does not answer", error  # type: ignore[assignment]
        except (OSError, asyncssh.Error) as error:
            code, why, cause = "SshUnreachable", f"{where} cannot be reached: {one_line(error)}", error  # type: ignore[assignment]
        else:
            return await _settled(endpoint, connection)
        if time.monotonic() + RETRY_S > deadline:
            raise _refusal(endpoint, code, f"{why} (tried for {deadline_s:.0f} s)") from cause
        await asyncio.sleep(RETRY_S)


async def _log_in(endpoint: Endpoint, private_key: str | None) -> asyncssh.SSHClientConnection:
    import asyncssh

    options: dict[str, Any] = {"keepalive_interval": KEEPALIVE_INTERVAL_S, "keepalive_count_max": KEEPALIVE_COUNT}
    if endpoint.host_keys:
        trusted = [asyncssh.import_public_key(line) for line in endpoint.host_keys]
        options["known_hosts"] = (trusted, [], [])
        options["server_host_key_algs"] = sorted({key.algorithm.decode() for key in trusted})
    if private_key is not None:
        options |= {"client_keys": [asyncssh.import_private_key(private_key)], "agent_path": None, "config": []}
    elif endpoint.identity_file:
        options["client_keys"] = [endpoint.identity_file]
    if endpoint.user:
        options["username"] = endpoint.user
    if endpoint.port:
        options["port"] = endpoint.port
    return await asyncssh.connect(endpoint.host, **options)


async def _settled(endpoint: Endpoint, connection: asyncssh.SSHClientConnection) -> SshTransport:
    transport = SshTransport(endpoint, connection)
    try:
        await transport.refresh()
    except BaseException:
        await transport.close()
        raise
    return transport


class SshTransport:
    """Implements `Transport`. Made by `connect`."""

    def __init__(self, endpoint: Endpoint, connection: asyncssh.SSHClientConnection) -> None:
        self.endpoint = endpoint
        self._connection = connection
        self._home = self._login_home = self._python = ""
        self._turns = asyncio.Semaphore(SESSIONS)
        self._why_lost = ""
        self._listening: asyncio.Task[None] | None = None
        sock = connection.get_extra_info("socket")
        if sock is not None and keep_asking(sock):
            self._listening = asyncio.get_running_loop().create_task(self._listen(sock), name="ssh-silence")
        else:  # a jump host, or no Linux
            connection.set_keepalive(JUMP_INTERVAL_S, JUMP_COUNT)

    async def _listen(self, sock: socket.socket) -> None:
        if await until_silent(sock):
            self._why_lost = f"nothing was heard of {self.endpoint.host} for {SILENCE_S:.0f} s"
            self._connection.abort()

    @property
    def home(self) -> str:
        """The instance's home directory: the login user's, or the one below it that the endpoint names."""
        return self._home

    @property
    def login_home(self) -> str:
        """The login user's home directory, where what instances of one machine share lies."""
        return self._login_home

    @property
    def python(self) -> str:
        """The interpreter of the environment that bootstrap made; "" until then."""
        return self._python

    async def refresh(self) -> None:
        """`home` and `python` are as the instance has them now. Raises ProviderError."""
        script = f'printf %s "$HOME"; echo; test -e "$HOME/{ENVIRONMENT}/complete" && printf %s "$HOME/{ENVIRONMENT}/bin/python" || true'
        done = await self.script(script, timeout_s=30)
        home, _, python = done.stdout.decode().partition("\n")
        if done.exit_code != 0 or not home.startswith("/"):
            raise self.error(
                "SshRefused",
                f"no shell answers on {self.endpoint.host}: {one_line(done.stderr.decode(errors='replace'))}",
            )
        self._login_home, self._python = home, python.strip()
        self._home = posixpath.join(home, self.endpoint.home) if self.endpoint.home else home

    async def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] = _NO_ENVIRONMENT, timeout_s: float = 60
    ) -> RunResult:
        """Run a command in the home to its end. Raises ProviderError ("SshTimeout", "SshLost")."""
        return await self.script(
            f"{self._enter()}{_exports(env)}exec {shlex.join(argv)} </dev/null", timeout_s=timeout_s, what=argv[0]
        )

    async def script(self, script: str, *, timeout_s: float = 60, what: str = "a script") -> RunResult:
        """Run a shell script, sent over standard input, to its end. Raises ProviderError."""
        # The shell reads all of it before it runs a line: a braced group is one command, and what it runs cannot eat the rest.
        return await self.feed("exec sh", f"{{\n{script}\nexit\n}}\n".encode(), timeout_s=timeout_s, what=what)

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str] = _NO_ENVIRONMENT, log: str) -> None:
        """The command runs on, in a session of its own, whatever becomes of this connection; its output is appended to `log`.

        Raises ProviderError.
        """
        path = posixpath.join(self._home, log)
        made = f"mkdir -p -m 0700 {shlex.quote(posixpath.dirname(path))} && "
        launched = f"{{ setsid {shlex.join(argv)} </dev/null >>{shlex.quote(path)} 2>&1 & }}"
        done = await self.script(f"{self._enter()}{_exports(env)}{made}{launched}", what=argv[0])
        if done.exit_code != 0:
            raise self.error("SshStart", f"{argv[0]} was not started: {one_line(done.stderr.decode(errors='replace'))}")

    def _enter(self) -> str:
        return f"mkdir -p -m 0700 {shlex.quote(self._home)} && cd {shlex.quote(self._home)} || exit 126\n"

    async def put(
        self, source: str, target: str, *, leave_out: LeaveOut | None = None, told: Told | None = None
    ) -> None:
        """What `source` holds stands at `target`; only what differs was sent. Raises ProviderError."""
        await SshCopy(self, told).put(source, target, leave_out)

    async def feed(self, command: str, data: bytes | int, *, timeout_s: float, what: str) -> RunResult:
        """Run a remote command, fed `data` (bytes, or a descriptor to read to its end). Raises ProviderError."""
        import asyncssh

        try:
            async with self._turns, asyncio.timeout(timeout_s):
                done = await self._in_turn(command, data)
        except TimeoutError as error:
            raise self.error("SshTimeout", f"{what} took more than {timeout_s:g} s on {self.endpoint.host}") from error
        except (OSError, asyncssh.Error) as error:
            raise self.error(
                "SshLost", f"the connection to {self.endpoint.host} was lost during {what}: {one_line(error)}"
            ) from error
        code = done.exit_status
        if code is None or code == -1:
            if done.exit_signal is None:
                raise self.error("SshLost", f"the connection to {self.endpoint.host} was lost during {what}")
            code = -_signal_number(done.exit_signal[0])
        return RunResult(exit_code=code, stdout=_as_bytes(done.stdout), stderr=_as_bytes(done.stderr))

    async def _in_turn(self, command: str, data: bytes | int) -> asyncssh.SSHCompletedProcess:
        """The command's end. A session that sshd refuses because it has not done with another's end yet has run nothing: it is asked for again."""
        import asyncssh

        while True:
            try:
                if isinstance(data, bytes):
                    return await self._connection.run(command, input=data, encoding=None, check=False)
                return await self._pipe(command, data)
            except asyncssh.ChannelOpenError as error:
                if error.reason != _TOO_MANY:
                    raise
            await asyncio.sleep(_TURN_S)

    async def _pipe(self, command: str, descriptor: int) -> asyncssh.SSHCompletedProcess:
        async with self._connection.create_process(command, encoding=None) as process:
            loop = asyncio.get_running_loop()
            try:
                while chunk := await loop.run_in_executor(None, os.read, descriptor, 1 << 18):
                    process.stdin.write(chunk)
                    await process.stdin.drain()
                process.stdin.write_eof()
            except (BrokenPipeError, ConnectionResetError):
                pass  # the command ended before it had read all: its exit status tells
            return await process.wait(check=False)

    async def open(self, socket_path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a unix socket on the instance. Raises OSError while nobody listens there, or when the connection is lost."""
        return await open_unix(self._connection, socket_path)

    async def wait_lost(self) -> str:
        """Why the connection was given up, once it has ended; "" when either side ended it."""
        await self._connection.wait_closed()
        return self._why_lost

    async def close(self) -> None:
        """The connection is gone; what was started detached runs on."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        self._connection.abort()
        await self._connection.wait_closed()

    def error(self, code: str, message: str) -> ProviderError:
        """A refusal in the name of the instance's cloud."""
        return _refusal(self.endpoint, code, message)


def _host_key_refusal(endpoint: Endpoint) -> ProviderError:
    if endpoint.host_keys:
        message = (
            f"{endpoint} showed a host key that is not the one this machine was given; somebody may be in between, and nothing was sent. "
            "If the machine was reinstalled, remove the old key and connect again"
        )
        return _refusal(endpoint, "HostKeyChanged", message)
    message = (
        f"the host key of {endpoint} is not in your known_hosts, or is another one there; nothing was sent. "
        f"Log in once with ssh and accept it, or give host_key for the machine; after a reinstallation: ssh-keygen -R {endpoint.host}"
    )
    return _refusal(endpoint, "HostKeyUnknown", message)


def _refusal(endpoint: Endpoint, code: str, message: str) -> ProviderError:
    return ProviderError(endpoint.cloud, code, message)


def _exports(env: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


def _signal_number(name: str) -> int:
    import signal

    return getattr(signal, f"SIG{name}", signal.SIGKILL).value


def _as_bytes(output: bytes | str | None) -> bytes:
    return output.encode() if isinstance(output, str) else output or b""


def one_line(what: object) -> str:
    """An outside message on one line, at most 400 characters."""
    return " ".join(str(what).split())[:400]
