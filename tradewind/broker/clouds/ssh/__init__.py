"""Machines one owns as a cloud: a YAML list of hosts, reached over SSH as one's own `ssh` does, each lent to one instance at a time."""

from __future__ import annotations

from tradewind.broker.clouds.ssh.provider import SshProvider

__all__ = ["SshProvider"]
