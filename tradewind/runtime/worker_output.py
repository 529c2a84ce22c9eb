"""What workers print, on its way to the driver's own output."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from tradewind.runtime.repeated_lines import RepeatedLines

# Ray's name is understood too, for programs that set it.
_SWITCHES = ("TRADEWIND_DEDUP_LOGS", "RAY_DEDUP_LOGS")


class WorkerOutput:
    """Prints the lines of workers; those that many say alike once, and a little later how often."""

    def __init__(self, write: Callable[[list[str], bool], None], now: Callable[[], float]) -> None:
        """Write prints lines, on the error stream if the second argument says so; now is a clock in seconds that does not jump."""
        self._write = write
        self._now = now
        self._lock = threading.Lock()
        self._seen = {False: RepeatedLines(), True: RepeatedLines()}
        self._timer: threading.Timer | None = None
        self._everything = any(os.environ.get(name) == "0" for name in _SWITCHES)

    def show(self, lines: list[str], error: bool) -> None:
        """The lines are printed, or counted."""
        if self._everything:
            self._write(lines, error)
            return
        with self._lock:
            self._print(self._seen[error].take(lines, self._now()), error)
            self._wind()

    def _wind(self) -> None:
        """What is held back will be told in time though nothing more may come. Under the lock."""
        due = min((at for seen in self._seen.values() if (at := seen.due()) is not None), default=None)
        if due is not None and self._timer is None:
            self._timer = threading.Timer(max(0.0, due - self._now()), self._tell)
            self._timer.daemon = True
            self._timer.start()

    def _tell(self) -> None:
        with self._lock:
            self._timer = None
            for error, seen in self._seen.items():
                self._print(seen.flush(self._now()), error)
            self._wind()

    def close(self) -> None:
        """Everything that was held back is told; nothing is left running."""
        with self._lock:
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            for error, seen in self._seen.items():
                self._print(seen.flush(self._now(), everything=True), error)
        if timer is not None:
            timer.join()

    def _print(self, lines: list[str], error: bool) -> None:
        if lines:
            self._write(lines, error)
