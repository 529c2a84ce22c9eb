"""The command line's way to the daemon: connect, and turn whatever goes wrong into one sentence with its exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tradewind.broker.server.client import DaemonClient
from tradewind.cli import exits
from tradewind.cli.errors import CliError


def data_dir() -> str:
    """The data directory that this command line uses, absolute."""
    return os.path.abspath(os.path.expanduser(os.environ.get("TRADEWIND_DATA_DIR") or "~/.tradewind"))
