"""Jobs' output as the daemon keeps it: one append-only file of chunks a job, each with the rank it came from, in order of arrival.

One file is both views: a rank's own bytes, and all ranks' lines merged, where every line bears the rank's name once there is more than one
node. A chunk is an 8-byte header (rank u32, length u32, little-endian) and that many bytes; a torn last chunk is cut off when the file is
opened for appending, and its bytes are fetched again from the agent.
"""

from __future__ import annotations

import errno
import os
import struct
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, cast

from tradewind.broker.provision.signal import Signal

_HEADER = struct.Struct("<II")
MAX_HELD_LINE = 64 << 10  # a longer line without an end is passed on in pieces
READ_AT_ONCE = 256 << 10


class LogWriter:
    """A job's log to append to; `sizes` is how many bytes of each rank are in it.

    No file stays open: ten thousand jobs that write now and then would hold as many descriptors.
    """

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self._path = path
        self.sizes: Counter[int] = Counter()
        self._end = 0
        with self._open() as file:
            size = os.fstat(file.fileno()).st_size
            while self._end + _HEADER.size <= size:
                rank, length = _HEADER.unpack(os.pread(file.fileno(), _HEADER.size, self._end))
                if self._end + _HEADER.size + length > size:
                    break
                self.sizes[rank] += length
                self._end += _HEADER.size + length
            file.truncate(self._end)

    def _open(self) -> BinaryIO:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return cast("BinaryIO", os.fdopen(descriptor, "r+b", buffering=0))

    def append(self, rank: int, data: bytes) -> None:
        """Add bytes of a rank, all of them or none. Raises OSError: the disk is full, say."""
        chunk = _HEADER.pack(rank, len(data)) + data
        with self._open() as file:
            file.seek(self._end)
            written = file.write(chunk)
            if written != len(chunk):
                file.truncate(self._end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        self.sizes[rank] += len(data)
        self._end += len(chunk)


class LogReader:
    """Reads a job's log as one stream of bytes: of one `rank`, or merged over all. `label` writes the prefix of a rank's lines."""

    def __init__(self, path: str, *, rank: int | None, nodes: int) -> None:
        self._path = path
        self._rank = rank
        self._nodes = nodes
        self._file: int | None = None
        self._at = 0
        self._held: dict[int, bytes] = {}

    def read(self) -> Iterator[bytes]:
        """What has been added since the last call, in pieces."""
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
        while len(header := os.pread(self._file, _HEADER.size, self._at)) == _HEADER.size:
            rank, length = _HEADER.unpack(header)
            data = os.pread(self._file, length, self._at + _HEADER.size)
            if len(data) < length:
                return  # its other half is just being written
            self._at += _HEADER.size + length
            if piece := self._view(rank, data):
                yield piece

    def rest(self) -> bytes:
        """Lines without an end, once nothing more will come."""
        held = b"".join(_label(rank) + data + b"\n" for rank, data in sorted(self._held.items()) if data)
        self._held.clear()
        return held

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

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


class LogBook:
    """All jobs' logs of one data directory; `changed` tells that some log has grown or ended."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
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
        self._writers[key].append(rank, data)
        self.changed.notify()

    def end(self, key: str) -> None:
        """That rank's output is all here, or its instance is gone."""
        self._collecting[key] -= 1
        if not self._collecting[key]:
            del self._collecting[key]
            del self._writers[key]
        self.changed.notify()

    def is_collecting(self, key: str) -> bool:
        """Whether more may come."""
        return key in self._collecting
