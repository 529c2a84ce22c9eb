"""Silence is told apart from a reader that takes its time, and from a connection that ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import pytest

from tradewind.broker.provision import ssh_silence, watch
from tradewind.broker.provision.ssh_silence import SILENCE_S, keep_asking, silent_for_s, until_silent


def info(*, heard_ms: int, acknowledged_ms: int, unacked: int = 0, backoff: int = 0) -> bytes:
    return struct.pack("8B13I", 1, 0, 0, 0, backoff, 0, 0, 0, 0, 0, 0, 0, unacked, 0, 0, 0, 0, 0, 0, heard_ms, acknowledged_ms)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "silent_s"),
    [
        (info(heard_ms=2500, acknowledged_ms=400), 0.4),
        (info(heard_ms=200, acknowledged_ms=9000), 0.2),
        (info(heard_ms=3100, acknowledged_ms=3200), 3.1),
        (info(heard_ms=3100, acknowledged_ms=3200, unacked=4, backoff=3), 3.1),
        (info(heard_ms=9000, acknowledged_ms=8000, backoff=5), 0.0),
    ],
    ids=["confirmed", "heard", "silent", "silent under what was sent", "its reader takes nothing now"],
)
def test_how_long_it_was_silent(told: bytes, silent_s: float) -> None:
    assert silent_for_s(told) == silent_s


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        return ours, server.accept()[0]


def test_a_reader_that_takes_nothing_is_heard_all_the_same() -> None:
    ours, theirs = pair()
    with ours, theirs:
        assert keep_asking(ours)
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while ours.send(bytes(1 << 16)):
                pass

        async def scenario() -> None:
            listening = asyncio.create_task(until_silent(ours))
            done, _ = await asyncio.wait([listening], timeout=3 * SILENCE_S)  # its kernel is asked ever more rarely
            assert not done
            listening.cancel()

        asyncio.run(scenario())


def test_silence_is_told_and_so_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_silence, "SILENCE_S", 0.2)
    ours, theirs = pair()  # no question goes out, so that no answer comes: as good as a cut
    with theirs:
        assert asyncio.run(until_silent(ours)) is True
        ours.close()
        assert asyncio.run(until_silent(ours)) is False


def test_a_cut_is_told_within_five_seconds_by_the_sum_of_its_stages() -> None:
    """Silence, a settling moment and the cloud's word; what is left of the five seconds is for a machine that lags."""
    assert SILENCE_S + watch.DEATH_SETTLES_S + watch.CLOUD_WORD_S <= 4.5
