"""`Transport.put` over SSH: asks the instance what it has, decides by `ssh_copy`, removes, and sends the rest as one tar stream."""

from __future__ import annotations

import asyncio
import io
import os
import posixpath
import shlex
import tarfile
from collections.abc import Sequence
from typing import IO, Protocol, cast

from tradewind.broker.provider import LeaveOut, ProviderError, RunResult, Told
from tradewind.broker.provision import ssh_copy

TIMEOUT_S = 3600.0  # for one stream: a work directory may be many GiB over a thin line


class Shell(Protocol):
    """What copying needs of a connection."""

    @property
    def home(self) -> str:
        """The home directory."""

    async def script(self, script: str, *, timeout_s: float = 60, what: str = "a script") -> RunResult:
        """Run a shell script to its end."""

    async def feed(self, command: str, data: bytes | int, *, timeout_s: float, what: str) -> RunResult:
        """Run a command fed with bytes or from a descriptor."""

    def error(self, code: str, message: str) -> ProviderError:
        """A refusal."""


class SshCopy:
    """One copy onto the instance behind `shell`."""

    def __init__(self, shell: Shell, told: Told | None = None) -> None:
        self._shell = shell
        self._told = told or _unheard

    async def put(self, source: str, target: str, leave_out: LeaveOut | None = None) -> None:
        """What `source` holds stands at `target`; only what differs was sent. Raises ProviderError."""
        destination = posixpath.normpath(posixpath.join(self._shell.home, target))
        if not posixpath.isabs(target) and posixpath.relpath(destination, self._shell.home).startswith(".."):
            raise self._shell.error(
                "BadTarget", f"{target} leaves the instance's home; give a path inside it, or an absolute one"
            )
        try:
            entry = await asyncio.to_thread(ssh_copy.read_entry, source, follow=True)
            if entry is None:
                raise self._shell.error("BadSource", f"{source} is neither a file nor a directory")
            if entry.kind == "directory":
                await self._put_directory(source, destination, leave_out)
            else:
                await self._put_file(source, destination, entry)
        except OSError as error:
            raise self._shell.error("BadSource", f"{source} cannot be read: {error.strerror or error}") from error

    async def _put_file(self, source: str, destination: str, wanted: ssh_copy.Entry) -> None:
        folder, name = posixpath.split(destination)
        there = await self._listing(folder, f"-maxdepth 1 -name {shlex.quote(_glob_escape(name))}")
        if wanted.same_as(there.get(name)):
            return
        if name in there and there[name].kind == "directory":
            await self._remove(folder, (name,), ())

        def packed() -> bytes:
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
                ssh_copy.add(archive, source, name, follow=True)
            return out.getvalue()

        data = await asyncio.to_thread(packed)
        self._told(len(data), 0)
        await self._unpack(folder, data)
        self._told(0, len(data))

    async def _put_directory(self, source: str, destination: str, leave_out: LeaveOut | None) -> None:
        record = ssh_copy.record_path(self._shell.home, destination)
        wanted, there, before = await asyncio.gather(
            asyncio.to_thread(ssh_copy.read_source, source, leave_out), self._listing(destination), self._record(record)
        )
        copy = ssh_copy.plan_copy(wanted, there, before)
        if copy.replaced or copy.removed:
            await self._remove(destination, copy.replaced, copy.removed)
        if copy.send:
            self._told(sum(wanted[name].size for name in copy.send), 0)
            await self._unpack(destination, None, source, copy.send)
        if frozenset(wanted) != before:
            names = "\0".join(wanted)
            write = f"mkdir -p -m 0700 {shlex.quote(posixpath.dirname(record))}; cat >{shlex.quote(record)}.part && mv {shlex.quote(record)}.part {shlex.quote(record)}"
            await self._checked(write, os.fsencode(names), f"the record of {destination}")

    async def _listing(self, folder: str, depth: str = "") -> dict[str, ssh_copy.Entry]:
        quoted = shlex.quote(folder)
        # A destination that is itself a link is followed: the person, or the image, put it there.
        find = f"mkdir -p {quoted} && find {quoted}/ -mindepth 1 {depth} -printf '{ssh_copy.FIND_FORMAT}'"
        done = await self._shell.script(find, timeout_s=TIMEOUT_S, what="find")
        if done.exit_code != 0:
            raise self._failure(f"{folder} cannot be written", done)
        return ssh_copy.parse_listing(done.stdout)

    async def _record(self, path: str) -> frozenset[str]:
        done = await self._shell.script(f"cat {shlex.quote(path)} 2>/dev/null || true", what="cat")
        names = os.fsdecode(done.stdout).split("\0") if done.stdout else []
        return frozenset(name for name in names if name and ".." not in name.split("/"))

    async def _remove(self, folder: str, replaced: Sequence[str], removed: Sequence[str]) -> None:
        """Entries that stand in the way go with all below them; those no longer wanted go alone (a directory that is in use stays)."""
        names = b"".join(b"r" + os.fsencode(n) + b"\0" for n in replaced) + b"".join(
            b"o" + os.fsencode(n) + b"\0" for n in removed
        )
        each = 'case "$1" in r*) rm -rf -- "./${1#r}";; o*) rm -f -- "./${1#o}" 2>/dev/null || rmdir -- "./${1#o}" 2>/dev/null;; esac; shift'
        loop = f"while [ $# -gt 0 ]; do {each}; done; exit 0"
        await self._checked(f"cd {shlex.quote(folder)} && xargs -0 -r sh -c {shlex.quote(loop)} sh", names, folder)

    async def _unpack(self, folder: str, data: bytes | None, root: str = "", names: tuple[str, ...] = ()) -> None:
        command = f"tar -xf - -C {shlex.quote(folder)} --no-same-owner"
        if data is not None:
            await self._checked(command, data, folder)
            return
        read_end, write_end = os.pipe()

        def feed() -> None:
            try:
                with os.fdopen(write_end, "wb") as out:
                    ssh_copy.pack(
                        root, names, cast("IO[bytes]", _Counted(out, self._told))
                    )  # tarfile writes, and no more
            except BrokenPipeError:
                return  # the other side ended first, and says why

        feeding = asyncio.get_running_loop().run_in_executor(None, feed)
        try:
            await self._checked(command, read_end, folder)
        except ProviderError:
            await feeding  # a source that cannot be read is the better reason
            raise
        finally:
            os.close(read_end)
            await feeding

    async def _checked(self, command: str, data: bytes | int, what: str) -> None:
        done = await self._shell.feed(command, data, timeout_s=TIMEOUT_S, what=what)
        if done.exit_code != 0:
            raise self._failure(f"copying to {what} failed", done)

    def _failure(self, what: str, done: RunResult) -> ProviderError:
        said = _said(done)
        if "No space left on device" in said:
            return self._shell.error("DiskFull", f"the instance's disk is full: {what}; ask for more with disk_size")
        return self._shell.error("SshCopy", f"{what}: {said}")


class _Counted:
    """Writes on, and tells how many bytes went."""

    def __init__(self, out: IO[bytes], told: Told) -> None:
        self._out, self._told = out, told

    def write(self, data: bytes) -> int:
        """All of it, however long it takes."""
        count = self._out.write(data)
        self._told(0, count)
        return count


def _unheard(_to_come: int, _sent: int) -> None:
    """Nobody asks."""


def _said(done: RunResult) -> str:
    return " ".join(done.stderr.decode(errors="replace").split())[:400] or f"exit code {done.exit_code}"


def _glob_escape(name: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in name)
