"""What docs/python.md and examples/pipelines/ print is what runs, and what type checkers accept."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

import tradewind as tw

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = ROOT / "examples" / "pipelines"
LINES = re.findall(r"^    python (\S.*?)(?: *#.*)?$", (EXAMPLES / "README.md").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An empty HOME with a data directory, whose daemon and clusters are gone at the end."""
    directory = tmp_path_factory.mktemp("home")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TRADEWIND_", "AWS_", "GOOGLE_"))}
    env = {**kept, "HOME": str(directory), "TRADEWIND_DATA_DIR": str(directory / "data")}
    yield env
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEWIND_DATA_DIR", env["TRADEWIND_DATA_DIR"])
        left = tw.status()
        tw.api.stop()
    assert left == ()


def _run(env: dict[str, str], *argv: str, cwd: pathlib.Path) -> str:
    done = subprocess.run(
        [sys.executable, *argv], cwd=cwd, env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.end_to_end
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_of_the_page_runs(home: dict[str, str], tmp_path: pathlib.Path, number: int) -> None:
    (tmp_path / "block.py").write_text(BLOCKS[number])
    shown = _run(home, "block.py", cwd=tmp_path)
    assert [word for word in ("rank 1", "quick-1 SUCCEEDED 0", "train 1") if word in shown] != []


@pytest.mark.end_to_end
@pytest.mark.parametrize("line", LINES)
def test_every_line_of_the_examples_runs(home: dict[str, str], line: str) -> None:
    shown = _run(home, *line.split(), cwd=ROOT)
    assert re.search(r"of unseen digits right|^train +6 x |^0 instances are left", shown, re.MULTILINE), shown


def test_examples_and_blocks_are_strictly_typed(tmp_path: pathlib.Path) -> None:
    files = [str(path) for path in sorted(EXAMPLES.glob("*.py"))]
    for number, block in enumerate(BLOCKS):
        path = tmp_path / f"block{number}.py"
        path.write_text(block)
        files.append(str(path))
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", *files],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_pyright_accepts_them_too(tmp_path: pathlib.Path) -> None:
    for path in EXAMPLES.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"block{number}.py").write_text(f"# pyright: strict\n{block}")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    ran = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
        cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_types_are_those_of_the_plain_functions(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "revealed.py"
    file.write_text(
        "import tradewind as tw\n"
        "@tw.step(cpus=1)\ndef f(x: int, *, y: str = '') -> float: ...\n"
        "@tw.pipeline\ndef p(n: int) -> list[float]:\n    return f.map([n])\n"
        "reveal_type(f(1))\nreveal_type(p.run(1).result())\nreveal_type(tw.launch)\nreveal_type(tw.aio.status)\nf('a')\np.run('a')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert 'Revealed type is "float"' in ran.stdout, ran.stdout
    assert re.search(r'Revealed type is "(builtins\.)?list\[(builtins\.)?float\]"', ran.stdout), ran.stdout
    assert re.search(r"max_hourly_usd: .*float.*Launched", ran.stdout), ran.stdout
    assert re.search(r"Coroutine\[.*tuple\[.*Cluster, \.\.\.\]\]", ran.stdout), ran.stdout
    assert ran.stdout.count("[arg-type]") == 2, ran.stdout
