"""The command line's way to the daemon: connect, and turn whatever goes wrong into one sentence with its exit code."""

from __future__ import annotations

import os


def data_dir() -> str:
    """The data directory that this command line uses, absolute."""
    return os.path.abspath(os.path.expanduser(os.environ.get("TRADEWIND_DATA_DIR") or "~/.tradewind"))
