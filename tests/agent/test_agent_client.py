"""The broker's client against a scripted agent: what it does when the other side is wrong or gone."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket

import pytest

from tradewind.agent.protocol import (
    HEADER,
    AgentEvent,
    Done,
    Item,
    LeaseExpired,
    ListJobs,
    LogChunk,
    LogEnd,
    ReadLog,
    Refused,
    Reply,
    StopStream,
    decode_call,
    encode_frame,
)
from tradewind.broker.provision.agent_client import AgentClient, AgentGone, AgentRefused


class ScriptedAgent:
    """The other end: it hears orders and says whatever a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def heard(self):
        (size,) = HEADER.unpack(await self.reader.readexactly(HEADER.size))
        return decode_call(await self.reader.readexactly(size))

    def say(self, *frames) -> None:
        for frame in frames:
            self.writer.write(frame if isinstance(frame, bytes) else encode_frame(frame))


@contextlib.asynccontextmanager
async def pair():
    one, two = socket.socketpair()
    client = AgentClient(*await asyncio.open_unix_connection(sock=one))
    agent = ScriptedAgent(*await asyncio.open_unix_connection(sock=two))
    try:
        yield client, agent
    finally:
        await client.close()
        agent.writer.close()
        with contextlib.suppress(OSError):
            await agent.writer.wait_closed()


def test_answers_find_their_calls_in_any_order(run):
    async def scenario():
        async with pair() as (client, agent):
            calls = [asyncio.create_task(client.call(ListJobs())) for _ in range(3)]
            ids = [(await agent.heard()).id for _ in calls]
            for number in reversed(ids):
                agent.say(Reply(number, Refused(f"no {number}", "state")))
            for number, call in zip(ids, calls, strict=True):
                with pytest.raises(AgentRefused, match=f"no {number}"):
                    await call

    run(scenario())


@pytest.mark.parametrize(
    ("garbage", "why"),
    [
        (HEADER.pack(3) + b"\xc1\xc1\xc1", "not the protocol"),
        (HEADER.pack(2**32 - 1), "over the limit"),
        (HEADER.pack(9) + b"abc", "died"),
    ],
)
def test_an_agent_that_speaks_nonsense_is_gone(run, garbage, why):
    async def scenario():
        async with pair() as (client, agent):
            call = asyncio.create_task(client.call(ListJobs()))
            await agent.heard()
            agent.say(garbage)
            agent.writer.write_eof()
            with pytest.raises(AgentGone, match=why):
                await call
            with pytest.raises(AgentGone, match=why):
                await anext(client.subscribe())

    run(scenario())


def test_a_late_or_unknown_answer_is_passed_over(run):
    async def scenario():
        async with pair() as (client, agent):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.call(ListJobs()), 0.02)
            late = (await agent.heard()).id
            agent.say(Reply(late, Done()), Reply(999, Done()), Item(998, LogChunk(0, b"x")))
            call = asyncio.create_task(client.call(ListJobs()))
            agent.say(Reply((await agent.heard()).id, Done()))
            assert await call == Done()

    run(scenario())


def test_a_log_is_asked_for_piece_by_piece(run):
    async def scenario():
        async with pair() as (client, agent):
            pieces = client.read_log("1-1", offset=5, follow=True)
            first = asyncio.create_task(anext(pieces))
            call = await agent.heard()
            assert call.order == ReadLog("1-1", 5, follow=True)
            agent.say(Item(call.id, LogChunk(5, b"abc")), Reply(call.id, LogEnd(8, ended=False)))
            assert await first == b"abc"
            second = asyncio.create_task(anext(pieces))
            call = await agent.heard()
            assert call.order == ReadLog("1-1", 8, follow=True)
            agent.say(Item(call.id, LogChunk(8, b"d")), Reply(call.id, LogEnd(9, ended=True)))
            assert await second == b"d"
            assert [piece async for piece in pieces] == []

    run(scenario())


def test_a_stream_that_is_left_is_stopped(run):
    async def scenario():
        async with pair() as (client, agent):
            events = client.subscribe(3)
            first = asyncio.create_task(anext(events))
            call = await agent.heard()
            event = AgentEvent(4, 1.0, LeaseExpired())
            agent.say(Item(call.id, event))
            assert await first == event
            await events.aclose()
            assert (await agent.heard()).order == StopStream(call.id)

    run(scenario())


def test_closing_ends_every_wait(run):
    async def scenario():
        async with pair() as (client, agent):
            call = asyncio.create_task(client.call(ListJobs()))
            await agent.heard()
            await client.close()
            with pytest.raises(AgentGone, match="closed"):
                await call
            assert await client.wait_gone() == "the connection was closed"

    run(scenario())


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(AgentRefused("no", "state")))
    assert (str(error), error.kind) == ("no", "state")
