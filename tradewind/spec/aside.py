"""What a task file says that is no request: SkyPilot's notes to itself, and the values of secrets that are put into paths."""

from __future__ import annotations

from typing import Any

from tradewind.spec.document import Mapping, Node
from tradewind.spec.fields import RESOURCE_NOTES, TASK_NOTES
from tradewind.spec.nodes import is_null
from tradewind.spec.typed import plain
from tradewind.spec.variables import read_value

_TRUTHS = ("_is_image_managed", "_requires_fuse", "_no_missing_accel_warnings")
_OF_VOLUME = {"name", "type", "cloud", "name_on_cloud"}
_MAPS = ("_metadata", "file_mounts_mapping", "_cluster_config_overrides")


def notes_apart(document: Mapping) -> tuple[dict[str, Any], Mapping]:
    """The notes by their dotted names, and the document without them. A note that is nothing is none. Raises SpecError for one of a wrong kind."""
    found = _notes(document, "", TASK_NOTES)
    entries = {name: node for name, node in document.entries.items() if name not in TASK_NOTES}
    resources = entries.get("resources")
    if isinstance(resources, Mapping):
        found |= _notes(resources, "resources.", RESOURCE_NOTES)
        entries["resources"] = _without(resources, RESOURCE_NOTES)
        if "config" in entries and found.get("resources._cluster_config_overrides"):
            raise resources.mark.error("resources._cluster_config_overrides", "config is given too; keep that one")
    return found, Mapping(entries, document.key_marks, document.mark, document.size, document.not_text)


def _without(mapping: Mapping, names: tuple[str, ...]) -> Mapping:
    kept = {name: node for name, node in mapping.entries.items() if name not in names}
    return Mapping(kept, mapping.key_marks, mapping.mark, mapping.size, mapping.not_text)


def _notes(mapping: Mapping, prefix: str, names: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for name in names:
        node = mapping.entries.get(name)
        if node is None or is_null(node):
            continue
        if name == "_user_specified_yaml":
            continue
        value = plain(node, f"{prefix}{name}")
        wanted = bool if name in _TRUTHS else dict if name in _MAPS else list if name == "volume_mounts" else object
        if not isinstance(value, wanted) or not _whole(name, value):
            raise node.mark.error(f"{prefix}{name}", "is a note of SkyPilot's to itself, and not like this; remove it")
        found[f"{prefix}{name}"] = value
    return found


def _whole(name: str, value: Any) -> bool:
    """Whether the note holds what SkyPilot writes into it."""
    if name == "_docker_login_config":
        return (
            isinstance(value, dict)
            and set(value) == {"username", "password", "server"}
            and all(isinstance(each, str) for each in value.values())
        )
    if name == "volume_mounts":
        return all(
            isinstance(each, dict)
            and isinstance(each.get("volume_config"), dict)
            and set(each["volume_config"]) >= _OF_VOLUME
            for each in value
        )
    return name != "_docker_username_for_runpod"


def inline_values(secrets: Node | None) -> dict[str, str]:
    """The values that the file writes beside its secrets' names."""
    if not isinstance(secrets, Mapping):
        return {}
    return {name: read_value(node, f"secrets.{name}") for name, node in secrets.entries.items() if not is_null(node)}
