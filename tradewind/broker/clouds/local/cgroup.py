"""Limits on what a machine on this computer may use, by cgroups: version 2, or version 1 where the system still has that.

Files and figures: docs.kernel.org/admin-guide/cgroup-v2.html and /admin-guide/cgroup-v1/.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence

_PREFIX = "tradewind-"
_PERIOD_US = 100_000
_CONTROLLERS = ("cpu", "memory")
_REMOVE_DEADLINE_S = 5.0
# joins every group named before "--", then becomes the command behind it
_JOIN = 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'


def make(tag: str, name: str, *, vcpus: float, memory_gib: float) -> tuple[str, ...]:
    """The directories of a group whose processes together get so many processors and so much memory. Raises OSError where none can be made."""
    quota, limit = max(1000, int(vcpus * _PERIOD_US)), int(memory_gib * (1 << 30))
    made = []
    for base, controllers in _bases(tag):
        path = os.path.join(base, name)
        os.makedirs(path, exist_ok=True)
        made.append(path)
        if "v2" in controllers:
            _write(path, "cpu.max", f"{quota} {_PERIOD_US}")
            _write(path, "memory.max", str(limit))
        if "cpu" in controllers:
            _write(path, "cpu.cfs_period_us", str(_PERIOD_US))
            _write(path, "cpu.cfs_quota_us", str(quota))
        if "memory" in controllers:
            _write(path, "memory.limit_in_bytes", str(limit))
    return tuple(made)


def joined(groups: Sequence[str], argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` inside the groups; all that it starts is inside too."""
    return ["/bin/sh", "-c", _JOIN, "sh", *groups, "--", *argv] if groups else list(argv)


def remove(groups: Sequence[str]) -> None:
    """The groups are gone, once their processes are, and so is the directory above them with the last one. Raises OSError."""
    deadline = time.monotonic() + _REMOVE_DEADLINE_S
    for path in groups:
        while os.path.isdir(path):
            try:
                os.rmdir(path)
            except OSError:  # a process that was killed stays in its group until the kernel is done with it
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))


def found(tag: str) -> list[str]:
    """The directories of every group with this tag."""
    paths = []
    for base, _ in _places(tag):
        with contextlib.suppress(OSError):
            paths += [os.path.join(base, name) for name in os.listdir(base) if os.path.isdir(os.path.join(base, name))]
    return sorted(paths)


def why_not() -> str:
    """Why no limits can be set here, in a few words; "" when they can. Tried for real."""
    tag = f"probe-{os.getpid()}"
    try:
        remove(make(tag, "trial", vcpus=1, memory_gib=1))
    except OSError as error:
        with contextlib.suppress(OSError):
            remove(found(tag))
        return f"cgroups cannot be written: {error.strerror or error}"
    return ""


def _bases(tag: str) -> list[tuple[str, tuple[str, ...]]]:
    """The directories that hold this tag's groups, made and with their controllers switched on. Raises OSError."""
    places = _places(tag)
    if not places:
        raise FileNotFoundError(2, "no cpu and memory controllers are mounted")
    for base, controllers in places:
        if "v2" in controllers:
            _write(os.path.dirname(base), "cgroup.subtree_control", "+cpu +memory")
        os.makedirs(base, exist_ok=True)
        if "v2" in controllers:
            _write(base, "cgroup.subtree_control", "+cpu +memory")
    return places


def _places(tag: str) -> list[tuple[str, tuple[str, ...]]]:
    """Where this tag's groups belong: a directory and what limits it takes ("v2", or names of version 1)."""
    own = _own_groups()
    old, unified = [], ""
    for line in _lines("/proc/self/mounts"):
        _, mount, kind, options = line.split()[:4]
        if kind == "cgroup2":
            unified = unified or mount
        elif kind == "cgroup" and (names := tuple(set(options.split(",")) & set(_CONTROLLERS))):
            # below our own group, whose limits then hold for the machines too
            own_path = next((own[name] for name in names if name in own), "/")
            below = mount + own_path if os.path.isdir(mount + own_path) else mount
            old.append((os.path.join(below, _PREFIX + tag), names))
    if {name for _, names in old for name in names} == set(_CONTROLLERS):
        return old
    return [(os.path.join(unified, _PREFIX + tag), ("v2",))] if unified and not old else []


def _own_groups() -> dict[str, str]:
    """Version 1's controllers -> the group this process is in."""
    found_: dict[str, str] = {}
    for line in _lines("/proc/self/cgroup"):
        _, names, path = line.split(":", 2)
        found_ |= dict.fromkeys(names.split(","), path)
    return found_


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _write(directory: str, name: str, value: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="ascii") as file:
        file.write(value)
