"""What flags change in a task file: a flag wins over the file, "none" clears the field."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf

import msgspec

from tradewind.spec.document import Mapping, Mark, Node, Scalar, Sequence
from tradewind.spec.equipment import read_autostop
from tradewind.spec.policy import REFERENCE

_TASK_FLAGS = {
    "name": "--name",
    "workdir": "--workdir",
    "num_nodes": "--num-nodes",
    "run": "the command",
    "budget": "--budget",
}
_RESOURCE_FLAGS = {
    "infra": "--infra",
    "cpus": "--cpus",
    "memory": "--memory",
    "accelerators": "--gpus",
    "instance_type": "--instance-type",
    "use_spot": "--use-spot",
    "max_hourly_cost": "--max-hourly-cost",
    "arch": "--arch",
    "priority": "--priority",
    "job_recovery": "--job-recovery",
    "disk_size": "--disk-size",
    "disk_tier": "--disk-tier",
    "network_tier": "--network-tier",
    "local_disk": "--local-disk",
    "network_speed": "--network-speed",
    "image_id": "--image-id",
}
# A flag replaces every spelling of the same thing.
_REPLACES = {
    "infra": ("infra", "cloud", "region", "zone"),
    "accelerators": ("accelerators", "gpus"),
    "disk_size": ("disk_size", "ephemeral_storage"),
}


class Overrides(msgspec.Struct, frozen=True):
    """Values from flags; None leaves the file's. Texts are read as the file's values are ("4+", "A100:8", "aws/us-east-1").

    `run` is a command given in place of a file's. `ports` and `features` replace the file's. `envs` are added to the file's and win over them; the names in `secrets` to the
    file's. `git_url` takes the place of any work directory, `git_ref` that of its ref. What is said of `autostop` is put into the file's; `idle_minutes` below 0
    clears it.
    """

    name: str | None = None
    workdir: str | None = None
    num_nodes: int | None = None
    run: str | None = None
    infra: str | None = None
    cpus: str | None = None
    memory: str | None = None
    accelerators: str | None = None
    instance_type: str | None = None
    use_spot: bool | None = None
    max_hourly_cost: float | None = None
    arch: str | None = None
    priority: int | None = None
    job_recovery: str | None = None
    disk_size: str | None = None
    disk_tier: str | None = None
    network_tier: str | None = None
    local_disk: str | None = None
    network_speed: str | None = None
    features: tuple[str, ...] = ()
    image_id: str | None = None
    git_url: str | None = None
    git_ref: str | None = None
    idle_minutes: int | None = None
    autostop_down: bool | None = None
    wait_for: str | None = None
    ports: tuple[str, ...] = ()
    budget: str | None = None
    envs: dict[str, str] = {}
    secrets: tuple[str, ...] = ()


def apply_overrides(document: Mapping, overrides: Overrides) -> Mapping:
    """The document as if its author had written the flags' values; errors in them name the flag."""
    task = _put(document, {field: _scalar(getattr(overrides, field), flag) for field, flag in _TASK_FLAGS.items()})
    envs = {name: Scalar(value, value, Mark(f"--env {name}")) for name, value in overrides.envs.items()}
    if envs:
        task = _put(task, {"envs": _put(_mapping_at(task, "envs"), envs)})
    if overrides.git_url is not None or overrides.git_ref is not None:
        task = _put(task, {"workdir": _git(task, overrides)})
    if overrides.secrets:
        task = _put(task, {"secrets": _with_secrets(task, overrides.secrets)})
    changes: dict[str, Node | None] = {
        field: _scalar(getattr(overrides, field), flag) for field, flag in _RESOURCE_FLAGS.items()
    }
    changes["ports"] = _listed(overrides.ports, "--ports")
    changes["features"] = _listed(overrides.features, "--feature")
    changes["autostop"] = _autostop(task, overrides)
    if any(node is not None for node in changes.values()):
        resources = _put(_mapping_at(task, "resources"), changes)
        for name in ("any_of", "ordered"):
            entries = resources.entries.get(name)
            if isinstance(entries, Sequence):  # a flag holds for every alternative
                kept = tuple(_drop(item, changes) for item in entries.items)
                resources = _put(resources, {name: Sequence(kept, entries.mark)})
        task = _put(task, {"resources": resources})
    return task


