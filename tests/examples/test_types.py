"""The examples as type checkers see them: mypy --strict and pyright, over every folder; what calls of the runtime give is known to them."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = sorted({path.parent for path in (ROOT / "examples").rglob("*.py")})

CALLS = """
from typing import assert_type
from collections.abc import Iterator
import tradewind.runtime as ray

@ray.remote
def square(x: int) -> int:
    return x * x

@ray.remote(num_cpus=2)
def root(x: float) -> float:
    return x / 2

@ray.remote(num_returns=2)
def pair() -> tuple[int, str]:
    return 1, "a"

class Counter:
    def __init__(self, start: int) -> None:
        self.count = start

Counters = ray.remote(max_restarts=1)(Counter)

assert_type(square.remote(3), ray.ObjectRef[int])
assert_type(ray.get(square.remote(3)), int)
assert_type(ray.get([root.remote(2.0), root.remote(3.0)]), list[float])
assert_type(ray.get(square.options(num_cpus=1).remote(3)), int)
assert_type(ray.get(ray.put("text")), str)
assert_type(ray.wait([square.remote(1)])[0], list[ray.ObjectRef[int]])
assert_type(Counters.remote(1), ray.ActorHandle[Counter])
one, two = pair.remote()

async def waits() -> int:
    return await square.remote(3)
"""


def checked(*command: str, cwd: pathlib.Path) -> None:
    ran = subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.timeout(600)  # mypy reads the whole package first
def test_mypy_strict_accepts_them(tmp_path: pathlib.Path) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "calls.py").write_text(CALLS)
    shared = ("mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache"))
    for folder in (*FOLDERS, tmp_path / "calls"):
        checked(*shared, *sorted(path.name for path in folder.glob("*.py")), cwd=folder)


@pytest.mark.timeout(300)
def test_pyright_accepts_them() -> None:
    checked("pyright", "--pythonpath", sys.executable, cwd=ROOT)


def test_pyright_knows_what_calls_give(tmp_path: pathlib.Path) -> None:
    (tmp_path / "calls.py").write_text(CALLS)
    (tmp_path / "pyrightconfig.json").write_text(f'{{"typeCheckingMode": "standard", "extraPaths": ["{ROOT}"]}}')
    checked("pyright", "--pythonpath", sys.executable, cwd=tmp_path)
