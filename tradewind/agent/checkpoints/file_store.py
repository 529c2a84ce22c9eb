"""Checkpoints in a directory of a file system.

    <root>/manifest.json               what is kept: for every copy its files with size and sha256
    <root>/copies/<number>-<name>/     one copy of an entry, complete before the manifest names it

Every file is written beside its place, flushed to the disk, and renamed; the manifest is replaced last. So a kill at any point leaves the previous
manifest with all that it names. A name that is written again keeps its previous copy until the new one has company: the two newest copies of a name
and the two newest names are always kept, so that damage to the last one (bit rot, a torn disk) falls back instead of starting over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time

import msgspec

from tradewind.agent.checkpoints.entries import Entry, FileStamp
from tradewind.agent.checkpoints.store import Restoration, StoreError

_MANIFEST = "manifest.json"
_COPIES = "copies"
_KEPT_OF_A_NAME = 2
_KEPT_NAMES = 2
_CHUNK = 1 << 20


class KeptFile(msgspec.Struct, frozen=True):
    path: str
    size: int
    mtime_ns: int
    sha256: str
    inode: int = 0  # of the file that was copied: one that replaced it within a tick of the clock has the same times


class Copy(msgspec.Struct, frozen=True):
    """One copy of an entry. `number` grows with every copy ever kept; `removed` says that the job has since removed the entry."""

    number: int
    name: str
    is_directory: bool
    files: tuple[KeptFile, ...]
    kept_unix: float
    removed: bool = False


class Manifest(msgspec.Struct, frozen=True):
    next_number: int = 1
    copies: tuple[Copy, ...] = ()


class FileStore:
    """Implements `CheckpointStore` below the directory `root` (0700)."""

    def __init__(self, root: str) -> None:
        self._root = root

    def keep(self, entry: Entry, source: str) -> bool:
        """Copy the entry from `source`, unless it lies here already; False, and nothing kept, if it changed while it was read. Raises StoreError."""
        try:
            manifest = self._read_manifest()
            if _holds(
                manifest, entry
            ):  # an agent that was started anew: a second copy would make an old name the newest
                return True
            copy = Copy(
                number=manifest.next_number,
                name=entry.name,
                is_directory=entry.is_directory,
                files=(),
                kept_unix=time.time(),
            )
            place = self._place(copy)
            shutil.rmtree(place, ignore_errors=True)  # a copy that was cut off before the manifest named it
            os.makedirs(place, mode=0o700)
            try:
                files = _copy_entry(entry, source, place)
            except OSError:
                shutil.rmtree(place, ignore_errors=True)  # on a full disk others lack what half a copy takes
                raise
            if files is None:
                shutil.rmtree(place)
                return False
            _flush_directories(place)
            copies = (*manifest.copies, msgspec.structs.replace(copy, files=files))
            self._commit(Manifest(copy.number + 1, copies))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and str(error.filename).startswith(source):
                return False  # the job removed it meanwhile
            raise StoreError(
                f"checkpoint {entry.name} could not be kept in {self._root}: {error.strerror or error}"
            ) from error
        return True

    def forget(self, name: str) -> None:
        """Mark the entry as removed by the job; its copies go once newer names stand behind them. Raises StoreError."""
        manifest = self._read_manifest()
        copies = tuple(
            msgspec.structs.replace(copy, removed=True) if copy.name == name else copy for copy in manifest.copies
        )
        if copies != manifest.copies:
            try:
                self._commit(Manifest(manifest.next_number, copies))
            except OSError as error:
                raise StoreError(f"the list of checkpoints in {self._root} could not be written: {error}") from error

    def restore(self, directory: str) -> Restoration:
        """Put the newest good copy of every entry into `directory`, each verified and renamed into place. Raises StoreError."""
        damaged: list[str] = []
        restored: dict[str, Copy] = {}
        copies = sorted(self._read_manifest().copies, key=lambda copy: -copy.number)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            for copy in (one for one in copies if not one.removed):
                if copy.name not in restored:
                    self._restore_one(copy, directory, restored, damaged)
            if not restored:  # everything that the job still had is damaged: fall back to what it had removed
                for copy in (one for one in copies if one.removed):
                    if not restored:
                        self._restore_one(copy, directory, restored, damaged)
        except OSError as error:
            raise StoreError(f"checkpoints in {self._root} could not be restored: {error.strerror or error}") from error
        newest = max(restored.values(), key=lambda copy: copy.number).name if restored else ""
        return Restoration(tuple(sorted(restored)), newest, tuple(damaged))

    def _restore_one(self, copy: Copy, directory: str, restored: dict[str, Copy], damaged: list[str]) -> None:
        target = os.path.join(directory, copy.name)
        partial = os.path.join(directory, f".{copy.name}.restoring")
        _remove(partial)
        why = self._copy_verified(copy, partial)
        if why:
            _remove(partial)
            damaged.append(f"checkpoint {copy.name} (copy {copy.number}) in the store is damaged: {why}")
            return
        _remove(target)
        os.rename(partial, target)
        restored[copy.name] = copy

    def _copy_verified(self, copy: Copy, target: str) -> str:
        """Copy it out; the reason when a file is not what was kept."""
        if copy.is_directory:
            os.makedirs(target, mode=0o700)
        for file in copy.files:
            origin = os.path.join(self._place(copy), file.path or copy.name)
            where = os.path.join(target, file.path) if file.path else target
            try:
                digest = _copy_flushed(origin, where, flush=False)
            except FileNotFoundError:
                return f"{file.path or copy.name} is missing"
            if digest != file.sha256:
                return f"the sha256 of {file.path or copy.name} is not the one recorded"
            os.utime(where, ns=(file.mtime_ns, file.mtime_ns))
        return ""

    def _place(self, copy: Copy) -> str:
        return os.path.join(self._root, _COPIES, f"{copy.number:08d}-{copy.name}"[:200])

    def _read_manifest(self) -> Manifest:
        path = os.path.join(self._root, _MANIFEST)
        try:
            with open(path, "rb") as file:
                return msgspec.json.decode(file.read(), type=Manifest)
        except FileNotFoundError:
            return Manifest()
        except (OSError, msgspec.DecodeError) as error:
            raise StoreError(
                f"the list of checkpoints {path} cannot be read: {error}; move {self._root} away to start anew"
            ) from error

    def _commit(self, manifest: Manifest) -> None:
        """Replace the manifest, then remove what it no longer names."""
        kept = _worth_keeping(manifest.copies)
        os.makedirs(os.path.join(self._root, _COPIES), mode=0o700, exist_ok=True)
        path = os.path.join(self._root, _MANIFEST)
        with open(path + ".partial", "wb") as file:
            file.write(msgspec.json.encode(Manifest(manifest.next_number, kept)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".partial", path)
        _flush_directory(self._root)
        named = {os.path.basename(self._place(copy)) for copy in kept}
        for name in os.listdir(os.path.join(self._root, _COPIES)):
            if name not in named:
                shutil.rmtree(os.path.join(self._root, _COPIES, name), ignore_errors=True)


def _worth_keeping(copies: tuple[Copy, ...]) -> tuple[Copy, ...]:
    """The newest copies of each name that the job still has, and of removed names only as many as make up the newest few."""
    of_name: dict[str, int] = {}
    kept = []
    for copy in sorted(copies, key=lambda one: -one.number):
        is_new_name = copy.name not in of_name
        if of_name.get(copy.name, 0) >= _KEPT_OF_A_NAME:
            continue
        if copy.removed and is_new_name and len(of_name) >= _KEPT_NAMES:
            continue
        of_name[copy.name] = of_name.get(copy.name, 0) + 1
        kept.append(copy)
    return tuple(sorted(kept, key=lambda one: one.number))


def _holds(manifest: Manifest, entry: Entry) -> bool:
    """Whether the last copy under the entry's name is of these very files."""
    for copy in reversed(manifest.copies):
        if copy.name == entry.name:
            held = tuple(FileStamp(file.path, file.size, file.mtime_ns, file.inode) for file in copy.files)
            return not copy.removed and held == entry.files
    return False


