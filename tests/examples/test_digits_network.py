"""The digits example's arithmetic: its gradients are the slopes of its loss, and the same inputs give the same numbers."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

DIGITS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def network() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("digits_network", DIGITS / "network.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["digits_network"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["digits_network"]


@pytest.fixture
def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.random((6, 8, 8, 1)), rng.integers(0, 10, 6)


@pytest.mark.parametrize("name", ["conv1_w", "conv1_b", "conv2_w", "conv2_b", "dense_w", "dense_b", "out_w", "out_b"])
def test_gradients_are_the_slopes_of_the_loss(
    network: ModuleType, batch: tuple[np.ndarray, np.ndarray], name: str
) -> None:
    rng = np.random.default_rng(3)
    params = {n: a.astype(np.float64) for n, a in network.initial(1).items()}
    for n, array in params.items():
        if n.endswith("_b"):
            array[...] = rng.normal(0.1, 0.05, array.shape)  # off the kink that ReLU has at exactly 0
    _, _, gradients = network.loss_and_gradients(params, *batch)
    for _ in range(5):
        where = tuple(rng.integers(0, s) for s in params[name].shape)
        ends = []
        for move in (1e-6, -1e-6):
            moved = {n: a.copy() for n, a in params.items()}
            moved[name][where] += move
            ends.append(network.loss_and_gradients(moved, *batch)[0])
        assert gradients[name][where] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3, abs=1e-6)


def test_a_sum_over_shards_is_the_whole_batch(network: ModuleType, batch: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = batch
    params = {n: a.astype(np.float64) for n, a in network.initial(1).items()}
    loss, correct, whole = network.loss_and_gradients(params, images, labels)
    parts = [network.loss_and_gradients(params, images[i::2], labels[i::2]) for i in range(2)]
    assert loss == pytest.approx(sum(p[0] for p in parts))
    assert correct == sum(p[1] for p in parts)
    for name, array in whole.items():
        np.testing.assert_allclose(array, parts[0][2][name] + parts[1][2][name], atol=1e-9)


def test_shifts_keep_the_shape_and_repeat_by_seed(network: ModuleType, batch: tuple[np.ndarray, np.ndarray]) -> None:
    images = batch[0].astype(np.float32)
    one, two = (network.shifted(images, np.random.default_rng([1, 2])) for _ in range(2))
    assert one.shape == images.shape
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, two)
