"""Data-parallel training on the handwritten digits: gradient tasks on every node, one parameter server, synchronous updates.

Runs alone on this machine (`python examples/digits/train.py`), on a rehearsed cluster and on a real one, unchanged. As a job it checkpoints every
two seconds and goes on from the last one; the same seed gives the same network, interrupted or not.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: one thread a task, so that two tasks fill two cores

import argparse
import time
from typing import Any

import network
import numpy as np

from tradewind import checkpoint, runtime
from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy

SEED = 20260803
BATCH = 256
SHARDS = 2  # fixed, whatever the number of nodes: the sum of gradients must not depend on where they were computed
LEARNING_RATE = 0.05
MOMENTUM = 0.9


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 images of UCI's optical recognition of handwritten digits, shuffled: (n, 8, 8, 1) in 0..1, and labels."""
    from sklearn.datasets import load_digits

    data: Any = load_digits()  # scikit-learn ships no types
    order = np.random.default_rng(SEED).permutation(len(data.target))
    return (data.images[order, ..., None] / 16).astype(np.float32), data.target[order]


@runtime.remote(num_cpus=1)
def gradient(
    params: network.Arrays, images: np.ndarray, labels: np.ndarray, step: int, shard: int
) -> tuple[float, int, network.Arrays, str]:
    """Loss, hits and gradient over one shard of the step's batch, and the node that worked."""
    rng = np.random.default_rng([SEED, step])
    chosen = rng.choice(len(labels), BATCH, replace=False)[shard::SHARDS]
    batch = network.shifted(images[chosen], np.random.default_rng([SEED, step, shard]))
    loss, correct, gradients = network.loss_and_gradients(params, batch, labels[chosen])
    return loss, correct, gradients, runtime.get_runtime_context().get_node_id()


class ParameterServer:
    """Holds the parameters and their momentum; every update is one synchronous step of gradient descent with a cosine schedule."""

    def __init__(self, steps: int, state: network.Arrays | None) -> None:
        self.steps = steps
        self.params = network.initial(SEED)
        self.momentum = {name: np.zeros_like(array) for name, array in self.params.items()}
        if state is not None:
            for name in self.params:
                self.params[name], self.momentum[name] = state[name], state[f"momentum_{name}"]

    def update(self, step: int, *shards: tuple[float, int, network.Arrays, str]) -> tuple[float, float, list[str]]:
        """Apply the shards' gradients; the batch's mean loss, its accuracy, and the nodes that worked."""
        rate = np.float32(LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / self.steps)))
        for name in self.params:
            total = np.sum([gradients[name] for _, _, gradients, _ in shards], axis=0) / np.float32(BATCH)
            self.momentum[name] = np.float32(MOMENTUM) * self.momentum[name] - rate * total
            self.params[name] = self.params[name] + self.momentum[name]
        loss = sum(loss for loss, _, _, _ in shards) / BATCH
        return loss, sum(correct for _, correct, _, _ in shards) / BATCH, [node for *_, node in shards]

    def parameters(self) -> network.Arrays:
        """The parameters as they stand."""
        return self.params

    def state(self) -> network.Arrays:
        """All that a checkpoint must hold."""
        return self.params | {f"momentum_{name}": array for name, array in self.momentum.items()}


# As a decorator it works as well; mypy takes a decorated class for the plain class, which has no `remote`.
Servers = runtime.remote(num_cpus=0)(ParameterServer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1300)
    parser.add_argument("--target", type=float, default=0.95, help="fail when the test accuracy is under this")
    parser.add_argument(
        "--checkpoints", metavar="DIR", help="where to keep them, outside a job; none are kept if not given"
    )
    parser.add_argument("--checkpoint-every", type=float, default=2.0, metavar="SECONDS")
    options = parser.parse_args()
    steps = options.steps
    if options.checkpoints:
        os.environ["TRADEWIND_CHECKPOINT_DIR"] = options.checkpoints
    keeps = "TRADEWIND_CHECKPOINT_DIR" in os.environ

    runtime.init()
    nodes = [node["NodeID"] for node in runtime.nodes() if node["Alive"]]
    print(f"{len(nodes)} node(s), {runtime.cluster_resources().get('CPU', 0):g} CPUs", flush=True)

    images, labels = digits()
    cut = len(labels) * 4 // 5
    train_images, train_labels = runtime.put(images[:cut]), runtime.put(labels[:cut])
    test_images, test_labels = images[cut:], labels[cut:]

    saved = checkpoint.latest() if keeps else None
    start, state = (int(saved[0]), saved[1]) if saved else (0, None)
    if saved:
        print(f"resumed from the checkpoint at step {start}", flush=True)
    server = Servers.remote(steps, state)
    places = [
        gradient.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(nodes[shard % len(nodes)], soft=True),
        )
        for shard in range(SHARDS)
    ]

    worked: set[str] = set()
    began = last_saved = last_shown = time.monotonic()
    for step in range(start, steps):
        params = server.parameters.remote()
        shards = [place.remote(params, train_images, train_labels, step, shard) for shard, place in enumerate(places)]
        loss, hits, where = runtime.get(server.update.remote(step, *shards))
        worked.update(where)
        done, now = step + 1, time.monotonic()
        if keeps and (done == steps or now - last_saved >= options.checkpoint_every):
            checkpoint.save(done, runtime.get(server.state.remote()))
            last_saved = now
        if done == steps or done == start + 1 or now - last_shown >= 1:
            epoch = done * BATCH / cut
            print(f"epoch {epoch:6.1f}  step {done:5d}/{steps}  loss {loss:.4f}  accuracy {hits:.3f}", flush=True)
            last_shown = now

    elapsed = time.monotonic() - began
    print(
        f"{steps - start} steps in {elapsed:.1f} s; gradients from {len(worked)} node(s): {', '.join(sorted(worked))}"
    )
    params = runtime.get(server.parameters.remote())
    accuracy = network.accuracy(params, test_images, test_labels)
    print(f"fingerprint {network.fingerprint(params)}: the same seed gives the same network")
    print(f"test accuracy {accuracy:.4f} on {len(test_labels)} images the network never saw", flush=True)
    runtime.shutdown()
    if accuracy < options.target:
        raise SystemExit(f"the accuracy of {accuracy:.4f} is under the {options.target:g} that was to be reached")


if __name__ == "__main__":
    main()
