"""A small convolutional network in plain numpy: two 3x3 convolutions, a dense layer, ten digits.

Images are batches of shape (n, 8, 8, 1), values 0..1; labels are integers 0..9; parameters and gradients are dicts of float32 arrays.
Every function is pure, so the same parameters and batch give the same numbers on every node.
"""

from __future__ import annotations

import hashlib

import numpy as np

Arrays = dict[str, np.ndarray]

CHANNELS = 16, 32
HIDDEN = 128
CLASSES = 10


def initial(seed: int) -> Arrays:
    """He's initialisation (He et al. 2015): variance 2 / fan-in, biases 0."""
    rng = np.random.default_rng(seed)
    first, second = CHANNELS
    shapes = {
        "conv1": (9, first),
        "conv2": (9 * first, second),
        "dense": (4 * 4 * second, HIDDEN),
        "out": (HIDDEN, CLASSES),
    }
    params: Arrays = {}
    for name, shape in shapes.items():
        params[f"{name}_w"] = rng.normal(0, np.sqrt(2 / shape[0]), shape).astype(np.float32)
        params[f"{name}_b"] = np.zeros(shape[1], np.float32)
    return params


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to one pixel and lightly noised: the training set never repeats exactly."""
    moved = np.empty_like(images)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for i, (down, right) in enumerate(rng.integers(0, 3, (len(images), 2))):
        moved[i] = padded[i, down : down + 8, right : right + 8]
    return moved + rng.normal(0, 0.05, images.shape).astype(np.float32)


def _patches(x: np.ndarray) -> np.ndarray:
    """The 3x3 neighbourhood of each pixel as a row: (n * 8 * 8, 9 * channels)."""
    n, height, width, channels = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * height * width, 9 * channels)


def _patches_backward(d_patches: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient with respect to `_patches`' input: each neighbourhood's share added back to its pixel."""
    n, height, width, channels = shape
    d = d_patches.reshape(n, height, width, 3, 3, channels)
    padded = np.zeros((n, height + 2, width + 2, channels), d.dtype)
    for row in range(3):
        for column in range(3):
            padded[:, row : row + height, column : column + width] += d[:, :, :, row, column]
    return padded[:, 1:-1, 1:-1]


def _pooled(x: np.ndarray) -> np.ndarray:
    """Means of 2x2 squares: (n, 8, 8, c) -> (n, 4, 4, c)."""
    n, height, width, channels = x.shape
    means: np.ndarray = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    return means


def _forward(params: Arrays, images: np.ndarray) -> tuple[np.ndarray, Arrays]:
    """Class scores (n, 10), and what the backward pass needs."""
    n = len(images)
    seen: Arrays = {"p1": _patches(images)}
    seen["a1"] = np.maximum(seen["p1"] @ params["conv1_w"] + params["conv1_b"], 0)
    seen["p2"] = _patches(seen["a1"].reshape(n, 8, 8, -1))
    seen["a2"] = np.maximum(seen["p2"] @ params["conv2_w"] + params["conv2_b"], 0)
    seen["flat"] = _pooled(seen["a2"].reshape(n, 8, 8, -1)).reshape(n, -1)
    seen["a3"] = np.maximum(seen["flat"] @ params["dense_w"] + params["dense_b"], 0)
    return seen["a3"] @ params["out_w"] + params["out_b"], seen


def loss_and_gradients(params: Arrays, images: np.ndarray, labels: np.ndarray) -> tuple[float, int, Arrays]:
    """Summed cross-entropy, how many images were classified rightly, and the gradient of the sum."""
    n = len(images)
    scores, seen = _forward(params, images)
    scores -= scores.max(1, keepdims=True)
    exponentials = np.exp(scores)
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    loss = float(-np.log(probabilities[np.arange(n), labels] + 1e-12).sum())
    correct = int((scores.argmax(1) == labels).sum())

    d = probabilities
    d[np.arange(n), labels] -= 1
    gradients: Arrays = {"out_w": seen["a3"].T @ d, "out_b": d.sum(0)}
    d = (d @ params["out_w"].T) * (seen["a3"] > 0)
    gradients |= {"dense_w": seen["flat"].T @ d, "dense_b": d.sum(0)}
    d = (d @ params["dense_w"].T).reshape(n, 4, 4, -1)
    d = np.repeat(np.repeat(d, 2, axis=1), 2, axis=2).reshape(n * 64, -1) * 0.25
    d *= seen["a2"] > 0
    gradients |= {"conv2_w": seen["p2"].T @ d, "conv2_b": d.sum(0)}
    d = _patches_backward(d @ params["conv2_w"].T, (n, 8, 8, CHANNELS[0])).reshape(n * 64, -1)
    d = d * (seen["a1"] > 0)
    gradients |= {"conv1_w": seen["p1"].T @ d, "conv1_b": d.sum(0)}
    return loss, correct, gradients


def accuracy(params: Arrays, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images classified rightly, 0..1."""
    scores, _ = _forward(params, images)
    return float((scores.argmax(1) == labels).mean())


def fingerprint(params: Arrays) -> str:
    """A short digest of every bit of the parameters."""
    digest = hashlib.sha256()
    for name in sorted(params):
        digest.update(name.encode() + np.ascontiguousarray(params[name]).tobytes())
    return digest.hexdigest()[:16]
