"""A log in parts: `KEY.log` is written to, and what it has become too large for lies compressed in `KEY.log.1.gz`, `KEY.log.2.gz` and so on.

A part is a sequence of chunks: an 8-byte header (rank u32, length u32, little-endian) and that many bytes. The first chunk of a part after
the first bears the rank MARK and says how many bytes of each rank all parts before it hold, so that only the last one is ever counted.

Sealing a part is a rename, so that whoever has it open reads on to its end; compressing it leaves the old file until the new one is whole.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import struct
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

HEADER = struct.Struct("<II")
MARK = 0xFFFFFFFF
_COUNT = struct.Struct("<IQ")
_LEVEL = 6  # text shrinks some tenfold at 50 MB/s; a higher level costs more time than it saves room


class Part(NamedTuple):
    """Where part `number` (from 1) of a log lies; the one that is written to is neither sealed nor compressed."""

    number: int
    path: str
    is_sealed: bool
    is_compressed: bool


def part(path: str, number: int) -> Part | None:
    """Part `number` of the log at `path`, None when there is none. It may be sealed or compressed the moment after."""
    sealed = f"{path}.{number}"
    for _ in range(2):  # a second look finds what was renamed between two questions
        if os.path.exists(f"{sealed}.gz"):
            return Part(number, f"{sealed}.gz", is_sealed=True, is_compressed=True)
        if os.path.exists(sealed):
            return Part(number, sealed, is_sealed=True, is_compressed=False)
        if number == sealed_count(path) + 1 and os.path.exists(path):
            return Part(number, path, is_sealed=False, is_compressed=False)
    return None


def sealed_count(path: str) -> int:
    """How many parts are sealed."""
    number = 0
    while os.path.exists(f"{path}.{number + 1}.gz") or os.path.exists(f"{path}.{number + 1}"):
        number += 1
    return number


def seal(path: str) -> str:
    """The path of the part that was written to, which is not any more."""
    sealed = f"{path}.{sealed_count(path) + 1}"
    os.rename(path, sealed)
    return sealed


def compress(sealed: str) -> None:
    """A sealed part lies compressed in its place. Blocks: some seconds for a hundred megabytes. Raises OSError; then the part stays as it is."""
    partial = f"{sealed}.partial"
    try:
        with open(sealed, "rb") as source, _created(partial) as target:
            with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=target, mtime=0) as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
            os.fsync(target.fileno())
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise
    os.replace(partial, f"{sealed}.gz")
    os.unlink(sealed)


def _created(path: str) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return cast("BinaryIO", os.fdopen(descriptor, "wb"))


def mark(sizes: Counter[int]) -> bytes:
    """The chunk that begins a part, after parts with so many bytes of each rank."""
    counts = b"".join(_COUNT.pack(rank, size) for rank, size in sorted(sizes.items()))
    return HEADER.pack(MARK, len(counts)) + counts


def marked(data: bytes) -> Counter[int]:
    """The bytes of each rank that a MARK chunk tells of."""
    return Counter(dict(_COUNT.iter_unpack(data)))


class Chunks:
    """The whole chunks of one part in order, and more as it grows."""

    def __init__(self, one: Part) -> None:
        self.part = one
        opened = gzip.open(one.path, "rb") if one.is_compressed else open(one.path, "rb")  # noqa: SIM115  closed by `close`
        self._file = cast("BinaryIO", opened)
        self.end = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """(rank, bytes) of every further chunk that is whole by now."""
        while True:
            header = self._file.read(HEADER.size)
            if len(header) == HEADER.size:
                rank, length = HEADER.unpack(header)
                data = self._file.read(length)
                if len(data) == length:
                    self.end += HEADER.size + length
                    yield rank, data
                    continue
            if not self.part.is_compressed:
                self._file.seek(self.end)  # its other half is just being written
            return

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def sizes_of(one: Part) -> tuple[Counter[int], int]:
    """The bytes of each rank in all parts up to this one, and where its last whole chunk ends."""
    sizes: Counter[int] = Counter()
    with contextlib.closing(Chunks(one)) as chunks:
        for rank, data in chunks:
            if rank == MARK:
                sizes = marked(data)
            else:
                sizes[rank] += len(data)
        return sizes, chunks.end
