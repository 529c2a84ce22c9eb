"""What a task brings along: `workdir`, `file_mounts`, `volumes`. Local paths are looked at; what lies elsewhere is not."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

import msgspec

from tradewind.spec.document import Mapping, Mark, Node, Scalar, Sequence
from tradewind.spec.equipment import read_disk
from tradewind.spec.fields import STORAGE_NOTES
from tradewind.spec.nodes import is_null, read_amount, read_mapping, read_text
from tradewind.spec.quantities import parse_gigabytes
from tradewind.spec.storage import GitSource, Storage, StorageMount, Volume, VolumeMount
from tradewind.spec.task import FileMount
from tradewind.spec.typed import read_struct

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_SKYPILOTS = "skypilot:"  # what its own server has stored
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Surroundings(NamedTuple):
    """What paths are read with: the task's variables, and the directory that relative paths count from."""

    envs: dict[str, str]
    base_dir: str

    def substitute(self, text: str) -> str:
        """$X and ${X} replaced where X is one of the task's envs; anything else stands as written."""
        return _VARIABLE.sub(lambda match: self.envs.get(match[1] or match[2], match[0]), text)

    def local_path(self, text: str) -> str:
        """The absolute path that the text names here."""
        return os.path.normpath(os.path.join(self.base_dir, os.path.expanduser(self.substitute(text))))


class FileMounts(NamedTuple):
    """What is copied from here, and the buckets."""

    files: tuple[FileMount, ...] = ()
    buckets: tuple[StorageMount, ...] = ()


def read_workdir(node: Node, around: Surroundings) -> str | GitSource:
    """A local directory as an absolute path, or a git repository."""
    if isinstance(node, Mapping):
        return read_struct(substituted(node, around), "workdir", GitSource)
    path = around.local_path(read_text(node, "workdir"))
    if not os.path.isdir(path):
        what = "is a file, not a directory" if os.path.exists(path) else "does not exist"
        node.mark.put_off("workdir", f"{path} {what}; relative paths count from {around.base_dir}")
    return path


def substituted(node: Node, around: Surroundings) -> Node:
    """The node with the task's variables put in wherever it holds text."""
    if isinstance(node, Mapping):
        entries = {name: substituted(value, around) for name, value in node.entries.items()}
        return Mapping(entries, node.key_marks, node.mark, node.size)
    if isinstance(node, Sequence):
        return Sequence(tuple(substituted(item, around) for item in node.items), node.mark, node.size)
    if isinstance(node.value, str) and "$" in node.value:
        text = around.substitute(node.value)
        return Scalar(text, text, node.mark)
    return node


def read_file_mounts(node: Node | None, around: Surroundings) -> FileMounts:
    """Targets with the local files, or the buckets, that appear there."""
    if node is None:
        return FileMounts()
    mapping = read_mapping(node, "file_mounts")
    files: list[FileMount] = []
    buckets: list[StorageMount] = []
    for target, field, value in _targets(mapping, "file_mounts", around):
        if isinstance(value, Mapping):
            buckets.append(StorageMount(os.path.normpath(target), _storage(value, field, target, around)))
            continue
        source = read_text(value, field)
        if around.substitute(source).endswith("/") or around.substitute(target).endswith("/"):
            value.mark.put_off(field, "ends with a slash; name the directory without it")
        if _URL.match(around.substitute(source)) or source.startswith(_SKYPILOTS):
            buckets.append(StorageMount(target, Storage(source=around.substitute(source), mode="COPY")))
            continue
        files.append(FileMount(os.path.normpath(target), _there(source, value.mark, field, around)))
    return FileMounts(tuple(files), tuple(buckets))


def _there(source: str, mark: Mark, field: str, around: Surroundings) -> str:
    path = around.local_path(source)
    if not os.path.exists(path):
        mark.put_off(field, f"{path} does not exist; relative paths count from {around.base_dir}")
    return path


def _targets(mapping: Mapping, field: str, around: Surroundings) -> list[tuple[str, str, Node]]:
    """Each target as written with the field's name and its value; targets are paths of their own below a directory."""
    found: dict[str, tuple[str, str, Node]] = {}
    for written, value in mapping.entries.items():
        own, key_mark = f"{field}.{written}", mapping.key_marks[written]
        written_out = around.substitute(written)
        target = os.path.normpath(written_out) if written_out.strip() else ""
        if _URL.match(written_out):
            error = key_mark.error(own, "is a bucket, and what is mounted there must be a path on the node")
            if isinstance(value, Mapping):
                raise error
            key_mark.put_off_error(error)
        elif "\0" in target or not target or target.split("/")[0] == "..":
            key_mark.put_off(own, "is no target; a path on the node must not be empty or climb with ..")
        if target in found:
            key_mark.put_off(own, "is the target of two mounts; keep one")
        if target in {"/", "~", "."}:
            key_mark.put_off(own, "would replace a whole directory tree; mount onto a name below it")
        found.setdefault(target, (written_out, own, value))
    return list(found.values())


