"""Training on the handwritten digits that may lose its machine at any moment: numpy alone, or PyTorch with `--torch` where it is installed.

What makes it safe are the lines marked with a star. `LR` and `WIDTH` come from the environment, so that one file serves a whole array.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several trainings share this machine in a rehearsal

import argparse
import time
from typing import Any

import numpy as np

from tradewind import checkpoint  # *

SEED = 20260803
BATCH = 128
Arrays = dict[str, np.ndarray]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 images of UCI's handwritten digits, shuffled, flat, in 0..1, and their labels."""
    from sklearn.datasets import load_digits

    data: Any = load_digits()  # scikit-learn ships no types
    order = np.random.default_rng(SEED).permutation(len(data.target))
    return (data.data[order] / 16).astype(np.float32), data.target[order]


def initial(width: int) -> Arrays:
    """One hidden layer of `width`, He's initialisation (arXiv:1502.01852)."""
    rng = np.random.default_rng(SEED)
    return {
        "w1": (rng.standard_normal((64, width)) * np.sqrt(2 / 64)).astype(np.float32),
        "b1": np.zeros(width, np.float32),
        "w2": (rng.standard_normal((width, 10)) * np.sqrt(2 / width)).astype(np.float32),
        "b2": np.zeros(10, np.float32),
    }


def numpy_step(params: Arrays, images: np.ndarray, labels: np.ndarray, lr: float) -> tuple[Arrays, float]:
    """The parameters after one step of gradient descent, and the loss before it."""
    hidden = np.maximum(images @ params["w1"] + params["b1"], 0)
    scores = hidden @ params["w2"] + params["b2"]
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances = shifted / shifted.sum(axis=1, keepdims=True)
    loss = float(-np.log(chances[np.arange(len(labels)), labels] + 1e-12).mean())
    wrong = chances.copy()
    wrong[np.arange(len(labels)), labels] -= 1
    wrong /= len(labels)
    back = (wrong @ params["w2"].T) * (hidden > 0)
    gradients = {"w1": images.T @ back, "b1": back.sum(0), "w2": hidden.T @ wrong, "b2": wrong.sum(0)}
    return {name: (params[name] - lr * gradients[name]).astype(np.float32) for name in params}, loss


def torch_step(params: Arrays, images: np.ndarray, labels: np.ndarray, lr: float) -> tuple[Arrays, float]:
    """The same step by PyTorch's automatic differentiation."""
    import torch

    torch.set_num_threads(1)
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    hidden = torch.relu(torch.from_numpy(images) @ tensors["w1"] + tensors["b1"])
    loss = torch.nn.functional.cross_entropy(hidden @ tensors["w2"] + tensors["b2"], torch.from_numpy(labels))
    loss.backward()
    return {name: (one.detach() - lr * one.grad).numpy() for name, one in tensors.items()}, loss.item()


def accuracy(params: Arrays, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images that are told right."""
    hidden = np.maximum(images @ params["w1"] + params["b1"], 0)
    return float(((hidden @ params["w2"] + params["b2"]).argmax(axis=1) == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument(
        "--pace", type=float, default=0.0, help="seconds of rest after each step: stands for a longer step"
    )
    parser.add_argument("--torch", action="store_true", help="PyTorch's gradients instead of our own")
    options = parser.parse_args()
    lr, width = float(os.environ.get("LR", "0.5")), int(os.environ.get("WIDTH", "64"))
    images, labels = digits()
    cut = len(labels) * 4 // 5
    step_of = torch_step if options.torch else numpy_step

    begin, params = checkpoint.latest() or (0, initial(width))  # *
    if begin:
        print(f"goes on from step {begin}", flush=True)
    for step in range(int(begin), options.steps):
        chosen = np.random.default_rng([SEED, step]).choice(cut, BATCH, replace=False)
        params, loss = step_of(params, images[chosen], labels[chosen], lr)
        if (step + 1) % 50 == 0 or step + 1 == options.steps:  # *
            checkpoint.save(step + 1, params)  # *
            print(f"step {step + 1}/{options.steps}  loss {loss:.4f}", flush=True)
        time.sleep(options.pace)

    reached = accuracy(params, images[cut:], labels[cut:])
    print(f"lr {lr:g} width {width}: accuracy {reached:.4f} on {len(labels) - cut} images it never saw", flush=True)
    if reached < 0.9 and options.steps >= 600:
        raise SystemExit(f"the accuracy of {reached:.4f} is under the 0.9 that was to be reached")


if __name__ == "__main__":
    main()
