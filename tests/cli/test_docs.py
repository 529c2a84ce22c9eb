"""What the documentation prints is what runs: every console line and every Python block, in an empty HOME, examples made small."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

from tradewind.cli import exits

from .worlds import BIN, ROOT, World

pytestmark = pytest.mark.end_to_end

# Environments and the whole demo have tests of their own; benchmarks are no tests.
ELSEWHERE = re.compile(r"^(make |export PATH|\.venv/bin/tradewind demo)")


def lines_of(page: str) -> list[str]:
    """The page's console lines in order; a here-document belongs to its line."""
    found: list[str] = []
    for block in re.findall(r"^```console\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(line[2:])
            else:
                found[-1] += "\n" + line
    return [line for line in found if not ELSEWHERE.match(line)]


def run_all(world: World, page: str) -> None:
    venv = world.work / ".venv"
    if not venv.exists():
        venv.symlink_to(BIN.parent)
    for line in lines_of(page):
        smaller = re.sub(r"(python examples/digits/train\.py)$", r"\1 --steps 40 --target 0", line)
        smaller = re.sub(r"(python examples/primes/primes\.py)$", r"\1 --limit 20000", smaller)
        ran = world.run(smaller, timeout=90)
        assert ran.returncode == exits.OK, f"{page}: {line}\n{ran.stdout}\n{ran.stderr}"


@pytest.mark.parametrize("page", ["docs/quickstart.md", "README.md", "examples/digits/README.md"])
def test_every_line_runs_as_printed(world: World, page: str) -> None:
    assert len(lines_of(page)) > 2
    run_all(world, page)


@pytest.mark.parametrize("page", ["docs/quickstart.md", "README.md"])
def test_every_python_block_runs(world: World, page: str, tmp_path: pathlib.Path) -> None:
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    ):
        script = tmp_path / f"block{number}.py"
        script.write_text(code)
        ran = subprocess.run(
            [sys.executable, script.name],
            cwd=tmp_path,
            env=world.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, f"{page}, block {number}: {ran.stderr}"


def test_generated_pages_are_current() -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "generate_docs.py"), "--check"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("page", ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    base = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        if "://" not in target:
            assert (base / target).exists(), target


def test_the_code_map_names_what_is_there() -> None:
    rows = re.findall(
        r"^\| `(tradewind/[\w/]+)` \|.*\|([^|]*)\|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 10
    for room, files in rows:
        for name in re.findall(r"`([\w/]+\.py)`", files):
            assert (ROOT / room / name).is_file(), f"{room}/{name}"


def test_architecture_stays_readable() -> None:
    assert (ROOT / "docs" / "architecture.md").read_text().count("\n") < 300