def _storage(node: Mapping, field: str, target: str, around: Surroundings) -> Storage:
    here = substituted(node, around)
    assert isinstance(here, Mapping)
    if isinstance(store := here.entries.get("store"), Scalar) and store.value == "volume":
        return _volume_of_gcp(here, field, target)
    said = {name: value for name, value in here.entries.items() if name not in STORAGE_NOTES}
    storage = read_struct(Mapping(said, here.key_marks, here.mark), field, Storage)
    _check_mode(storage, node, field)
    return node.mark.at_launch(lambda: _filled(storage, node, field, around), storage)


def _volume_of_gcp(node: Mapping, field: str, target: str) -> Storage:
    """The old way to write one of `resources.volumes`; its checks are a disk's."""
    disk = {name: value for name, value in node.entries.items() if name == "name"}
    disk["path"] = Scalar(target, target, node.mark)
    config = node.entries.get("config")
    if config is not None:
        disk |= read_mapping(config, f"{field}.config").entries
    read_disk(Mapping(disk, node.key_marks, node.mark), field)
    name = node.entries.get("name")
    return Storage(name=None if name is None or is_null(name) else read_text(name, f"{field}.name"), store="VOLUME")


def _filled(storage: Storage, node: Mapping, field: str, around: Surroundings) -> Storage:
    """The bucket with what is copied into it as absolute paths. Raises SpecError where it could not be made."""
    if storage.store == "VOLUME":
        return storage
    if not storage.name and storage.source is None:
        raise node.mark.error(field, "needs a `name` (a bucket to make or find) or a `source` (its URL)")
    if storage.source is None:
        if storage.mode == "COPY":
            raise node.mark.error(field, "needs a `source` to copy")
        if _URL.match(storage.name or ""):
            raise node.key_marks["name"].error(f"{field}.name", "is a URL; write it as the `source`")
        return storage
    sources = (storage.source,) if isinstance(storage.source, str) else storage.source
    local = [source for source in sources if not _URL.match(source)]
    mark = node.entries["source"].mark
    if local and not storage.name:
        raise node.mark.error(field, "needs a `name` for the bucket that the local source is copied to")
    if not local and storage.name:
        raise node.key_marks["name"].error(f"{field}.name", "the source is a bucket already; remove the name")
    if len(local) not in {0, len(sources)}:
        raise node.key_marks["source"].error(f"{field}.source", "mixes local paths and URLs; keep one kind")
    if not local:
        return storage
    if any(source.endswith("/") for source in local):
        raise mark.error(f"{field}.source", "ends with a slash; name the directory without it")
    paths = tuple(_there(source, mark, f"{field}.source", around) for source in local)
    if isinstance(storage.source, str):
        if os.path.isfile(paths[0]):
            raise mark.error(
                f"{field}.source",
                f"{paths[0]} is a file, and a bucket is filled from directories; write a list, or mount the file itself",
            )
        return msgspec.structs.replace(storage, source=paths[0])
    if len({os.path.basename(path) for path in paths}) < len(paths):
        raise mark.error(f"{field}.source", "names two of one name, of which one would be lost")
    return msgspec.structs.replace(storage, source=paths)


def _check_mode(storage: Storage, node: Mapping, field: str) -> None:
    """What is said of a way of mounting goes with that way."""
    config = storage.config
    for name, needs, said in (
        ("type", "MOUNT_CACHED", storage.type is not None),
        ("config.mount_cached", "MOUNT_CACHED", config is not None and config.mount_cached is not None),
        ("config.mount", "MOUNT", config is not None and config.mount is not None),
    ):
        if said and storage.mode != needs:
            mark = node.key_marks[name.partition(".")[0]]
            raise mark.error(f"{field}.{name}", f"goes with `mode: {needs}` only, and the mode is {storage.mode}")


def read_volumes(node: Node | None, around: Surroundings) -> tuple[VolumeMount, ...]:
    """Paths with the name of the volume that appears there, or what one that goes with the cluster is like."""
    if node is None:
        return ()
    mapping = read_mapping(node, "volumes")
    found = []
    for target, field, value in _targets(mapping, "volumes", around):
        if not target.startswith(("/", "~")):
            mapping.mark.put_off(field, "is no absolute path; begin with / or ~")
        volume = value.mark.at_launch(lambda value=value, field=field: _volume(value, field, around), Volume())  # type: ignore[misc]
        found.append(VolumeMount(os.path.normpath(target), volume))
    return tuple(found)


def _volume(value: Node, field: str, around: Surroundings) -> Volume:
    here = substituted(value, around)
    if not isinstance(here, Mapping):
        return Volume(name=read_text(here, field))
    volume = read_struct(here, field, Volume)
    if volume.name is None and volume.size is None:
        raise value.mark.error(field, "needs the `name` of a volume, or a `size` for one that goes with the cluster")
    size = here.entries.get("size")
    if size is not None and not is_null(size):
        read_amount(size, f"{field}.size", parse_gigabytes)
    return volume
