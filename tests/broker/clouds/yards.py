"""Machines on this computer for tests: yards whose machines are all ended afterwards, and what is left of one on this computer."""

from __future__ import annotations

import os

import pytest

from tradewind.broker.clouds.local import cgroup, network
from tradewind.broker.clouds.local.isolation import means
from tradewind.broker.clouds.local.machines import Yard

HERE = means()
needs_namespaces = pytest.mark.skipif(bool(HERE.no_namespaces), reason=HERE.no_namespaces or "-")
needs_limits = pytest.mark.skipif(bool(HERE.no_limits), reason=HERE.no_limits or "-")
needs_login = pytest.mark.skipif(bool(HERE.no_login), reason=HERE.no_login or "-")


def left_of(yard: Yard) -> list[str]:
    """Every network device, cgroup and directory of its machines, whatever the yard itself says."""
    devices = [name for name in os.listdir("/sys/class/net") if yard.tag in name]
    root = os.path.join(yard._data_dir, "machines")
    folders = [name for name in os.listdir(root) if name != ".lock"] if os.path.isdir(root) else []
    return [*devices, *cgroup.found(yard.tag), *folders]


def end_all(yard: Yard) -> None:
    with yard.locked():
        for machine in yard.machines():
            yard.end(machine.name)
        yard.sweep([])
    assert not network.exists(network.bridge_name(yard.tag))
    assert left_of(yard) == []
