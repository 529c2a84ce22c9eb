"""A search over learning rates as a pipeline: one step makes the data, one trains for each rate side by side, one picks the best.

python examples/pipelines/search.py          run it in this machine's runtime
python examples/pipelines/search.py --plan   where each step would run cheapest, and what that costs; buys nothing
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import tradewind as tw

RATES = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
CLASSES, PIXELS = 10, 64


class Digits(NamedTuple):
    """Handwritten digits: a row of pixels from 0 to 1 each, and which digit it is."""

    images: NDArray[np.float64]
    labels: NDArray[np.int64]


class Trained(NamedTuple):
    """A classifier's weights, the rate it was trained with, and the share of unseen digits that it gets right."""

    weights: NDArray[np.float64]
    rate: float
    accuracy: float


@tw.step(cpus=2, hours=0.1, output_gb=0.5)
def load() -> tuple[Digits, Digits]:
    """The digits of UCI that scikit-learn brings along, shuffled: to learn from, and to judge by."""
    from sklearn.datasets import load_digits

    pixels, numbers = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(numbers))
    images = np.asarray(pixels, dtype=np.float64)[order] / 16.0
    labels = np.asarray(numbers, dtype=np.int64)[order]
    return Digits(images[:1400], labels[:1400]), Digits(images[1400:], labels[1400:])


@tw.step(cpus="4+", use_spot=True, hours=1, output_gb=0.1)
def train(rate: float, *, data: tuple[Digits, Digits], epochs: int = 300) -> Trained:
    """Softmax regression by gradient descent."""
    learn, judge = data
    weights = np.zeros((PIXELS, CLASSES))
    wanted = np.eye(CLASSES)[learn.labels]
    for _ in range(epochs):
        scores = learn.images @ weights
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        guessed = odds / odds.sum(axis=1, keepdims=True)
        weights += rate * learn.images.T @ (wanted - guessed) / len(learn.labels)
    accuracy = float(((judge.images @ weights).argmax(axis=1) == judge.labels).mean())
    return Trained(weights, rate, accuracy)


@tw.step(cpus=2, hours=0.1)
def best(found: list[Trained]) -> Trained:
    """The one that is right most often."""
    return max(found, key=lambda trained: trained.accuracy)


@tw.pipeline
def search(rates: list[float]) -> Trained:
    """Fan out over the rates, and in again."""
    return best(train.map(rates, data=load()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", action="store_true", help="show where it would run, and run nothing")
    if parser.parse_args().plan:
        plan = search.plan(RATES)
        for placed in plan.placements:
            place = "/".join(part for part in (placed.cloud, placed.region, placed.zone) if part)
            print(
                f"{placed.task:<6} {placed.num_nodes} x {placed.instance_type:<16} {place:<28} {placed.total_usd:.4f} USD"
            )
        print(
            f"together {plan.total_usd:.4f} USD in {plan.makespan_h:.1f} hours; gap to the optimum {plan.certificate.gap:g}"
        )
        return
    began = time.perf_counter()
    chosen = search.run(RATES).result()
    print(f"the best of {len(RATES)} rates is {chosen.rate:g}: {chosen.accuracy:.1%} of unseen digits right")
    print(f"{time.perf_counter() - began:.1f} s, runtime started and all")


if __name__ == "__main__":
    main()
