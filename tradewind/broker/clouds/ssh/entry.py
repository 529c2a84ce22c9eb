"""One's own machines in the registry: usable once there is a list of them."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import msgspec

from tradewind.broker.clouds.ssh.provider import SshProvider

EXTRA = "ssh"
LIST = "ssh_machines.yaml"
LEDGER = "ssh_ledger"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person may set. `machines` is the path of the list, "" for `ssh_machines.yaml` in the data directory."""

    machines: str = ""


def list_path(settings: Settings, data_dir: str) -> str:
    """Where the list of machines lies."""
    return os.path.expanduser(settings.machines) if settings.machines else os.path.join(data_dir, LIST)


def why_not(settings: Settings, data_dir: str = "") -> str:
    """Why no machine of one's own can be used from here, in a few words; "" when there is a list. Calls nobody."""
    if importlib.util.find_spec("asyncssh") is None:
        return f"its library is not installed: pip install 'tradewind[{EXTRA}]'"
    path = list_path(settings, data_dir)
    return "" if os.path.exists(path) else f"no list of machines at {path} (docs/clouds/ssh.md shows one)"


def make(settings: Settings, data_dir: str, prepare: Any) -> SshProvider:
    """The provider; nobody is called. `prepare` makes each machine ready for an agent."""
    path = list_path(settings, data_dir)
    return SshProvider(path, ledger_dir=os.path.join(data_dir, LEDGER), prepare=prepare)
