"""Which data directory is in use."""

from __future__ import annotations

import os


def data_dir() -> str:
    """The data directory in use, absolute: TRADEWIND_DATA_DIR, else ~/.tradewind."""
    return os.path.abspath(os.path.expanduser(os.environ.get("TRADEWIND_DATA_DIR") or "~/.tradewind"))
