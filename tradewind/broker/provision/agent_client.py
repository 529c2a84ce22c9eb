"""The broker's side of a connection to an agent: orders with answers, its events, a job's log."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator

import msgspec

from tradewind.agent.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    PROTOCOL_VERSION,
    AgentEvent,
    Answer,
    Call,
    Hello,
    Item,
    LogChunk,
    LogEnd,
    Order,
    ReadLog,
    Refused,
    Reply,
    StopStream,
    Subscribe,
    Welcome,
    decode_answer,
    encode_frame,
)


class AgentError(Exception):
    """Talking to an agent failed. Leaves: `AgentRefused` (it answered no), `AgentGone` (it did not answer)."""


class AgentRefused(AgentError):  # noqa: N818  the fact it states, as the wire names it
    """The agent did not carry out the order: `message` says why, `kind` is "version", "request", "state" or "internal"."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message, kind)
        self.message, self.kind = message, kind

    def __str__(self) -> str:
        return self.message


class AgentGone(AgentError):  # noqa: N818  the fact it states
    """The connection ended: the agent or its instance died, or the network between did."""


class AgentClient:
    """Any number of concurrent calls over one connection. Made inside a running event loop; `close` ends it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Item | Reply | None]] = {}
        self._why_gone: str | None = None
        self._pump = asyncio.create_task(self._receive(), name="agent-client")

    async def hello(self, tradewind_version: str) -> Welcome:
        """The first call of every connection. Raises AgentRefused of kind "version" when the agent speaks another protocol."""
        answer = await self.call(Hello(PROTOCOL_VERSION, tradewind_version))
        if not isinstance(answer, Welcome):
            raise AgentRefused(f"the agent answered a greeting with {type(answer).__name__}", "internal")
        return answer

    async def call(self, order: Order) -> Answer:
        """The agent's answer to one order, never `Refused`.

        Raises:
            AgentRefused: the agent said no.
            AgentGone: the connection ended before it answered.
        """
        call_id, answers = self._send(order)
        try:
            frame = await answers.get()
        finally:
            del self._waiting[call_id]
        return self._answer_of(frame)

    async def subscribe(self, after_seq: int = 0) -> AsyncGenerator[AgentEvent, None]:
        """Every event after `after_seq`, those to come included, until the connection ends (AgentGone)."""
        async with contextlib.aclosing(self._stream(Subscribe(after_seq))) as bodies:
            async for body in bodies:
                if isinstance(body, AgentEvent):
                    yield body

    async def read_log(self, job_id: str, *, offset: int = 0, follow: bool = False) -> AsyncGenerator[bytes, None]:
        """The job's log from byte `offset`; with `follow` until the job has ended. Holds about 1 MiB however slowly it is read.

        Raises:
            AgentRefused: the agent knows no such job (kind "state").
            AgentGone: the connection ended; what was yielded is right, and reading goes on from that offset later.
        """
        while True:
            end: LogEnd | None = None
            async with contextlib.aclosing(self._stream(ReadLog(job_id, offset, follow))) as bodies:
                async for body in bodies:
                    if isinstance(body, LogChunk):
                        offset = body.offset + len(body.data)
                        yield body.data
                    elif isinstance(body, LogEnd):
                        end = body
            if end is None or end.ended:
                return

    async def wait_gone(self) -> str:
        """Return, as soon as the connection has ended, why it did."""
        await asyncio.wait([self._pump])
        return self._why_gone or "the connection was closed"

    async def close(self) -> None:
        """End the connection; every call still waiting raises AgentGone."""
        self._pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _send(self, order: Order) -> tuple[int, asyncio.Queue[Item | Reply | None]]:
        if self._why_gone is not None:
            raise AgentGone(self._why_gone)
        call_id = next(self._ids)
        frame = encode_frame(Call(call_id, order))
        self._waiting[call_id] = asyncio.Queue()
        self._writer.write(frame)
        return call_id, self._waiting[call_id]

    async def _stream(self, order: Order) -> AsyncGenerator[LogChunk | AgentEvent | LogEnd, None]:
        call_id, answers = self._send(order)
        ended = False
        try:
            while not ended:
                frame = await answers.get()
                if isinstance(frame, Item):
                    yield frame.body
                else:
                    ended = True
                    answer = self._answer_of(frame)
                    if isinstance(answer, LogEnd):
                        yield answer
        finally:
            del self._waiting[call_id]
            if not ended and self._why_gone is None:
                self._writer.write(encode_frame(Call(next(self._ids), StopStream(call_id))))

    def _answer_of(self, frame: Item | Reply | None) -> Answer:
        if not isinstance(frame, Reply):
            raise AgentGone(self._why_gone or "the connection was closed")
        if isinstance(frame.answer, Refused):
            raise AgentRefused(frame.answer.message, frame.answer.kind)
        return frame.answer

    async def _receive(self) -> None:
        why = "the connection was closed"
        try:
            while True:
                (size,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                if size > MAX_FRAME_BYTES:
                    why = f"the agent sent a frame of {size} bytes, over the limit of {MAX_FRAME_BYTES}"
                    return
                frame = decode_answer(await self._reader.readexactly(size))
                if (answers := self._waiting.get(frame.id)) is not None:
                    answers.put_nowait(frame)
        except asyncio.IncompleteReadError:
            why = "the agent's connection ended: its process or its instance died"
        except OSError as error:
            why = f"the agent's connection broke: {error}"
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why = f"the agent sent what is not the protocol: {error}"
        finally:
            self._why_gone = why
            for answers in self._waiting.values():
                answers.put_nowait(None)
