"""What counts as a complete checkpoint in a job's directory, and how a change of one is seen."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import msgspec

_UNFINISHED = (".tmp", ".partial")


class FileStamp(msgspec.Struct, frozen=True):
    """A file of an entry: its path below the entry ("" when the entry is the file), size, and modification time in ns."""

    path: str
    size: int
    mtime_ns: int
    inode: int


class Entry(msgspec.Struct, frozen=True):
    """A file or directory directly below the checkpoint directory, as it looked at one moment."""

    name: str
    is_directory: bool
    files: tuple[FileStamp, ...]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def newest_ns(self) -> int:
        return max((file.mtime_ns for file in self.files), default=0)


def is_complete_name(name: str) -> bool:
    """Whether a name says that its writing is over: renamed into place, neither hidden nor marked as unfinished."""
    return not name.startswith(".") and not name.endswith(_UNFINISHED)


def was_renamed_here(entry: Entry, path: str) -> bool:
    """Whether the file at `path`, which is the entry, got its name after its last write: then it is whole, however soon it is replaced.

    A rename changes a file's status and not its content (rename(2)): `st_ctime` is later than `st_mtime`. While it is written both are the same,
    and so they are of a file that was renamed within the tick of the kernel's clock (1 to 10 ms) that saw its last write: False says nothing.
    """
    if entry.is_directory:
        return False
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return False
    (stamp,) = entry.files
    return (state.st_ino, state.st_mtime_ns) == (stamp.inode, stamp.mtime_ns) and state.st_ctime_ns > state.st_mtime_ns


def scan(directory: str) -> dict[str, Entry]:
    """Every entry with a complete name. Links are not followed and do not count; what vanishes meanwhile is left out."""
    found: dict[str, Entry] = {}
    try:
        listing = list(os.scandir(directory))
    except FileNotFoundError:
        return found
    for one in listing:
        if not is_complete_name(one.name):
            continue
        try:
            if one.is_dir(follow_symlinks=False):
                files = tuple(sorted(_files(one.path, ""), key=lambda stamp: stamp.path))
                found[one.name] = Entry(one.name, is_directory=True, files=files)
            elif one.is_file(follow_symlinks=False):
                found[one.name] = Entry(one.name, is_directory=False, files=(_stamp("", one),))
        except FileNotFoundError:
            continue
    return found


def _files(directory: str, prefix: str) -> Iterator[FileStamp]:
    with os.scandir(directory) as entries:
        for one in entries:
            if one.is_dir(follow_symlinks=False):
                yield from _files(one.path, prefix + one.name + "/")
            elif one.is_file(follow_symlinks=False):
                yield _stamp(prefix + one.name, one)


def _stamp(path: str, entry: os.DirEntry[str]) -> FileStamp:
    state = entry.stat(follow_symlinks=False)
    assert stat.S_ISREG(state.st_mode)
    return FileStamp(path, state.st_size, state.st_mtime_ns, state.st_ino)
