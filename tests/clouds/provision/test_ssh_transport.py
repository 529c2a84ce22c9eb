"""Commands, sockets and losses over a real sshd."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from clouds.lab.sshd import Sshd
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.ssh_sessions import other_sessions
from tradewind.broker.provision.ssh_silence import SILENCE_S
from tradewind.broker.provision.ssh_transport import SshTransport, connect


@contextlib.asynccontextmanager
async def connected(sshd: Sshd, keys: KeyRing) -> AsyncIterator[SshTransport]:
    transport = await connect(sshd.endpoint(), keys.login().private, deadline_s=15)
    try:
        yield transport
    finally:
        await transport.close()


def test_runs_commands_with_their_environment(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            assert transport.home == str(sshd.home)
            assert transport.python == ""
            done = await transport.run(
                ["sh", "-c", 'printf "%s|%s" "$SECRET" "$1"; pwd >&2; exit 7', "sh", "it's"], env={"SECRET": "a b'c\n"}
            )
            assert done.exit_code == 7
            assert done.stdout == b"a b'c\n|it's"
            assert done.stderr.strip() == os.fsencode(sshd.home)
            assert (await transport.run(["sh", "-c", "kill -9 $$"])).exit_code in {-9, 137}
            assert (await transport.run(["cat"])).stdout == b""
            assert (await transport.run(["no-such-command"])).exit_code == 127

    asyncio.run(scenario())


def test_no_value_stands_in_any_argv(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            done = await transport.run(
                ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"], env={"TOKEN": "hush-hush-123"}
            )
            assert b"sshd" in done.stdout
            assert b"hush-hush-123" not in done.stdout

    asyncio.run(scenario())


def test_what_takes_too_long_is_named(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            with pytest.raises(ProviderError, match="took more than") as caught:
                await transport.run(["sleep", "30"], timeout_s=0.3)
            assert caught.value.code == "SshTimeout"

    asyncio.run(scenario())


def test_what_was_started_outlives_the_connection(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            await transport.start(
                ["sh", "-c", 'echo "$WORD"; echo $$; exec sleep 60'], env={"WORD": "on"}, log="logs/it.log"
            )
        log = sshd.home / "logs" / "it.log"
        deadline = time.monotonic() + 10
        while log.read_text().count("\n") < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        word, pid = log.read_text().split()
        assert word == "on"
        os.kill(int(pid), signal.SIGKILL)  # it was alive

    asyncio.run(scenario())


def test_streams_to_a_unix_socket(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        path = str(sshd.home / "echo.sock")

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(echo, path)
        async with server, connected(sshd, keys) as transport:
            with pytest.raises(OSError, match="nobody listens"):
                await transport.open(str(sshd.home / "none.sock"))
            reader, writer = await transport.open(path)
            sent = os.urandom(3 << 20)

            async def write() -> None:
                for at in range(0, len(sent), 1 << 18):
                    writer.write(sent[at : at + (1 << 18)])
                    await writer.drain()
                writer.write_eof()

            writing = asyncio.create_task(write())
            assert await reader.readexactly(len(sent)) == sent
            assert await reader.read() == b""
            await writing
            writer.close()
            await writer.wait_closed()

    asyncio.run(scenario())


def test_another_host_key_is_refused_at_once(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        started = time.monotonic()
        with pytest.raises(ProviderError, match="host key") as caught:
            await connect(sshd.endpoint(keys.host("another").public), keys.login().private, deadline_s=30)
        assert caught.value.code == "HostKeyChanged"
        assert time.monotonic() - started < 10

    asyncio.run(scenario())


def test_a_wrong_login_key_is_named(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        with pytest.raises(ProviderError, match="did not accept our key") as caught:
            await connect(sshd.endpoint(), keys.host("another").private, deadline_s=1)
        assert caught.value.code == "SshRefused"

    asyncio.run(scenario())


def test_an_sshd_that_comes_late_is_waited_for_and_one_that_never_comes_is_named(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        sshd.stop()
        with pytest.raises(ProviderError, match="cannot be reached") as caught:
            await connect(sshd.endpoint(), keys.login().private, deadline_s=0.6)
        assert caught.value.code == "SshUnreachable"
        connecting = asyncio.create_task(connect(sshd.endpoint(), keys.login().private, deadline_s=15))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(sshd.start)
        await (await connecting).close()

    asyncio.run(scenario())


def test_a_killed_instance_is_noticed_at_once(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            lost = asyncio.create_task(transport.wait_lost())
            started = time.monotonic()
            await asyncio.to_thread(sshd.stop)
            await asyncio.wait_for(lost, 5)
            assert time.monotonic() - started < 1.0
            with pytest.raises(ProviderError, match="lost"):
                await transport.run(["true"])
            with pytest.raises(OSError):
                await transport.open(str(sshd.home / "any.sock"))

    asyncio.run(scenario())


def test_a_machine_that_is_too_busy_to_answer_is_not_lost(sshd: Sshd, keys: KeyRing) -> None:
    """Its kernel answers ours, and that is what a connection lives by: a cut is another matter (see the lab's own tests)."""

    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            lost = asyncio.create_task(transport.wait_lost())
            await transport.run(["true"])
            sshd.freeze()
            sent = bytes(1 << 25)  # more than fits on the way, so that its kernel says that nobody takes it
            sending = asyncio.create_task(transport.feed("wc -c", sent, timeout_s=60, what="wc"))
            await asyncio.wait([lost], timeout=2 * SILENCE_S)
            assert not lost.done()
            sshd.freeze(frozen=False)
            assert int((await sending).stdout) == len(sent)
            lost.cancel()

    asyncio.run(scenario())


def test_who_else_is_logged_in_is_counted(sshd: Sshd, keys: KeyRing) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as ours:
            assert await other_sessions(ours) == 0
            async with connected(sshd, keys), connected(sshd, keys):
                assert await other_sessions(ours) == 2
            async with asyncio.timeout(30):
                while await other_sessions(ours):  # noqa: ASYNC110  the kernel closes connections in its own time
                    await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_more_commands_at_once_than_sshd_allows_take_turns(sshd: Sshd, keys: KeyRing) -> None:
    config = sshd.directory / "sshd_config"
    config.write_text(config.read_text().replace("MaxSessions 100", "MaxSessions 10"))  # its default
    sshd.stop()
    sshd.start()

    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            done = await asyncio.gather(*(transport.run(["sh", "-c", f"sleep 0.05; echo {n}"]) for n in range(30)))
            assert [int(one.stdout) for one in done] == list(range(30))

    asyncio.run(scenario())
