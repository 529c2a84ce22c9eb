"""Fault tolerance: workers are killed, actors are restarted, errors are retried, and the results are right all the same.

Runs on Ray with the import changed.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import tradewind.runtime as ray


@ray.remote(max_retries=4)
def dies_once(marker: str, number: int) -> int:
    """Kills its own process the first time that it runs for a number."""
    path = Path(marker) / str(number)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


@ray.remote(retry_exceptions=[ConnectionError], max_retries=3)
def flaky(marker: str) -> str:
    """Raises once, as a network would."""
    path = Path(marker) / "flaky"
    if not path.exists():
        path.touch()
        raise ConnectionError("the line is down")
    return "connected"


class Counter:
    """Keeps its count in a file, so that it survives its process."""

    def __init__(self, marker: str) -> None:
        self.path = Path(marker) / "count"
        self.count = int(self.path.read_text()) if self.path.exists() else 0

    def add(self) -> int:
        """The count, one higher."""
        self.count += 1
        self.path.write_text(str(self.count))
        return self.count

    def die(self) -> None:
        """Ends the process, once."""
        if not (self.path.parent / "died").exists():
            (self.path.parent / "died").touch()
            os._exit(1)


# As a decorator it works as well; mypy takes a decorated class for the plain class, which has no `remote`.
Counters = ray.remote(max_restarts=2, max_task_retries=2)(Counter)


def main() -> None:
    """Prints what came out in spite of everything."""
    ray.init(ignore_reinit_error=True)
    with tempfile.TemporaryDirectory() as marker:
        squares = ray.get([dies_once.remote(marker, number) for number in range(4)])
        answer = ray.get(flaky.remote(marker))
        counter = Counters.remote(marker)
        counts = [ray.get(counter.add.remote()) for _ in range(2)]
        ray.get(counter.die.remote())
        counts.append(ray.get(counter.add.remote()))
    print(f"squares {squares}, {answer}, counts {counts}")
    assert squares == [0, 1, 4, 9]
    assert counts == [1, 2, 3]
    ray.shutdown()


if __name__ == "__main__":
    main()
