"""The fields of `resources:` that say what a node has beside its size: disks, network, ports, image, labels; and its end when idle."""

from __future__ import annotations

from typing import TypeVar, cast, get_args

from tradewind.spec.document import Mapping, Node, Scalar, Sequence
from tradewind.spec.fields import nearest
from tradewind.spec.machine import (
    AttachedDisk,
    AttachMode,
    Autostop,
    DiskTier,
    Image,
    MachineFeature,
    NetworkTier,
    PortRange,
    StorageType,
)
from tradewind.spec.nodes import (
    check_fields,
    kind_of,
    read_amount,
    read_boolean,
    read_mapping,
    read_text,
    read_whole_number,
)
from tradewind.spec.quantities import merge_ports, parse_gigabytes, parse_minutes, parse_network_speed, parse_ports
from tradewind.spec.typed import read_struct

T = TypeVar("T")
DOCKER = "docker:"
_MAX_IDLE = 10_000_000


def read_tier(node: Node, field: str, tiers: object) -> str:
    """One of the tiers' words, in any case."""
    words = get_args(tiers)
    text = read_text(node, field).lower()
    if text not in words:
        raise node.mark.error(field, f"{text!r} is none of {', '.join(words)}", nearest(text, words))
    return text


def read_disk_tier(node: Node, field: str) -> DiskTier:
    """low, medium, high, ultra or best."""
    return cast("DiskTier", read_tier(node, field, DiskTier))


def read_network_tier(node: Node, field: str) -> NetworkTier:
    """Standard or best."""
    return cast("NetworkTier", read_tier(node, field, NetworkTier))


def read_network_speed(node: Node, field: str) -> float:
    """Gbit/s, at least."""
    return read_amount(node, field, parse_network_speed)


def read_features(node: Node, field: str) -> tuple[MachineFeature, ...]:
    """One feature of a machine, or a list of them; each once, in the order of the alphabet."""
    items = node.items if isinstance(node, Sequence) else (node,)
    return tuple(sorted({cast("MachineFeature", read_tier(item, field, MachineFeature)) for item in items}))


def read_disk_size(node: Node, field: str) -> int:
    """Whole GB."""
    return read_amount(node, field, parse_gigabytes)


def read_ports(node: Node, field: str) -> tuple[PortRange, ...]:
    """A port, a range, or a list of both; in order, adjoining ones merged."""
    items = node.items if isinstance(node, Sequence) else (node,)
    for item in items:
        if isinstance(item, Scalar) and isinstance(item.value, float):
            raise item.mark.error(field, f"{item.text} is no port; write 8080, 8000-8010 or a list, from 1 to 65535")
    return merge_ports(port for item in items for port in read_amount(item, field, parse_ports))


def read_image(node: Node, field: str) -> Image | None:
    """An id, `docker:IMAGE`, or a map of regions to ids, in which `docker` names a container; None for a map that names none."""
    if isinstance(node, Mapping):
        found = {name: _image_id(value, f"{field}.{name}") for name, value in node.entries.items()}
        docker = found.pop("docker", None)
        if docker is not None and any(text.startswith(DOCKER) for text in found.values()):
            raise node.mark.error(field, "names a container under `docker` and another under a region; keep one")
        everywhere = found.pop("None") if "None" in node.not_text else None
        if everywhere is None and docker is None and not found:
            return None
        return Image(everywhere, None if docker is None else docker.removeprefix(DOCKER), tuple(sorted(found.items())))
    text = _image_id(node, field)
    return Image(docker=text.removeprefix(DOCKER)) if text.startswith(DOCKER) else Image(text)


def _image_id(node: Node, field: str) -> str:
    text = read_text(node, field).strip()
    if not text.removeprefix(DOCKER):
        node.mark.put_off(field, "must not be empty")
    return text


def read_labels(node: Node, field: str) -> tuple[tuple[str, str], ...]:
    """Names and texts; a cloud is asked whether it can take them only when it is chosen."""
    mapping = read_mapping(node, field)
    for name in mapping.not_text:
        mapping.key_marks[name].put_off(f"{field}.{name}", f"YAML reads this name as {name}, not as text; quote it")
    return tuple(sorted((name, read_text(value, f"{field}.{name}")) for name, value in mapping.entries.items()))


def read_disks(node: Node, field: str) -> tuple[AttachedDisk, ...]:
    """The list of further disks."""
    if not isinstance(node, Sequence):
        raise node.mark.error(field, f"must be a list of disks, not {kind_of(node)}")
    return tuple(read_disk(item, f"{field}[{index}]") for index, item in enumerate(node.items))


def read_disk(item: Node, field: str) -> AttachedDisk:
    """One further disk. A word that is none of a tier's or a mode's is put off: SkyPilot takes another instead, and no launch of ours attaches disks."""
    mapping = read_mapping(item, field)
    entries = dict(mapping.entries)
    for name, part in (("disk_tier", DiskTier), ("storage_type", StorageType), ("attach_mode", AttachMode)):
        word = entries.get(name)
        if isinstance(word, Scalar) and isinstance(word.value, str) and word.value.lower() not in get_args(part):
            word.mark.put_off(f"{field}.{name}", f"{word.value!r} is none of {', '.join(get_args(part))}")
            del entries[name]
    on_network = not isinstance(kind := entries.get("storage_type"), Scalar) or str(kind.value).lower() != "instance"
    if "path" not in entries:
        raise item.mark.error(field, "needs a `path`")
    if on_network and "name" not in entries:
        raise item.mark.error(field, "needs a `name`; a disk of the machine itself is `storage_type: instance`")
    size = entries.get("disk_size")
    if isinstance(size, Scalar) and isinstance(size.value, str) and not on_network:
        gigabytes = read_disk_size(size, f"{field}.disk_size")
        entries["disk_size"] = Scalar(gigabytes, str(gigabytes), size.mark)
    elif (
        isinstance(size, Scalar)
        and isinstance(size.value, int | float)
        and not isinstance(size.value, bool)
        and size.value <= 0
    ):
        size.mark.put_off(f"{field}.disk_size", "must be above 0")
    return read_struct(Mapping(entries, mapping.key_marks, mapping.mark), field, AttachedDisk)


def read_autostop(node: Node, field: str) -> Autostop | None:
    """True, minutes, `2h`, or a map; false, and minutes below 0, mean never."""
    if isinstance(node, Mapping):
        return _autostop_map(node, field)
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return Autostop() if read_boolean(node, field) else None
    if isinstance(node, Scalar) and isinstance(node.value, int | float):
        minutes = read_whole_number(node, field, least=-(10**15), most=_MAX_IDLE, ours=True)
        return Autostop(minutes) if minutes >= 0 else None
    return Autostop(read_amount(node, field, parse_minutes))


def _autostop_map(mapping: Mapping, field: str) -> Autostop:
    check_fields(mapping, f"{field}.", Autostop.__struct_fields__)
    found = read_struct(mapping, field, Autostop)
    for name, value, least in (("idle_minutes", found.idle_minutes, 0), ("hook_timeout", found.hook_timeout, 1)):
        if value is not None and not least <= value:
            raise mapping.entries[name].mark.error(f"{field}.{name}", f"must be from {least} to {_MAX_IDLE}")
        if value is not None and value > _MAX_IDLE:
            mapping.entries[name].mark.put_off(f"{field}.{name}", f"must be from {least} to {_MAX_IDLE}")
    return found
