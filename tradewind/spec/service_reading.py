"""`service:` and `pool:` read from their maps, with SkyPilot's rules of what goes together."""

from __future__ import annotations

from tradewind.spec.document import Mapping, Mark, Node
from tradewind.spec.mounts import Surroundings, substituted
from tradewind.spec.nodes import read_mapping
from tradewind.spec.service import Pool, ReplicaPolicy, Service
from tradewind.spec.typed import read_struct

_POLICY = "service.replica_policy"


def read_service(given: dict[str, Node], around: Surroundings) -> Service | None:
    """The replicas that the task is, None if it is none. Raises SpecError."""
    node = given.get("service")
    if node is None:
        return None
    if "pool" in given:
        raise node.mark.error("service", "pool is given too; a task is one of the two")
    service = read_struct(substituted(node, around), "service", Service)
    mapping = read_mapping(node, "service")
    probe = service.readiness_probe
    path = probe if isinstance(probe, str) else probe.path
    if not path.startswith("/"):
        mark = mapping.entries["readiness_probe"].mark
        raise mark.error("service.readiness_probe", f"the path {path!r} must start with /")
    if service.replica_policy is None:
        return service
    if service.replicas is not None:
        raise mapping.key_marks["replicas"].error(
            "service.replicas", "replica_policy is given too; keep one of the two"
        )
    _check_policy(service.replica_policy, mapping.entries["replica_policy"].mark)
    return service


def _check_policy(policy: ReplicaPolicy, mark: Mark) -> None:
    most, scaled = policy.max_replicas, policy.target_qps_per_replica is not None
    if scaled and most is None:
        raise mark.error(f"{_POLICY}.max_replicas", "is needed beside target_qps_per_replica: how many at most?")
    if most is not None and most < policy.min_replicas:
        raise mark.error(f"{_POLICY}.max_replicas", "must not be below min_replicas")
    if not scaled and most not in {None, policy.min_replicas}:
        raise mark.error(
            f"{_POLICY}.target_qps_per_replica", "is needed to scale between min_replicas and max_replicas"
        )


def read_pool(given: dict[str, Node]) -> Pool | None:
    """The workers that the task is, None if it is none. Raises SpecError."""
    node = given.get("pool")
    if node is None:
        return None
    pool = read_struct(node, "pool", Pool)
    least, most = pool.min_workers, pool.max_workers
    if pool.workers is not None and (least, most) != (None, None):
        raise node.mark.error("pool.workers", "min_workers or max_workers is given too; keep one of the two ways")
    if (pool.workers, least, most) == (None, None, None):
        raise node.mark.error("pool.workers", "is needed: how many? Or min_workers and max_workers")
    beside = [name for name in ("min_workers", "queue_length_threshold") if getattr(pool, name) is not None]
    if most is None and beside:
        raise _mark_of(node, beside[0]).error("pool.max_workers", f"is needed beside {beside[0]}")
    if least is not None and most is not None and most < least:
        raise node.mark.error("pool.max_workers", "must not be below min_workers")
    return pool


def _mark_of(node: Node, name: str) -> Mark:
    return node.key_marks[name] if isinstance(node, Mapping) and name in node.key_marks else node.mark
