"""Copying a file or directory so that the target shows what the source holds, touching only what differs.

A regular file is taken as equal when size and modification time (ns) are equal, as rsync does. Links are copied as links and never followed, on
either side below the root, so nothing outside the target is ever written. What an earlier copy put there and the source has lost is removed; what
others made in the target (outputs of jobs) stays: a record beside the agent's state knows the difference. Sockets, pipes and devices are skipped.

A tree of a million files takes no more memory than its largest directory: the record lists names in the order of the walk, so that the old one is
read and the new one written as the walk goes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Generator, Iterator

from tradewind.broker.provider import LeaveOut, Told

_RECORDS = os.path.join(".tradewind", "copies")


def mirror(source: str, target: str, *, home: str, leave_out: LeaveOut | None = None, told: Told | None = None) -> int:
    """Copy `source` to `target` (relative to `home` unless absolute) but for what is left out; returns how many entries were written. Blocks.

    `told` hears of each file's bytes once they are there; how many are to come is not looked up before.

    Raises:
        ValueError: the source does not exist, or a relative target leaves the home.
        OSError: the disk refused.
    """
    try:
        is_directory = stat.S_ISDIR(os.stat(source).st_mode)
    except OSError as error:
        raise ValueError(f"{source} cannot be read: {error.strerror}; give an existing file or directory") from error
    destination = os.path.normpath(os.path.join(home, target))
    if not os.path.isabs(target) and os.path.relpath(destination, home).startswith(".."):
        raise ValueError(f"{target} leaves the instance's home; give a path inside it, or an absolute one")
    os.makedirs(os.path.dirname(destination), exist_ok=True)
    if not is_directory:
        return _told_file(source, destination, told)
    record_path = os.path.join(home, _RECORDS, hashlib.sha256(destination.encode()).hexdigest()[:32] + ".names")
    _make_directory(destination)
    record = _Record(record_path)
    with record:
        written = _copy_below(source, destination, leave_out, told, record)
    # deepest first, so that a directory is empty when its turn comes, unless a job put something into it
    for name in sorted(record.gone, reverse=True):
        _remove_own(destination, name)
    record.keep()
    return written


def _copy_below(source: str, destination: str, leave_out: LeaveOut | None, told: Told | None, record: _Record) -> int:
    written = 0
    for name, entry in _walk(source, "", leave_out):
        path = os.path.join(destination, name)
        record.place(name)
        if entry.is_symlink():
            written += _copy_link(entry.path, path)
        elif entry.is_dir(follow_symlinks=False):
            _make_directory(path)
        else:
            written += _told_file(entry.path, path, told)
    return written


def _walk(directory: str, prefix: str, leave_out: LeaveOut | None) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every entry below `directory` that can be copied, parents before children, in a fixed order."""
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            mode = entry.stat(follow_symlinks=False).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                continue
            name = prefix + entry.name
            if leave_out is not None and leave_out(name, stat.S_ISDIR(mode)):
                continue
            yield name, entry
            if stat.S_ISDIR(mode):
                yield from _walk(entry.path, name + "/", leave_out)


def _make_directory(path: str) -> None:
    """A real directory at `path`; a link or file that stood there is replaced, never followed."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkdir(path)


def _told_file(source: str, target: str, told: Told | None) -> int:
    written = _copy_file(source, target)
    if written and told is not None:
        told(0, os.stat(target).st_size)
    return written


def _copy_file(source: str, target: str) -> int:
    want = os.stat(source)
    try:
        have = os.lstat(target)
    except FileNotFoundError:
        pass
    else:
        if stat.S_ISDIR(have.st_mode):
            shutil.rmtree(target)
        elif stat.S_ISREG(have.st_mode) and (have.st_size, have.st_mtime_ns) == (want.st_size, want.st_mtime_ns):
            if stat.S_IMODE(have.st_mode) != stat.S_IMODE(want.st_mode):
                os.chmod(target, stat.S_IMODE(want.st_mode))
            return 0
    partial = os.path.join(os.path.dirname(target), f".{os.path.basename(target)[:200]}.tradewind.partial")
    if os.path.lexists(partial):
        os.unlink(partial)
    shutil.copy2(source, partial)
    os.replace(partial, target)
    return 1


def _copy_link(source: str, target: str) -> int:
    points_to = os.readlink(source)
    try:
        have = os.lstat(target)
    except FileNotFoundError:
        pass
    else:
        if stat.S_ISLNK(have.st_mode) and os.readlink(target) == points_to:
            return 0
        if stat.S_ISDIR(have.st_mode):
            shutil.rmtree(target)
        else:
            os.unlink(target)
    os.symlink(points_to, target)
    return 1


def _remove_own(destination: str, name: str) -> None:
    """Remove what an earlier copy put at `name`, unless a link now stands in the way or a directory is in use."""
    parts = name.split("/")
    for depth in range(1, len(parts)):
        if os.path.islink(os.path.join(destination, *parts[:depth])):
            return
    path = os.path.join(destination, name)
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.rmdir(path)
        else:
            os.unlink(path)
    except OSError:
        pass  # gone already, or a directory that holds a job's files


class _Record:
    """What a copy placed, by name: the last copy's is compared with this one's as that walks on. `gone` is what this one did not place again."""

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self._path = path
        self._old = _names_in(path)
        self._next = next(self._old, None)
        self._new = open(path + ".partial", "wb")  # noqa: SIM115  closed by `__exit__`
        self.gone: list[str] = []

    def place(self, name: str) -> None:
        """The next name in the order of the walk is placed."""
        key = name.split("/")
        while self._next is not None and self._next.split("/") < key:
            self._pass()
        if self._next == name:
            self._next = next(self._old, None)
        self._new.write(os.fsencode(name) + b"\0")

    def _pass(self) -> None:
        assert self._next is not None, "there is one to pass over"
        self.gone.append(self._next)
        self._next = next(self._old, None)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *_: object) -> None:
        while kind is None and self._next is not None:
            self._pass()
        self._old.close()
        self._new.close()

    def keep(self) -> None:
        """This copy's names are what the next is compared with."""
        os.replace(self._path + ".partial", self._path)


def _names_in(path: str) -> Generator[str, None, None]:
    try:
        file = open(path, "rb")  # noqa: SIM115  closed below
    except FileNotFoundError:
        return
    with file:
        rest = b""
        while piece := file.read(1 << 13):
            *whole, rest = (rest + piece).split(b"\0")
            for name in map(os.fsdecode, whole):
                if ".." not in name.split("/"):
                    yield name
