"""A parameter server: one actor holds the weights, workers compute gradients on shards of the data, each with the newest weights.

Fits a line to noisy points. Runs on Ray with the import changed.
"""

from __future__ import annotations

import numpy as np

import tradewind.runtime as ray

TRUTH = np.array([2.0, -3.0])
ROUNDS = 60
WORKERS = 4


class ParameterServer:
    """Holds the weights and takes a step for each gradient."""

    def __init__(self, size: int, rate: float) -> None:
        self.weights = np.zeros(size)
        self.rate = rate

    def step(self, *gradients: np.ndarray) -> np.ndarray:
        """The weights after a step along the mean of the gradients."""
        self.weights = self.weights - self.rate * np.mean(gradients, axis=0)
        return self.weights


Servers = ray.remote(ParameterServer)


@ray.remote
def shard(number: int, rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """The points of one worker: inputs with a column of ones, and noisy outputs."""
    random = np.random.default_rng(number)
    inputs = np.column_stack([random.uniform(-1, 1, rows), np.ones(rows)])
    return inputs, inputs @ TRUTH + random.normal(0, 0.1, rows)


@ray.remote
def gradient(weights: np.ndarray, data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Of the mean squared error over the shard."""
    inputs, outputs = data
    slope: np.ndarray = 2 * inputs.T @ (inputs @ weights - outputs) / len(outputs)
    return slope


def main() -> None:
    """Prints the weights found beside the true ones."""
    ray.init(ignore_reinit_error=True)
    server = Servers.remote(2, 0.4)
    shards = [shard.remote(number) for number in range(WORKERS)]
    weights = ray.put(np.zeros(2))
    for _ in range(ROUNDS):
        weights = server.step.remote(*[gradient.remote(weights, data) for data in shards])
    found = ray.get(weights)
    print(f"found {found.round(2).tolist()}, true {TRUTH.tolist()}")
    assert np.allclose(found, TRUTH, atol=0.05)
    ray.shutdown()


if __name__ == "__main__":
    main()
