"""Making a file or directory on an instance equal a local one over SSH, copying only what differs. The decision is pure.

A regular file counts as equal when size and modification time (whole microseconds: what tar keeps) agree, as rsync has it. Links are copied as
links and never followed below the root. What an earlier copy put there and the source has lost is removed; what jobs made there stays: a record
beside the agent's state knows the difference. Sockets, pipes and devices are skipped. The instance needs `sh`, `find` and `tar` (GNU), no Python.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import IO, Literal

import msgspec

from tradewind.broker.provider import LeaveOut

RECORDS = ".tradewind/copies"
EntryKind = Literal["file", "directory", "link"]


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One thing below a root: kind, permission bits, size in bytes, modification time in microseconds, and where a link points.

    There may be a million of them, so what most have in common is one object (`_shared`).
    """

    kind: EntryKind
    mode: int = 0
    size: int = 0
    mtime_us: int = 0
    points_to: str = ""

    def same_as(self, other: Entry | None) -> bool:
        """Whether nothing has to be copied; modes of links and times of directories do not count."""
        if other is None or other.kind != self.kind:
            return False
        if self.kind == "link":
            return self.points_to == other.points_to
        if self.kind == "directory":
            return self.mode == other.mode
        return (self.size, self.mtime_us, self.mode) == (other.size, other.mtime_us, other.mode)


@lru_cache(maxsize=4096)
def _shared(number: int) -> int:
    return number


class Copy(msgspec.Struct, frozen=True):
    """What to do: names to remove first (deepest first, `replaced` with all below them), then names to send."""

    send: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]


def plan_copy(wanted: Mapping[str, Entry], there: Mapping[str, Entry], placed_before: frozenset[str]) -> Copy:
    """How to make `there` show what is wanted. Pure.

    A thing of another kind in the way is removed whole; what an earlier copy placed and is no longer wanted is removed alone.
    """
    replaced = tuple(sorted(name for name, entry in wanted.items() if name in there and there[name].kind != entry.kind))
    under = tuple(name + "/" for name in replaced)
    send = tuple(sorted(n for n, e in wanted.items() if n.startswith(under) or not e.same_as(there.get(n))))
    gone = (name for name in placed_before if name not in wanted and name in there and not _behind_link(name, there))
    return Copy(send=send, replaced=replaced, removed=tuple(sorted(gone, reverse=True)))


def _behind_link(name: str, there: Mapping[str, Entry]) -> bool:
    parts = name.split("/")
    return any(
        (entry := there.get("/".join(parts[:depth]))) is not None and entry.kind == "link"
        for depth in range(1, len(parts))
    )


def read_source(root: str, leave_out: LeaveOut | None = None) -> dict[str, Entry]:
    """Every entry below the local directory `root` by its relative name, but for what is left out. Raises OSError."""
    return dict(_walk(root, "", leave_out))


def _walk(directory: str, prefix: str, leave_out: LeaveOut | None) -> Iterator[tuple[str, Entry]]:
    with os.scandir(directory) as entries:
        for one in sorted(entries, key=lambda e: e.name):
            name = prefix + one.name
            entry = read_entry(one.path)
            if entry is not None and not (leave_out is not None and leave_out(name, entry.kind == "directory")):
                yield name, entry
                if entry.kind == "directory":
                    yield from _walk(one.path, name + "/", leave_out)


def read_entry(path: str, *, follow: bool = False) -> Entry | None:
    """The local thing at `path`; None for one that is not copied. Raises OSError."""
    found = os.stat(path) if follow else os.lstat(path)
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISREG(found.st_mode):
        return Entry("file", _shared(mode), _shared(found.st_size), found.st_mtime_ns // 1000)
    if stat.S_ISDIR(found.st_mode):
        return Entry("directory", _shared(mode))
    if stat.S_ISLNK(found.st_mode):
        return Entry("link", points_to=os.readlink(path))
    return None


# name, type, octal mode, size, seconds with fraction, link target: each ends with a NUL, so that no name can break a line
FIND_FORMAT = r"%P\0%y\0%m\0%s\0%T@\0%l\0"


def parse_listing(output: bytes) -> dict[str, Entry]:
    """What `find -printf FIND_FORMAT` said. Raises ValueError when it said something else."""
    if output.count(b"\0") % 6 or (output and not output.endswith(b"\0")):
        raise ValueError("the listing from the instance is cut short")
    kinds: dict[str, EntryKind] = {"f": "file", "d": "directory", "l": "link"}
    found = {}
    fields = _fields(output)
    for name, kind, mode, size, mtime, points_to in zip(*[fields] * 6, strict=True):
        if kind == "f":
            seconds, _, fraction = mtime.partition(".")
            modified_us = int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0"))
            found[name] = Entry("file", _shared(int(mode, 8)), _shared(int(size)), modified_us)
        elif kind in kinds:
            found[name] = Entry(kinds[kind], _shared(int(mode, 8)) if kind == "d" else 0, points_to=points_to)
    return found


def _fields(output: bytes) -> Iterator[str]:
    """The listing's fields one by one: all of them at once would take several times the listing's own room."""
    begin = 0
    while (end := output.find(b"\0", begin)) >= 0:
        yield os.fsdecode(output[begin:end])
        begin = end + 1


def pack(root: str, names: tuple[str, ...], out: IO[bytes]) -> None:
    """Write a tar stream of these entries of the local directory. A file that vanished meanwhile is left out. Raises OSError."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 18) as archive:
        for name in names:
            add(archive, os.path.join(root, name), name)
            # It would keep a kilobyte about each, for reading them again, which a stream cannot.
            archive.members.clear()  # type: ignore[attr-defined]  # typeshed leaves it out, the documentation of `stream=` in 3.13 does not


def add(archive: tarfile.TarFile, path: str, name: str, *, follow: bool = False) -> None:
    """One local thing under `name`, with its time to the microsecond and nobody's ownership."""
    try:
        found = os.stat(path) if follow else os.lstat(path)
        info = tarfile.TarInfo(name)
        info.mode, info.mtime = stat.S_IMODE(found.st_mode), found.st_mtime_ns // 1000 / 1_000_000
        if stat.S_ISLNK(found.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
            archive.addfile(info)
        elif stat.S_ISDIR(found.st_mode):
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        else:
            with open(path, "rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                archive.addfile(info, file)
    except FileNotFoundError:
        return


def record_path(home: str, target: str) -> str:
    """Where the names that copies placed under `target` are kept on the instance."""
    return posixpath.join(home, RECORDS, hashlib.sha256(target.encode()).hexdigest()[:32] + ".names")
