"""Jobs' output as the daemon keeps it: one log of chunks a job, each with the rank it came from, in order of arrival.

One log is both views: a rank's own bytes, and all ranks' lines merged, where every line bears the rank's name once there is more than one
node. It lies in parts (`log_segments`); a torn last chunk is cut off when the log is opened for appending, and its bytes are fetched again
from the agent.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from tradewind.broker.provision import log_segments
from tradewind.broker.provision.log_segments import HEADER, MARK, Chunks
from tradewind.broker.provision.signal import Signal

MAX_HELD_LINE = 64 << 10  # a longer line without an end is passed on in pieces
READ_AT_ONCE = 256 << 10
PART_BYTES = 32 << 20  # a log that has grown larger is sealed and compressed, and goes on in a new part
WORTH_BYTES = 64 << 10  # a smaller log is not worth compressing when its job is over
_log = logging.getLogger("tradewind.broker")


class LogWriter:
    """A job's log to append to; `sizes` is how many bytes of each rank are in it.

    No file stays open: ten thousand jobs that write now and then would hold as many descriptors.
    """

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self._path = path
        self.sizes: Counter[int] = Counter()
        self._end = 0
        sealed = log_segments.sealed_count(path)
        newest = log_segments.part(path, sealed + 1) or (log_segments.part(path, sealed) if sealed else None)
        if newest is not None:
            self.sizes, end = log_segments.sizes_of(newest)
            if not newest.is_sealed:
                self._end = end
                with self._open() as file:
                    file.truncate(end)

    def _open(self) -> BinaryIO:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return cast("BinaryIO", os.fdopen(descriptor, "r+b", buffering=0))

    def append(self, rank: int, data: bytes) -> None:
        """Add bytes of a rank, all of them or none. Raises OSError: the disk is full, say."""
        chunk = HEADER.pack(rank, len(data)) + data
        if not self._end and self.sizes:
            chunk = log_segments.mark(self.sizes) + chunk
        with self._open() as file:
            file.seek(self._end)
            written = file.write(chunk)
            if written != len(chunk):
                file.truncate(self._end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        self.sizes[rank] += len(data)
        self._end += len(chunk)

    def seal(self, at_least: int) -> str | None:
        """The path of the part that was written to, if it holds that many bytes: what comes goes into a new one."""
        if self._end < max(1, at_least):
            return None
        sealed = log_segments.seal(self._path)
        self._end = 0
        return sealed


class LogReader:
    """Reads a job's log as one stream of bytes: of one `rank`, or merged over all. `label` writes the prefix of a rank's lines."""

    def __init__(self, path: str, *, rank: int | None, nodes: int) -> None:
        self._path = path
        self._rank = rank
        self._nodes = nodes
        self._number = 1
        self._chunks: Chunks | None = None
        self._held: dict[int, bytes] = {}

    def read(self) -> Iterator[bytes]:
        """What has been added since the last call, in pieces."""
        while True:
            if self._chunks is None and not self._open():
                return
            assert self._chunks is not None, "it was opened"
            # Asked before the last chunks are read: nothing is added to a part once it is sealed.
            is_sealed = self._chunks.part.is_sealed or log_segments.sealed_count(self._path) >= self._number
            for rank, data in self._chunks:
                if rank != MARK and (piece := self._view(rank, data)):
                    yield piece
            if not is_sealed:
                return
            self.close()
            self._number += 1

    def _open(self) -> bool:
        for _ in range(3):  # compressed in the moment between looking and opening: it lies elsewhere now
            one = log_segments.part(self._path, self._number)
            if one is None:
                return False
            try:
                self._chunks = Chunks(one)
            except FileNotFoundError:
                continue
            return True
        return False

    def rest(self) -> bytes:
        """Lines without an end, once nothing more will come."""
        held = b"".join(_label(rank) + data + b"\n" for rank, data in sorted(self._held.items()) if data)
        self._held.clear()
        return held

    def close(self) -> None:
        """Give the file back."""
        if self._chunks is not None:
            self._chunks.close()
            self._chunks = None

    def _view(self, rank: int, data: bytes) -> bytes:
        if self._rank is not None:
            return data if rank == self._rank else b""
        if self._nodes == 1:
            return data
        held = self._held.get(rank, b"") + data
        lines, newline, tail = held.rpartition(b"\n")
        if len(tail) > MAX_HELD_LINE:
            lines, newline, tail = held, b"\n", b""
        self._held[rank] = tail
        if not newline:
            return b""
        label = _label(rank)
        return label + lines.replace(b"\n", b"\n" + label) + b"\n"


def _label(rank: int) -> bytes:
    name = "head" if rank == 0 else "worker"
    return f"({name}, rank={rank}) ".encode()


Aside = Callable[[Callable[[], None]], None]


def _in_a_thread(work: Callable[[], None]) -> None:
    asyncio.get_running_loop().run_in_executor(None, work)


def _compress(sealed: str) -> None:
    try:
        log_segments.compress(sealed)
    except OSError as error:
        _log.warning("%s stays as it is, larger than it need be: %s", sealed, error)


class LogBook:
    """All jobs' logs of one data directory; `changed` tells that some log has grown or ended. To be used in one thread.

    A log larger than `part_bytes`, and one that is over, is compressed `aside`.
    """

    def __init__(self, directory: str, *, part_bytes: int = PART_BYTES, aside: Aside = _in_a_thread) -> None:
        self._directory = directory
        self._part_bytes = part_bytes
        self._aside = aside
        self._writers: dict[str, LogWriter] = {}
        self._collecting: Counter[str] = Counter()
        self.changed = Signal()

    def path(self, key: str) -> str:
        """Where the log of the job with this key lies."""
        return os.path.join(self._directory, f"{key}.log")

    def reader(self, key: str, *, rank: int | None, nodes: int) -> LogReader:
        """A reader from the beginning; the log need not exist yet."""
        return LogReader(self.path(key), rank=rank, nodes=nodes)

    def begin(self, key: str, rank: int) -> int:
        """Someone collects this rank's output from here on; the byte to go on from."""
        if key not in self._writers:
            self._writers[key] = LogWriter(self.path(key))
        self._collecting[key] += 1
        return self._writers[key].sizes[rank]

    def append(self, key: str, rank: int, data: bytes) -> None:
        """Add bytes of a rank between its `begin` and `end`: all or none. Raises OSError."""
        writer = self._writers[key]
        writer.append(rank, data)
        self._seal(writer, self._part_bytes)
        self.changed.notify()

    def _seal(self, writer: LogWriter, at_least: int) -> None:
        try:
            sealed = writer.seal(at_least)
        except OSError as error:
            _log.warning("a log could not be begun anew, and goes on as it is: %s", error)
            return
        if sealed is not None:
            self._aside(lambda: _compress(sealed))

    def end(self, key: str) -> None:
        """That rank's output is all here, or its instance is gone."""
        self._collecting[key] -= 1
        if not self._collecting[key]:
            del self._collecting[key]
            self._seal(self._writers.pop(key), min(WORTH_BYTES, self._part_bytes))
        self.changed.notify()

    def is_collecting(self, key: str) -> bool:
        """Whether more may come."""
        return key in self._collecting
