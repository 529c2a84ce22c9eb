"""What the agent says of itself: lines of its own log, which is what its standard error goes to."""

from __future__ import annotations

import contextlib
import sys


def note(sentence: str) -> None:
    """The sentence stands in the agent's log; on a full disk it does not, and the agent goes on."""
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)
