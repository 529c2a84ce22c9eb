"""Starts the runtime's long-lived processes on this machine: the head, and a node daemon that joins it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tradewind.runtime.credentials import ClusterCredentials

__all__ = ["ClusterCredentials", "RuntimeProcess", "start_head", "start_node"]

_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass
class RuntimeProcess:
    """A started process of the runtime, in a session and process group of its own."""

    pid: int
    address: str
    directory: str

    def poll(self) -> int | None:
        """The exit status once the process has ended, else None."""
        raise NotImplementedError

    def stop(self, grace_s: float = 2.0) -> None:
        """The process and all that it started are gone when this returns; it had grace_s seconds to end by itself."""
        raise NotImplementedError


def start_head(
    directory: str,
    host: str,
    *,
    credentials: ClusterCredentials,
    die_with_parent: bool = True,
    timeout_s: float = 10,
) -> RuntimeProcess:
    """A head that listens on host (address "host:port", gRPC, mutual TLS); its records are durable in directory."""
    raise NotImplementedError


def start_node(
    directory: str,
    head_address: str,
    host: str,
    *,
    credentials: ClusterCredentials,
    resources: Mapping[str, float],
    python: str,
    working_dir: str,
    labels: Mapping[str, str] = _EMPTY,
    env: Mapping[str, str] = _EMPTY,
    object_store_bytes: int | None = None,
    die_with_parent: bool = True,
    timeout_s: float = 10,
) -> RuntimeProcess:
    """A node daemon that has joined the head; its address is "unix:<path>", which `init()` reads from TRADEWIND_ADDRESS."""
    raise NotImplementedError
