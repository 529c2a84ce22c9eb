"""Where: `infra`, and the older `cloud`, `region`, `zone`."""

from __future__ import annotations

import re

from tradewind.spec.document import Node
from tradewind.spec.errors import UnknownCloud
from tradewind.spec.fields import nearest
from tradewind.spec.nodes import read_text
from tradewind.spec.task import Infra

# Not machines that are bought one by one: they are named with a context or pool of their own, which may hold slashes.
CLUSTERS = {"k8s": "kubernetes", "kubernetes": "kubernetes", "slurm": "slurm", "ssh": "ssh"}
CLOUDS = (
    "aws", "azure", "cudo", "do", "fluidstack", "gcp", "hyperbolic", "ibm", "lambda", "local", "mithril",
    "nebius", "oci", "paperspace", "primeintellect", "runpod", "scp", "seeweb", "shadeform", "vast", "verda", "vsphere", "yotta",
)  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")  # as a catalog of one's own may name a cloud
OLD_PLACE = ("cloud", "region", "zone")


def read_word(node: Node, field: str) -> str:
    """Text without the blanks around it; a launch refuses nothing but blanks."""
    text = read_text(node, field).strip()
    if not text:
        node.mark.put_off(field, "must not be empty")
    return text


def read_place(given: dict[str, Node], prefix: str) -> Infra:
    """The place that the fields of a `resources` mapping name; `*` and what is not given mean any."""
    old = [name for name in OLD_PLACE if name in given]
    infra = given.get("infra")
    if infra is not None:
        if old:
            raise given[old[0]].mark.error(f"{prefix}{old[0]}", "infra already says where; keep one of the two")
        return _parse_infra(infra, f"{prefix}infra")
    region, zone = (read_word(given[name], f"{prefix}{name}") if name in given else None for name in OLD_PLACE[1:])
    cloud = given.get("cloud")
    if cloud is None:
        return Infra(None, region, zone)
    name, field = read_text(cloud, f"{prefix}cloud"), f"{prefix}cloud"
    if name.lower() == "k8s":
        raise cloud.mark.error(field, "'k8s' is no cloud", "kubernetes")
    return Infra(_cloud(cloud, name, field), region, zone)


def _parse_infra(node: Node, field: str) -> Infra:
    text = read_text(node, field)
    head, slash, rest = text.partition("/")
    if head.lower() in {"k8s", "kubernetes"}:
        if slash and not rest:
            raise node.mark.error(field, f"{text!r} names nothing after the slash; write {head}, or {head}/NAME")
        return Infra("kubernetes", rest.strip() or None)
    parts = text.split("/")
    if len(parts) > 3 or not all(parts):
        raise node.mark.error(
            field, f"{text!r} is no place; write cloud, cloud/region or cloud/region/zone, with * for any"
        )
    if head.lower() in CLUSTERS:
        return Infra(CLUSTERS[head.lower()], rest.strip() or None)
    cloud, region, zone = (
        None if part in {"", "*"} else part for part in (head, *map(str.strip, parts[1:]), *("*",) * (3 - len(parts)))
    )
    return Infra(None if cloud is None else _cloud(node, cloud, field), region, zone)


def _cloud(node: Node, name: str, field: str) -> str:
    """In lower case. Any name may be from a catalog of the person's own, which a plan looks into; one letter beside a cloud's name is a misspelling."""
    cloud = CLUSTERS.get(name.lower(), name.lower())
    if cloud in CLOUDS or cloud in CLUSTERS.values():
        return cloud
    if not _NAME.fullmatch(cloud):
        raise node.mark.error(field, f"{name!r} is no cloud")
    if len(cloud) > 3:
        meant = nearest(cloud, (known for known in CLOUDS if abs(len(known) - len(cloud)) <= 1), least=0.8)
        if meant:
            raise node.mark.error(field, f"{name!r} is no cloud", meant)
    if node.mark.later is not None:
        mark = node.mark
        near = nearest(cloud, (*CLOUDS, *CLUSTERS.values()))
        node.mark.later.append(
            UnknownCloud(mark.file, mark.line, mark.column, field, f"{name!r} is no cloud", near, cloud=cloud)
        )
    return cloud
