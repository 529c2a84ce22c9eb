"""`service:` and `pool:` read from their maps, with SkyPilot's rules of what goes together."""

from __future__ import annotations

import json
import re

from tradewind.spec.document import Mapping, Mark, Node
from tradewind.spec.mounts import Surroundings, substituted
from tradewind.spec.nodes import is_null, read_mapping
from tradewind.spec.service import Pool, ReplicaPolicy, Service
from tradewind.spec.typed import read_struct

_ACCELERATOR = re.compile(r"[A-Z0-9]+(?::[0-9]+)?")
_POLICY = "service.replica_policy"
BY_ACCELERATOR = "instance_aware_least_load"


def read_service(given: dict[str, Node], around: Surroundings) -> Service | None:
    """The replicas that the task is, None if it is none. Raises SpecError."""
    node = given.get("service")
    if node is None:
        return None
    if "pool" in given:
        raise node.mark.error("service", "pool is given too; a task is one of the two")
    mapping = read_mapping(node, "service")
    if is_null(mapping.entries.get("readiness_probe", node)):
        raise mapping.entries["readiness_probe"].mark.error(
            "service.readiness_probe", "has no value; write a path such as /"
        )
    if "replicas" in mapping.entries and "replica_policy" in mapping.entries:
        raise mapping.key_marks["replicas"].error(
            "service.replicas", "replica_policy is given too; keep one of the two"
        )
    said = {name: value for name, value in mapping.entries.items() if not is_null(value)}
    here = Mapping(said, mapping.key_marks, mapping.mark)
    service = read_struct(substituted(here, around), "service", Service)
    _check_probe(service, mapping)
    _check_counts(service, mapping)
    if service.pool is not None:
        _check_pool(service.pool, said["pool"], "service.pool", service.workers)
    elif service.replica_policy is not None and service.workers is None:
        _check_policy(service.replica_policy, mapping.entries["replica_policy"].mark)
        _check_balancing(service, mapping)
    elif service.load_balancing_policy == BY_ACCELERATOR:
        _check_balancing(service, mapping)
    return service


def _check_probe(service: Service, mapping: Mapping) -> None:
    probe = service.readiness_probe
    path = probe if isinstance(probe, str) else probe.path
    if not path.startswith("/"):
        mark = mapping.entries["readiness_probe"].mark
        raise mark.error("service.readiness_probe", f"the path {path!r} must start with /")
    if not isinstance(probe, str) and isinstance(probe.post_data, str):
        try:
            json.loads(probe.post_data)
        except ValueError as error:
            mark = mapping.entries["readiness_probe"].mark
            raise mark.error("service.readiness_probe.post_data", f"is no JSON: {error}") from error


def _check_counts(service: Service, mapping: Mapping) -> None:
    """Replicas, workers and pools are three words of which one counts."""
    for one, other in (("replicas", "workers"), ("replicas", "pool"), ("replica_policy", "pool")):
        if getattr(service, one) is not None and getattr(service, other) not in {None, Pool()}:
            raise mapping.key_marks[one].error(f"service.{one}", f"{other} is given too; keep one of the two")
    if service.pool not in {None, Pool()}:
        for name in ("ports", "tls", "load_balancing_policy"):
            if getattr(service, name) is not None:
                raise mapping.key_marks[name].error(f"service.{name}", "means nothing for a pool; remove it")


def _check_balancing(service: Service, mapping: Mapping) -> None:
    """A load told for each accelerator goes with the policy that knows accelerators, and only with it."""
    policy = service.replica_policy
    by_accelerator = policy is not None and isinstance(policy.target_qps_per_replica, dict)
    if by_accelerator == (service.load_balancing_policy == BY_ACCELERATOR):
        return
    if by_accelerator:
        mark = mapping.entries["replica_policy"].mark
        raise mark.error(
            f"{_POLICY}.target_qps_per_replica",
            f"a map of accelerators needs `load_balancing_policy: {BY_ACCELERATOR}`",
        )
    mark = mapping.entries["load_balancing_policy"].mark
    raise mark.error(
        "service.load_balancing_policy", f"{BY_ACCELERATOR} needs target_qps_per_replica as a map of accelerators"
    )


def _check_policy(policy: ReplicaPolicy, mark: Mark) -> None:
    loads = policy.target_qps_per_replica
    for name in loads if isinstance(loads, dict) else ():
        if not _ACCELERATOR.fullmatch(name):
            raise mark.error(
                f"{_POLICY}.target_qps_per_replica", f"{name!r} is no accelerator in capital letters, as H100 or A100:2"
            )
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
    _check_pool(pool, node, "pool")
    return pool


def _check_pool(pool: Pool, node: Node, field: str, workers: int | None = None) -> None:
    """With `max_workers` the number moves between `min_workers` (or `workers`) and that, by the length of the queue."""
    least, most = pool.min_workers, pool.max_workers
    fixed = pool.workers if pool.workers is not None else workers
    if (fixed, least, most) == (None, None, None):
        raise node.mark.error(f"{field}.workers", "is needed: how many? Or min_workers and max_workers")
    beside = [name for name in ("min_workers", "queue_length_threshold") if getattr(pool, name) is not None]
    if most is None and beside:
        raise _mark_of(node, beside[0]).error(f"{field}.max_workers", f"is needed beside {beside[0]}")
    delays = [name for name in ("upscale_delay_seconds", "downscale_delay_seconds") if getattr(pool, name) is not None]
    if most is None and delays:
        raise _mark_of(node, delays[0]).error(
            f"{field}.{delays[0]}", "means nothing for a fixed number of workers; remove it"
        )
    lowest = least if least is not None else 1 if fixed is None else fixed
    if most is not None and most < lowest:
        raise node.mark.error(f"{field}.max_workers", f"must not be below {lowest}, the least that there are")


def _mark_of(node: Node, name: str) -> Mark:
    return node.key_marks[name] if isinstance(node, Mapping) and name in node.key_marks else node.mark