def _copy_entry(entry: Entry, source: str, place: str) -> tuple[KeptFile, ...] | None:
    """The entry's files as they were copied; None if one changed while it was read. Raises OSError."""
    files = []
    for stamp in entry.files:
        origin = os.path.join(source, stamp.path) if stamp.path else source
        digest = _copy_flushed(origin, os.path.join(place, stamp.path or entry.name))
        state = os.lstat(origin)
        if (state.st_size, state.st_mtime_ns, state.st_ino) != (stamp.size, stamp.mtime_ns, stamp.inode):
            return None
        files.append(KeptFile(stamp.path, stamp.size, stamp.mtime_ns, digest, stamp.inode))
    return tuple(files)


def _copy_flushed(source: str, target: str, *, flush: bool = True) -> str:
    """Copy a file and return the sha256 (hex) of what was read; with `flush` the copy is on the disk."""
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    digest = hashlib.sha256()
    fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as origin, open(target, "wb", buffering=0) as copy:
        while chunk := origin.read(_CHUNK):
            digest.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[copy.write(view) :]
        if flush:
            os.fsync(copy.fileno())
    return digest.hexdigest()


def _flush_directories(path: str) -> None:
    for directory, _, _ in os.walk(path):
        _flush_directory(directory)


def _flush_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
