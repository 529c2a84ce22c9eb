"""Machines one owns as a cloud: a YAML list of hosts, reached over SSH as one's own `ssh` does, each lent to one instance at a time."""

from __future__ import annotations

import os

from tradewind.broker.clouds.ssh.provider import SshProvider

__all__ = ["MACHINES_FILE", "SshProvider", "make"]

MACHINES_FILE = "ssh_machines.yaml"


def make(data_dir: str) -> SshProvider:
    """A provider of the machines listed in `<data_dir>/ssh_machines.yaml`."""
    from tradewind.broker.provision.remote_environment import EnvironmentMaker

    return SshProvider(
        os.path.join(data_dir, MACHINES_FILE),
        ledger_dir=os.path.join(data_dir, "ssh_instances"),
        prepare=EnvironmentMaker(os.path.join(data_dir, "wheels")),
    )
