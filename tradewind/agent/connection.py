"""One connection of a broker to the agent: frames in, concurrent calls, frames out."""

from __future__ import annotations

import asyncio

import msgspec

from tradewind.agent.agent import Agent
from tradewind.agent.errors import RefusalError
from tradewind.agent.logs import read_log
from tradewind.agent.own_log import note
from tradewind.agent.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    Answer,
    Call,
    Done,
    Hello,
    Item,
    LogEnd,
    ReadLog,
    Refused,
    Reply,
    StopStream,
    Subscribe,
    decode_call,
    encode_frame,
)
from tradewind.agent.room import is_out_of_room


class Connection:
    """Serves one peer until it hangs up or says what is not the protocol. Nothing that a peer sends ends more than its own connection."""

    def __init__(self, agent: Agent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._agent = agent
        self._reader, self._writer = reader, writer
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._greeted = False

    async def serve(self) -> None:
        """Answer calls until the connection ends; orders under way are finished, streams are not."""
        streams: list[asyncio.Task[None]] = []
        try:
            while True:
                (size,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                if size > MAX_FRAME_BYTES:
                    self._refuse(0, f"a frame of {size} bytes is over the limit of {MAX_FRAME_BYTES}")
                    return
                body = await self._reader.readexactly(size)
                try:
                    call = decode_call(body)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    self._refuse(0, f"that is not a call of this protocol: {error}")
                    return
                self._begin(call)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the peer hung up
        finally:
            streams = [task for task in self._calls.values() if task.get_name() == "stream"]
            for task in streams:
                task.cancel()
            if streams:
                await asyncio.wait(streams)
            self._writer.close()

    def _begin(self, call: Call) -> None:
        order = call.order
        if not self._greeted and not isinstance(order, Hello):
            self._refuse(call.id, "say Hello first", kind="version")
        elif isinstance(order, StopStream):
            task = self._calls.get(order.call_id)
            if task is not None and task.get_name() == "stream":
                task.cancel()
            self._reply(call.id, Done())
        elif call.id in self._calls:
            self._refuse(call.id, f"call {call.id} is still under way")
        else:
            is_stream = isinstance(order, Subscribe | ReadLog)
            task = asyncio.create_task(self._answer(call), name="stream" if is_stream else "order")
            self._calls[call.id] = task
            task.add_done_callback(lambda _: self._calls.pop(call.id, None))

    async def _answer(self, call: Call) -> None:
        try:
            if isinstance(call.order, Subscribe):
                await self._stream_events(call.id, call.order)
                return
            answer: Answer
            if isinstance(call.order, ReadLog):
                answer = await self._stream_log(call.id, call.order)
            else:
                answer = await self._agent.carry_out(call.order)
                self._greeted = self._greeted or isinstance(call.order, Hello)
            self._reply(call.id, answer)
        except RefusalError as refusal:
            self._refuse(call.id, refusal.message, kind=refusal.kind)
        except ConnectionError:
            pass  # the peer hung up while it was told
        except Exception as error:  # a fault of ours must not end the agent, and the broker must hear of it
            note(f"{type(call.order).__name__}: {error!r}")
            kind = "room" if is_out_of_room(error) else "internal"
            self._refuse(call.id, f"the agent failed at {type(call.order).__name__}: {error!r}", kind=kind)

    async def _stream_events(self, call_id: int, order: Subscribe) -> None:
        seq = max(0, order.after_seq)
        while True:
            await self._agent.events_after(seq)
            for event in self._agent.events.events[seq:]:
                self._writer.write(encode_frame(Item(call_id, event)))
                seq = event.seq
            await self._writer.drain()

    async def _stream_log(self, call_id: int, order: ReadLog) -> LogEnd:
        jobs = self._agent.jobs
        path = jobs.log_path(order.job_id)
        if not jobs.is_known(order.job_id):
            raise RefusalError(f"there is no job {order.job_id} here", "state")
        offset = max(0, order.offset)
        limit = offset + max(1, order.max_bytes)
        async for chunk in read_log(
            path,
            offset=offset,
            max_bytes=limit - offset,
            follow=order.follow,
            ended=lambda: jobs.is_over(order.job_id),
        ):
            self._writer.write(encode_frame(Item(call_id, chunk)))
            await self._writer.drain()
            offset = chunk.offset + len(chunk.data)
        return LogEnd(offset, ended=offset < limit)

    def _refuse(self, call_id: int, message: str, *, kind: str = "request") -> None:
        self._reply(call_id, Refused(message, kind))  # type: ignore[arg-type]

    def _reply(self, call_id: int, answer: Answer) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode_frame(Reply(call_id, answer)))
