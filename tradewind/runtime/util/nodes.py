"""Which node this is, and which names the cluster's actors have."""

from __future__ import annotations

from typing import Any

from tradewind.runtime import session
from tradewind.runtime.messages import cluster


def list_named_actors(all_namespaces: bool = False) -> list[Any]:
    """The names of living actors in this namespace, or {"namespace": ..., "name": ...} of all."""
    process = session.process()
    answer = process.head(cluster.ListNamedActors("" if all_namespaces else process.namespace))
    if all_namespaces:
        return [{"namespace": namespace, "name": name} for namespace, name in answer.names]
    return [name for _, name in answer.names]


def get_node_ip_address() -> str:
    """The address under which other nodes reach this one; 127.0.0.1 in a cluster of one."""
    process = session.process()
    views = process.head(cluster.ListNodes()).nodes
    host = next((view.host for view in views if view.node == process.node), "")
    return "127.0.0.1" if host in {"", "localhost"} else str(host)


def get_node_instance_id() -> str:
    """The node's name in the cluster."""
    return str(session.process().node)


__all__ = ["get_node_instance_id", "get_node_ip_address", "list_named_actors"]
