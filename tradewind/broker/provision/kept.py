"""The list of what an agent keeps of one rank's checkpoints, as its store writes it: `manifest.json`, and a folder of copies beside it."""

from __future__ import annotations

import os
import shutil

import msgspec

MANIFEST, COPIES = "manifest.json", "copies"


class KeptFile(msgspec.Struct, frozen=True):
    """A file of a copy: its path below the entry, "" when the entry is the file."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


class KeptCopy(msgspec.Struct, frozen=True):
    """One copy of an entry. `number` grows with every copy ever kept."""

    number: int
    name: str
    files: tuple[KeptFile, ...]

    @property
    def folder(self) -> str:
        """As the agent's file store names it."""
        return f"{self.number:08d}-{self.name}"[:200]

    def paths(self) -> list[str]:
        """Where its files lie, below the folder of copies."""
        return [f"{self.folder}/{file.path or self.name}" for file in self.files]


class KeptList(msgspec.Struct, frozen=True):
    """Everything that is kept; what it names lies whole beside it. `next_number` tells how far a store has come."""

    copies: tuple[KeptCopy, ...] = ()
    next_number: int = 1


def read_list(data: bytes) -> KeptList:
    """What a manifest says. Raises ValueError with a sentence: it cannot be read, or names files outside its folder."""
    try:
        kept = msgspec.json.decode(data, type=KeptList)
    except msgspec.DecodeError as error:
        raise ValueError(f"the agent's list of checkpoints cannot be read: {error}") from error
    for copy in kept.copies:
        for name in (copy.name, *(file.path for file in copy.files)):
            if os.path.isabs(name) or ".." in name.split("/") or "/" in copy.name:
                raise ValueError(f"the agent names a checkpoint file outside its directory: {name!r}")
    return kept


def commit(here: str, manifest: bytes, named: set[str]) -> None:
    """The store at `here` has this manifest; then what it no longer names is removed."""
    os.makedirs(os.path.join(here, COPIES), mode=0o700, exist_ok=True)
    path = os.path.join(here, MANIFEST)
    with open(path + ".partial", "wb") as file:
        file.write(manifest)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".partial", path)
    for name in os.listdir(os.path.join(here, COPIES)):
        if name not in named:
            shutil.rmtree(os.path.join(here, COPIES, name), ignore_errors=True)
