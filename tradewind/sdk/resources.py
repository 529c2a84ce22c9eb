"""What each node needs, written in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec


class Resources(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What each node needs, in the task file's spellings. What is None is not limited; values are checked when a Task holds them.

    `cpus` is vCPUs and `memory` GiB a node: 4 is exactly, "4+" at least. `accelerators` is "A100:8", {"A100": 8}, or a list of
    alternatives. `infra` is "cloud/region/zone", `*` or nothing for any. `max_hourly_cost` is USD/hour for one node. `any_of` and
    `ordered` hold alternatives, each on top of what stands beside it: the cheapest is taken, or the first that there is.
    """

    infra: str | None = None
    cpus: float | str | None = None
    memory: float | str | None = None
    accelerators: str | Mapping[str, float] | Sequence[str] | None = None
    instance_type: str | None = None
    use_spot: bool | None = None
    arch: Literal["x86_64", "arm64", "any"] | None = None
    burstable: bool | None = None
    max_hourly_cost: float | None = None
    any_of: Sequence[Resources] | None = None
    ordered: Sequence[Resources] | None = None
    job_recovery: str | Mapping[str, Any] | None = None
    priority: int | None = None
    disk_size: int | str | None = None
    disk_tier: str | None = None
    image_id: str | None = None
    ports: int | str | Sequence[int | str] | None = None
    labels: Mapping[str, str] | None = None
    autostop: bool | int | str | Mapping[str, Any] | None = None
    network_tier: str | None = None
    local_disk: str | None = None
    network_speed: float | str | None = None
    features: str | Sequence[str] | None = None
    ephemeral_storage: int | str | None = None
    accelerator_args: Mapping[str, Any] | None = None
    priority_class: str | None = None
    volumes: Sequence[Mapping[str, Any]] | None = None

    def fields(self) -> dict[str, Any]:
        """The fields that are set, as a task file would hold them."""
        given: dict[str, Any] = {}
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if value is not None:
                given[field] = [each.fields() for each in value] if field in {"any_of", "ordered"} else plain(value)
        return given


def plain(value: Any) -> Any:
    """The value in the types that a YAML reader gives."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
