"""Pages of the arena are made before anybody writes to them: the kernel zeroes a new page when it is touched, which costs a writer more than the copy."""

from __future__ import annotations

import os
import threading

from tradewind.runtime.node.memory_use import memory_use

# So many bytes beyond what has been given out are kept ready, a quarter of a small arena at most.
AHEAD_BYTES = 256 << 20
_STEP = 8 << 20
# A node with less memory left than this share keeps no pages ready.
_LEAVE = 0.2


class Prefault:
    """Makes pages in a thread that lives only while there are some to make."""

    def __init__(self, descriptor: int, capacity: int) -> None:
        self._descriptor = descriptor
        self._capacity = capacity
        self._ahead = min(AHEAD_BYTES, capacity // 4)
        self._lock = threading.Lock()
        self._goal = 0
        self.ready_bytes = 0
        self._thread: threading.Thread | None = None
        self._closing = False

    def given(self, end: int) -> None:
        """Bytes up to end are in use: those behind them will be ready."""
        goal = min(self._capacity, end + self._ahead)
        if goal <= self._goal:
            return
        with self._lock:
            self._goal = goal
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="tradewind-prefault", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                step = min(_STEP, self._goal - self.ready_bytes)
                if step <= 0 or self._closing or memory_use().fraction > 1 - _LEAVE:
                    self._thread = None
                    return
            try:
                os.posix_fallocate(self._descriptor, self.ready_bytes, step)
            except OSError:  # no memory for it: whoever writes will see
                with self._lock:
                    self._thread = None
                return
            self.ready_bytes += step

    def close(self) -> None:
        """No thread works on the arena any more."""
        self._closing = True
        thread = self._thread
        if thread is not None:
            thread.join()