def _with_secrets(document: Mapping, names: tuple[str, ...]) -> Node:
    """The file's secrets, a list or a map, and these."""
    found = document.entries.get("secrets")
    nodes = tuple(Scalar(name, name, Mark(f"--secret {name}")) for name in names)
    if isinstance(found, Mapping):
        return _put(found, {node.text: Scalar(None, "", node.mark) for node in nodes})
    nodes = tuple(Scalar(f"{REFERENCE}{node.text}", node.text, node.mark) for node in nodes)
    return Sequence((*(found.items if isinstance(found, Sequence) else ()), *nodes), nodes[0].mark)


def _git(document: Mapping, overrides: Overrides) -> Node:
    """The repository that the flags name, or the file's at another ref."""
    found = document.entries.get("workdir")
    url, ref = _scalar(overrides.git_url, "--git-url"), _scalar(overrides.git_ref, "--git-ref")
    if url is not None:
        return _put(Mapping({}, {}, url.mark), {"url": url, "ref": ref})
    assert ref is not None, "one of the two is given"
    if not isinstance(found, Mapping):
        raise ref.mark.error("workdir", "is no git repository; name one with --git-url")
    return _put(found, {"ref": ref})


def _autostop(document: Mapping, overrides: Overrides) -> Node | None:
    """The file's autostop with what the flags say of it; `--down` alone ends the cluster with its last job, as SkyPilot's does."""
    minutes, down, wait_for = overrides.idle_minutes, overrides.autostop_down, overrides.wait_for
    if minutes is None and down is None and wait_for is None:
        return None
    if minutes is not None and minutes < 0:
        return Scalar(False, "false", Mark("--idle-minutes-to-autostop"))
    node = _mapping_at(document, "resources").entries.get("autostop")
    found = node if isinstance(node, Mapping) else Mapping({}, {}, Mark("--down"))
    before = None if node is None or isinstance(node, Mapping) else read_autostop(node, "resources.autostop")
    if minutes is None and before is not None:
        minutes = before.idle_minutes
    elif minutes is None and down and "idle_minutes" not in found.entries:
        minutes = 0
    return _put(
        found,
        {
            "idle_minutes": _scalar(minutes, "--idle-minutes-to-autostop"),
            "down": _scalar(down, "--down"),
            "wait_for": _scalar(wait_for, "--wait-for"),
        },
    )


def _scalar(value: object, flag: str) -> Scalar | None:
    if value is None:
        return None
    text = str(value)
    cleared = isinstance(value, str) and text.lower() == "none" and flag != "the command"
    return Scalar(None if cleared else value, text, Mark(flag))


def _listed(words: tuple[str, ...], flag: str) -> Node | None:
    here = Mark(flag)
    if any(word.lower() == "none" for word in words):
        return Scalar(None, "none", here)
    return Sequence(tuple(Scalar(word, word, here) for word in words), here) if words else None


def _mapping_at(document: Mapping, field: str) -> Mapping:
    found = document.entries.get(field)
    if isinstance(found, Mapping):
        return found
    if found is None or (isinstance(found, Scalar) and found.value is None):
        return Mapping({}, {}, document.mark)
    raise found.mark.error(field, "must be a mapping of names to values")


def _put(document: Mapping, changes: MappingOf[str, Node | None]) -> Mapping:
    entries, marks = dict(document.entries), dict(document.key_marks)
    for field, node in changes.items():
        if node is None:
            continue
        for spelling in _REPLACES.get(field, (field,)):
            entries.pop(spelling, None)
        entries[field] = node
        marks[field] = node.mark
    return Mapping(entries, marks, document.mark, document.size)


def _drop(item: Node, changes: MappingOf[str, Node | None]) -> Node:
    if not isinstance(item, Mapping):
        return item
    gone = {
        spelling for field, node in changes.items() if node is not None for spelling in _REPLACES.get(field, (field,))
    }
    kept = {name: node for name, node in item.entries.items() if name not in gone}
    return Mapping(kept, item.key_marks, item.mark, item.size)
