"""uvicorn without its signal handlers: the daemon has its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import uvicorn


class PlainServer(uvicorn.Server):
    """Serves until `should_exit` is set."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle none."""
        yield
