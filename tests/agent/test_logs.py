"""Logs: soon, whole, and never piled up."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.agent import logs
from tradewind.agent.protocol import StartJob
from tradewind.broker.provision.agent_client import AgentRefused


def test_a_line_is_pushed_within_a_moment(connected, run):
    script = "for i in 1 2 3 4 5 6 7 8; do date +%s.%N; sleep 0.15; done"

    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", script))
            delays = [
                time.time() - float(line)
                async for piece in client.read_log("1-1", follow=True)
                for line in piece.decode().split()
            ]
            assert len(delays) == 8
            assert sorted(delays)[3] < 0.1  # the median: a busy machine delays single ones

    run(scenario())


def test_reading_from_an_offset_and_without_following(connected, end_of, run):
    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", "echo 0123456789; sleep 1000"))
            async for _ in client.read_log("1-1", follow=True):
                break
            assert [piece async for piece in client.read_log("1-1", offset=4)] == [b"456789\n"]
            assert [piece async for piece in client.read_log("1-1", offset=400)] == []
            with pytest.raises(AgentRefused, match="no job 9-9"):
                [piece async for piece in client.read_log("9-9")]

    run(scenario())


def test_a_hundred_megabytes_without_a_newline(connected, end_of, run, agent):
    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", "head -c 100000000 /dev/urandom; exit 1"))
            ended = await end_of(client, "1-1")
            assert len(ended.last_lines.encode()) <= 2048
            total = 0
            async for piece in client.read_log("1-1", follow=True):
                total += len(piece)
            assert total == 100_000_000
            assert agent.peak_mib() < 100, "the agent held the log in memory"

    run(scenario())


def test_a_reader_that_stops_reading_holds_nothing_up(connected, end_of, run):
    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", "head -c 30000000 /dev/zero"))
            pieces = client.read_log("1-1", follow=True)
            await anext(pieces)
            assert (await end_of(client, "1-1")).state == "SUCCEEDED"  # on the same connection
            held = sum(queue.qsize() for queue in client._waiting.values())
            assert held <= 6
            total = sum([len(piece) async for piece in pieces])
            assert total > 0
            gone = client.read_log("1-1", follow=True)
            await anext(gone)
            await gone.aclose()
            await end_of(client, "1-1")
            assert client._waiting == {}

    run(scenario())


@given(st.binary(max_size=6000))
def test_last_lines_is_text_of_at_most_two_kibibytes(content):
    path = f"/tmp/tradewind-test-{os.getpid()}.log"
    try:
        with open(path, "wb") as file:
            file.write(content)
        tail = logs.last_lines(path)
    finally:
        os.unlink(path)
    assert len(tail.encode()) <= 2048
    if content.isascii() and len(content) <= 2048:
        assert tail == content.decode().strip("\n")


def test_the_end_of_what_is_there(tmp_path):
    path = tmp_path / "log"
    assert logs.last_lines(str(path)) == ""
    path.write_text("".join(f"line {n}\n" for n in range(1000)))
    tail = logs.last_lines(str(path))
    assert tail.endswith("line 999")
    assert tail.startswith("line ")
    assert 1900 < len(tail) <= 2048


def test_pieces_follow_the_file(tmp_path, run):
    path = tmp_path / "log"
    over = False

    async def scenario():
        nonlocal over
        pieces = logs.read_log(str(path), offset=0, max_bytes=1 << 20, follow=True, ended=lambda: over)
        first = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0.01)
        path.write_bytes(b"abc")
        chunk = await first
        assert (chunk.offset, chunk.data) == (0, b"abc")
        path.write_bytes(b"abcdef")
        over = True
        assert [(c.offset, c.data) async for c in pieces] == [(3, b"def")]

    run(scenario())
