"""The agent's door: who may enter, what is understood, and that nonsense harms nobody."""

from __future__ import annotations

import asyncio
import os
import random
import stat
import subprocess
import sys
import time

import pytest

from tradewind.agent.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    Call,
    Hello,
    ListJobs,
    Refused,
    Reply,
    StartJob,
    agent_socket_path,
    decode_answer,
    encode_frame,
)
from tradewind.broker.clouds.local.host_client import connect_unix
from tradewind.broker.provision.agent_client import AgentClient, AgentGone, AgentRefused

NOBODY = 65534


def test_it_listens_soon(agent, run):
    async def scenario():
        ratios = []
        for _ in range(5):
            agent.kill()
            before = time.monotonic()
            bare = await asyncio.create_subprocess_exec(sys.executable, "-P", "-c", "import asyncio, msgspec")
            await bare.wait()
            between = time.monotonic()
            agent.start()
            client = await agent.connect(configure=False)
            ratios.append((time.monotonic() - between) / (between - before))
            await client.close()
        assert min(ratios) < 3, ratios  # 1.3 on a quiet machine: little beyond the libraries themselves

    run(scenario())


def test_the_door_is_closed_to_others(agent, connected, run):
    async def scenario():
        async with connected():
            path = agent_socket_path(agent.home)
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700

    run(scenario())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a stranger")
def test_a_stranger_is_refused_even_with_the_socket_open(agent, connected, run):
    path = agent_socket_path(agent.home)
    program = f"""
import os, socket, sys
directory = os.open({os.path.dirname(path)!r}, os.O_PATH)
os.setuid({NOBODY})
s = socket.socket(socket.AF_UNIX)
s.connect(f"/proc/self/fd/{{directory}}/agent.sock")
s.sendall(bytes.fromhex({encode_frame(Call(1, Hello(1, "x"))).hex()!r}))
sys.exit(0 if s.recv(100) == b"" else 1)
"""

    async def scenario():
        async with connected() as client:
            os.chmod(path, 0o666)
            os.chmod(os.path.dirname(path), 0o755)
            stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=subprocess.PIPE)
            _, said = await stranger.communicate()
            assert stranger.returncode == 0 or b"ConnectionReset" in said or b"BrokenPipe" in said, said
            assert f"refused a connection from user {NOBODY}" in agent.said()
            await client.call(ListJobs())

    run(scenario())


def test_versions_must_agree(agent, run):
    async def scenario():
        client = await agent.connect(configure=False)
        with pytest.raises(AgentRefused, match=r"speaks protocol 1, the broker \(tradewind 9\.9\) speaks 99") as caught:
            await client.call(Hello(99, "9.9"))
        assert caught.value.kind == "version"
        await client.close()
        client = AgentClient(*await connect_unix(agent_socket_path(agent.home)))
        with pytest.raises(AgentRefused, match="say Hello first"):
            await client.call(ListJobs())
        await client.close()

    run(scenario())


async def say(agent, data: bytes) -> bytes:
    """Whatever the agent answers before it hangs up, or within a moment."""
    reader, writer = await connect_unix(agent_socket_path(agent.home))
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_nonsense_ends_its_own_connection_only(agent, connected, run):
    chance = random.Random(7)
    good = encode_frame(Call(1, Hello(1, "x"))) + encode_frame(Call(2, StartJob("1-1", "run", "true")))
    garbage = [
        b"", b"\0", b"\0\0\0\0", HEADER.pack(MAX_FRAME_BYTES + 1), HEADER.pack(MAX_FRAME_BYTES) + b"x",
        HEADER.pack(2**32 - 1), HEADER.pack(3) + b"\xc1\xc1\xc1", b"GET / HTTP/1.1\r\n\r\n",
    ]  # fmt: skip
    garbage += [chance.randbytes(chance.randrange(200)) for _ in range(60)]
    for _ in range(150):
        bent = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            bent[chance.randrange(len(bent))] = chance.randrange(256)
        garbage.append(bytes(bent))
    garbage += [good[:cut] for cut in range(0, len(good), 3)]

    async def scenario():
        async with connected() as client:
            await asyncio.gather(*(say(agent, one) for one in garbage))
            await client.call(ListJobs())
            too_long = await say(agent, HEADER.pack(MAX_FRAME_BYTES + 1))
            answer = decode_answer(too_long[HEADER.size :])
            assert isinstance(answer, Reply)
            assert isinstance(answer.answer, Refused)
            assert "over the limit" in answer.answer.message

    run(scenario())


def test_a_second_agent_leaves_the_first_alone(agent, connected, run):
    async def scenario():
        async with connected() as client:
            argv = [sys.executable, "-P", "-m", "tradewind.agent", "--home", agent.home]
            second = await asyncio.create_subprocess_exec(*argv, stderr=subprocess.PIPE)
            _, said = await second.communicate()
            assert second.returncode == 3
            assert b"another agent serves" in said
            assert b"Traceback" not in said
            await client.call(ListJobs())

    run(scenario())


def test_a_caller_hears_that_the_agent_is_gone(agent, connected, run):
    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", "sleep 1000"))
            waiting = [
                asyncio.create_task(anext(client.subscribe(10))),
                asyncio.create_task(anext(client.read_log("1-1", follow=True))),
            ]
            await asyncio.sleep(0.05)
            agent.kill()
            for one in waiting:
                with pytest.raises(AgentGone):
                    await one
            assert "its process or its instance died" in await client.wait_gone()
            with pytest.raises(AgentGone):
                await client.call(ListJobs())

    run(scenario())
