"""A wheel built from this checkout and installed elsewhere works by itself, catalog included."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def _run(*argv: str | os.PathLike[str], cwd: pathlib.Path, env: dict[str, str]) -> str:
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("wheel")
    _run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ".", cwd=ROOT, env=dict(os.environ)
    )
    (made,) = out.glob("tradewind-*.whl")
    return made


def test_holds_the_data_and_nothing_of_the_tests(wheel: pathlib.Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("tradewind/catalog/data/") for name in names)
    assert "tradewind/py.typed" in names
    assert not [name for name in names if not name.startswith("tradewind")]


def test_plans_outside_the_checkout(wheel: pathlib.Path, tmp_path: pathlib.Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}} | {
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    _run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=tmp_path, env=env)
    python = tmp_path / "venv" / "bin" / "python"
    site = pathlib.Path(
        _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path, env=env).strip()
    )
    _run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=tmp_path,
        env=env,
    )
    # the dependencies come from this environment; a plain path line does not read its .pth files, so the editable checkout stays unseen
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = _run(python, "-c", "import tradewind; print(tradewind.__file__)", cwd=tmp_path, env=env)
    assert where.startswith(str(site))
    (tmp_path / "task.yaml").write_text("resources: {cpus: 2+, use_spot: true}\nrun: echo hello\n")
    plan = json.loads(
        _run(tmp_path / "venv" / "bin" / "tradewind", "plan", "task.yaml", "--json", cwd=tmp_path, env=env)
    )
    assert plan["feasible"]
    assert plan["offers_considered"] > 1000
