"""A streaming pipeline: a source makes batches one by one, stages work on them as they come, and back-pressure keeps the source from running ahead.

Runs on Ray with the import changed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import tradewind.runtime as ray

BATCHES, ROWS = 24, 10_000


@ray.remote(num_returns="streaming", _generator_backpressure_num_objects=4)
def source() -> Iterator[np.ndarray]:
    """Batches of numbers, at most four ahead of whoever reads."""
    for number in range(BATCHES):
        yield np.arange(number * ROWS, (number + 1) * ROWS, dtype=np.float64)


@ray.remote
def clean(batch: np.ndarray) -> np.ndarray:
    """Every third number goes."""
    kept: np.ndarray = batch[batch % 3 != 0]
    return kept


class Statistics:
    """Adds batches up."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0

    def add(self, batch: np.ndarray) -> int:
        """The number of numbers so far."""
        self.count += len(batch)
        self.sum += float(batch.sum())
        return self.count

    def mean(self) -> float:
        """Of all that was added."""
        return self.sum / self.count


Adders = ray.remote(Statistics)


def main() -> None:
    """Prints the mean of what came through."""
    ray.init(ignore_reinit_error=True)
    statistics = Adders.remote()
    last = None
    for batch in source.remote():
        last = statistics.add.remote(clean.remote(batch))
    count, mean = ray.get(last), ray.get(statistics.mean.remote())
    numbers = np.arange(BATCHES * ROWS)
    kept = numbers[numbers % 3 != 0]
    print(f"{count} numbers, mean {mean:.1f}")
    assert count == len(kept)
    assert np.isclose(mean, kept.mean())
    ray.shutdown()


if __name__ == "__main__":
    main()
