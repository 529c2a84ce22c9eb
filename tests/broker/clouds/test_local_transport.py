"""Commands, files and sockets of a local instance."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import pytest

from tradewind.broker.provider import ProviderError


def content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def test_run(provider, ask, run):
    async def scenario():
        transport = await provider.connect(await provider.launch(ask(), "t"))
        result = await transport.run(["bash", "-c", "pwd; echo $X; echo bad >&2; exit 3"], env={"X": "y"})
        assert result.exit_code == 3
        assert result.stdout == f"{transport.home}\ny\n".encode()
        assert result.stderr == b"bad\n"
        assert (await transport.run(["bash", "-c", "kill -9 $$"])).exit_code == -9
        missing = await transport.run(["no-such-program"])
        assert missing.exit_code == 127
        assert b"no-such-program" in missing.stderr
        big = await transport.run(["head", "-c", "3000000", "/dev/zero"])
        assert len(big.stdout) == 3_000_000
        many = await asyncio.gather(*(transport.run(["echo", str(n)]) for n in range(20)))
        assert [int(one.stdout) for one in many] == list(range(20))

    run(scenario())


def test_what_takes_too_long_is_killed(best_provider, ask, run):
    own = f"1000.{os.getpid()}"  # nobody else's sleep: without namespaces an instance sees them all

    async def scenario():
        transport = await best_provider.connect(await best_provider.launch(ask(), "t"))
        with pytest.raises(ProviderError, match=r"more than 0\.2 s"):
            await transport.run(["bash", "-c", f"sleep {own}; true"], timeout_s=0.2)
        deadline = time.monotonic() + 5
        while own.encode() in (await transport.run(["ps", "ax", "-o", "args"])).stdout:
            assert time.monotonic() < deadline

    run(scenario())


def test_start_outlives_its_connection(best_provider, ask, run):
    async def scenario():
        instance = await best_provider.launch(ask(), "t")
        transport = await best_provider.connect(instance)
        await transport.start(["bash", "-c", "echo one; read -t 0.2 < <(sleep 1); echo two"], log="logs/x.log")
        await transport.close()
        path = os.path.join(transport.home, "logs/x.log")
        deadline = time.monotonic() + 5
        while content(path) != "one\ntwo\n":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        with pytest.raises(ProviderError, match="could not do it"):
            await transport.start(["no-such-program"], log="y.log")

    run(scenario())


def test_after_the_end_everything_says_so(best_provider, ask, run):
    async def scenario():
        instance = await best_provider.launch(ask(), "t")
        transport = await best_provider.connect(instance)
        running = asyncio.create_task(transport.run(["sleep", "1000"]))
        await asyncio.sleep(0.1)
        await best_provider.reclaim_at("i-one", 0)
        with pytest.raises(ProviderError, match="ended while sleep ran"):
            await running
        await best_provider.watch(instance)
        with pytest.raises(ProviderError, match="reclaimed by the rehearsed spot market"):
            await transport.run(["true"])
        with pytest.raises(ProviderError, match="does not run"):
            await transport.start(["true"], log="x")

    run(scenario())


def test_sockets_of_any_length_of_path(best_provider, ask, run):
    async def scenario():
        transport = await best_provider.connect(await best_provider.launch(ask(), "t"))
        folder = os.path.join(transport.home, "d" * 120)
        os.mkdir(folder)
        with socket.socket(socket.AF_UNIX) as listener:
            fd = os.open(folder, os.O_PATH)
            listener.bind(f"/proc/self/fd/{fd}/s")
            os.close(fd)
            listener.listen()
            _, writer = await transport.open(os.path.join(folder, "s"))
            peer, _ = listener.accept()
            peer.close()
            writer.close()
            await writer.wait_closed()
        with pytest.raises(OSError):
            await transport.open(os.path.join(folder, "none"))

    run(scenario())


def test_the_host_survives_nonsense(best_provider, ask, run):
    async def scenario():
        transport = await best_provider.connect(await best_provider.launch(ask(), "t"))
        path = os.path.join(os.path.dirname(transport.home), "host.sock")
        for garbage in (
            b"", b"\n", b"{}\n", b"[]\n", b"null\n", b'{"op": "run", "argv": []}\n', b'{"op": "start", "argv": 3}\n',
            b'{"op": "start", "argv": ["true"], "log": "/no/such/place"}\n', b"\xff" * 100_000 + b"\n", b'{"op": 1}\n',
            b'{"op": "reclaim", "at_unix": "soon"}\n', b'{"op": "run", "argv": ["true"]}\n',
        ):  # fmt: skip
            reader, writer = await transport.open(path)
            writer.write(garbage)
            writer.write_eof()
            await reader.read()
            writer.close()
        assert (await transport.run(["echo", "still here"])).stdout == b"still here\n"

    run(scenario())
