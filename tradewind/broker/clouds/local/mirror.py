"""Copying a file or directory so that the target shows what the source holds, touching only what differs.

A regular file is taken as equal when size and modification time (ns) are equal, as rsync does. Links are copied as links and never followed, on
either side below the root, so nothing outside the target is ever written. What an earlier copy put there and the source has lost is removed; what
others made in the target (outputs of jobs) stays: a record beside the agent's state knows the difference. Sockets, pipes and devices are skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator

from tradewind.broker.provider import LeaveOut

_RECORDS = os.path.join(".tradewind", "copies")


def mirror(source: str, target: str, *, home: str, leave_out: LeaveOut | None = None) -> int:
    """Copy `source` to `target` (relative to `home` unless absolute) but for what is left out; returns how many entries were written. Blocks.

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
        return _copy_file(source, destination)
    record_path = os.path.join(home, _RECORDS, hashlib.sha256(destination.encode()).hexdigest()[:32] + ".json")
    before = _read_record(record_path)
    _make_directory(destination)
    written = 0
    now: list[str] = []
    for name, entry in _walk(source, "", leave_out):
        path = os.path.join(destination, name)
        now.append(name)
        if entry.is_symlink():
            written += _copy_link(entry.path, path)
        elif entry.is_dir(follow_symlinks=False):
            _make_directory(path)
        else:
            written += _copy_file(entry.path, path)
    # deepest first, so that a directory is empty when its turn comes, unless a job put something into it
    for name in sorted(set(before) - set(now), reverse=True):
        _remove_own(destination, name)
    _write_record(record_path, now)
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


def _read_record(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return [name for name in json.load(file) if isinstance(name, str) and ".." not in name.split("/")]
    except (OSError, ValueError):
        return []


def _write_record(path: str, names: list[str]) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path + ".partial", "w", encoding="utf-8") as file:
        json.dump(names, file)
    os.replace(path + ".partial", path)
