"""What a person sees while something takes longer than a second: one line that says what goes on, and for how long. On a terminal alone."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tradewind.cli import terminal

Hush = Callable[[], None]
PATIENCE_S = 1.0  # what is done sooner needs no line
EACH_S = 0.5


class Line:
    """The last line of a terminal, written over again and again; whatever else is printed there meanwhile goes through `above`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._shown = False

    def show(self, text: str) -> None:
        """The line is this text now, cut to the terminal's width."""
        with self._lock:
            columns = (terminal.width(self._out) or 80) - 1
            self._out.write(f"\r\x1b[K{terminal.cut(text, columns)}")
            self._out.flush()
            self._shown = True

    def clear(self) -> None:
        """There is no line."""
        with self._lock:
            self._clear()

    def above(self, text: str) -> None:
        """The text stands on a line of its own, which stays."""
        with self._lock:
            self._clear()
            print(text, file=self._out, flush=True)

    def _clear(self) -> None:
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()
            self._shown = False


@contextmanager
def ticking(line: Line, said: Callable[[], str]) -> Iterator[Hush]:
    """While the block runs, from PATIENCE_S on, the line says what `said` does ("" is no line) and the seconds since; `said` is called in a thread.

    The block is given what ends it early: before others write to the terminal.
    """
    over = threading.Event()

    def hush() -> None:
        if not over.is_set():
            over.set()
            ticker.join(timeout=0.2)
            line.clear()

    def tick() -> None:
        began = time.monotonic()
        pause = PATIENCE_S
        while not over.wait(pause):
            pause = EACH_S
            text = said()
            if over.is_set():
                return
            if text:
                line.show(f"{text} ({terminal.duration(time.monotonic() - began)})")
            else:
                line.clear()

    # A daemon thread: after Ctrl-C nobody waits for what it asks.
    ticker = threading.Thread(target=tick, name="progress", daemon=True)
    ticker.start()
    try:
        yield hush
    finally:
        hush()


def writes_over(out: TextIO) -> bool:
    """Whether a person looks at `out`, and a line there can be written over."""
    return out.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def searching(what: str, out: TextIO | None = None) -> Iterator[Callable[[float], None] | None]:
    """As `waiting`, for a search that tells its relative gap (0 to 1, infinity before anything is found) to what the block is given: "planning: at most 3.1 % above the least possible (12 s)".

    The block is given None where nobody looks.
    """
    out = sys.stderr if out is None else out
    if not writes_over(out):
        yield None
        return
    gap: list[float] = []

    def told(now: float) -> None:
        gap[:] = [now]

    def said() -> str:
        if not gap:
            return what
        return f"{what}: nothing found yet" if gap[0] > 1 else f"{what}: at most {gap[0]:.1%} above the least possible"

    with ticking(Line(out), said):
        yield told


@contextmanager
def waiting(what: str | Callable[[], str], out: TextIO | None = None) -> Iterator[None]:
    """While the block runs, say what goes on and for how long: "planning (3.0 s)". Quiet in a pipe and on a terminal that cannot write over a line.

    A `what` that may change is called, in a thread, each time it is said.
    """
    out = sys.stderr if out is None else out
    if not writes_over(out):
        yield
        return
    with ticking(Line(out), what if callable(what) else lambda: what):
        yield
