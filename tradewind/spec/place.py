"""Where: `infra`, and the older `cloud`, `region`, `zone`."""

from __future__ import annotations

from tradewind.spec.document import Node
from tradewind.spec.fields import nearest
from tradewind.spec.nodes import read_text
from tradewind.spec.task import Infra

# Not machines that are bought one by one: they are named with a context or pool of their own, which may hold slashes.
CLUSTERS = {"k8s": "kubernetes", "kubernetes": "kubernetes", "slurm": "slurm", "ssh": "ssh"}
CLOUDS = (
    "aws", "azure", "cloudflare", "coreweave", "cudo", "do", "fluidstack", "gcp", "hyperbolic", "ibm", "lambda", "local", "mithril",
    "nebius", "oci", "paperspace", "primeintellect", "runpod", "scp", "seeweb", "shadeform", "vast", "verda", "vsphere", "yotta",
)  # fmt: skip
OLD_PLACE = ("cloud", "region", "zone")


def read_word(node: Node, field: str) -> str:
    """Text that is not empty, without the blanks around it."""
    text = read_text(node, field).strip()
    if not text:
        raise node.mark.error(field, "must not be empty")
    return text


def read_place(given: dict[str, Node], prefix: str) -> Infra:
    """The place that the fields of a `resources` mapping name; `*` and what is not given mean any."""
    old = [name for name in OLD_PLACE if name in given]
    infra = given.get("infra")
    if infra is not None:
        if old:
            raise given[old[0]].mark.error(f"{prefix}{old[0]}", "infra already says where; keep one of the two")
        return _parse_infra(infra, f"{prefix}infra")
    cloud, region, zone = (read_word(given[name], f"{prefix}{name}") if name in given else None for name in OLD_PLACE)
    return Infra(None if cloud is None else _cloud(given["cloud"], cloud, f"{prefix}cloud"), region, zone)


def _parse_infra(node: Node, field: str) -> Infra:
    text = read_word(node, field)
    head, slash, rest = text.partition("/")
    if head.lower() in CLUSTERS:
        if slash and not rest.strip():
            raise node.mark.error(field, f"{text!r} names nothing after the slash; write {head}, or {head}/NAME")
        return Infra(CLUSTERS[head.lower()], rest.strip() or None)
    parts = [part.strip() for part in text.split("/")]
    if len(parts) > 3 or not all(parts):
        raise node.mark.error(
            field, f"{text!r} is no place; write cloud, cloud/region or cloud/region/zone, with * for any"
        )
    cloud, region, zone = (None if part == "*" else part for part in (*parts, *("*",) * (3 - len(parts))))
    return Infra(None if cloud is None else _cloud(node, cloud, field), region, zone)


def _cloud(node: Node, name: str, field: str) -> str:
    """In lower case. One letter beside a cloud's name is a misspelling; any other name may be from a catalog of the person's own."""
    cloud = CLUSTERS.get(name.lower(), name.lower())
    if len(cloud) > 3 and cloud not in CLOUDS and cloud not in CLUSTERS.values():
        meant = nearest(cloud, (known for known in CLOUDS if abs(len(known) - len(cloud)) <= 1), least=0.8)
        if meant:
            raise node.mark.error(field, f"{name!r} is no cloud", meant)
    return cloud
