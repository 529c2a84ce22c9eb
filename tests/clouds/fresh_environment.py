"""An environment of Python with what `pip install "tradewind[EXTRA]"` puts into a new one, and nothing else that is installed here.

The distributions are those of the tests' own environment, linked: the ones that tradewind and the extra require, and what those require in turn.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from clouds.lab.namespaces import ROOT

Tree = dict[str, Any]  # a name in a directory -> the tree below it; {} is a file
OURS = "tradewind"


def as_told_by(page: str, directory: pathlib.Path) -> pathlib.Path:
    """The folder of the programs of a new environment, once the page's `pip install` was typed there; really, where there is time for it."""
    (extra,) = re.findall(r"""^ *(?:\d\. `)?pip install ["']tradewind\[(\w+)\]["']`?$""", page, re.MULTILINE)
    return (installed if os.environ.get("TRADEWIND_SOAK") else linked)(directory, extra)


def installed(directory: pathlib.Path, extra: str = "") -> pathlib.Path:
    """The folder of the programs of a new environment at `directory`, made by pip from the package index."""
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    subprocess.run([directory / "bin" / "pip", "install", "--quiet", wanted], check=True)
    return directory / "bin"


def linked(directory: pathlib.Path, extra: str = "") -> pathlib.Path:
    """The folder of the programs of a new environment at `directory`, without asking any index. Takes some tenths of a second."""
    venv.create(directory, symlinks=True)
    wanted = required(extra)
    mine, others = Tree(), Tree()
    for distribution in metadata.distributions():
        _plant(mine if _name(distribution) in wanted else others, distribution)
    (libraries,) = directory.glob("lib/python*/site-packages")
    _link(pathlib.Path(sysconfig.get_path("purelib")), libraries, mine, others)
    program = directory / "bin" / OURS
    program.write_text(f"#!{directory}/bin/python\nfrom tradewind.cli.main import main\nmain()\n")
    program.chmod(0o755)
    return directory / "bin"


def required(extra: str) -> set[str]:
    """The names of all distributions that an installation of tradewind with this extra (or "") comes to here."""
    found: dict[str, set[str]] = {}
    todo = [(OURS, {extra} if extra else set())]
    while todo:
        name, extras = todo.pop()
        known = found.get(name)
        if known is not None and extras <= known:
            continue
        found[name] = extras | (known or set())
        for line in metadata.distribution(name).requires or ():
            needs = Requirement(line)
            if needs.marker is None or any(needs.marker.evaluate({"extra": one}) for one in found[name] | {""}):
                todo.append((canonicalize_name(needs.name), set(needs.extras)))
    return set(found)


def imports(programs: pathlib.Path, modules: Iterable[str]) -> list[str]:
    """Those of the modules that this environment's Python finds."""
    asked = (
        "import sys\nfor name in sys.argv[1:]:\n try: __import__(name)\n except ImportError: pass\n else: print(name)"
    )
    argv = [programs / "python", "-P", "-c", asked, *modules]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def _name(distribution: metadata.Distribution) -> str:
    return canonicalize_name(distribution.metadata["Name"])


def _plant(tree: Tree, distribution: metadata.Distribution) -> None:
    for parts in _files(distribution):
        below = tree
        for part in parts:
            below = below.setdefault(part, {})


def _files(distribution: metadata.Distribution) -> Iterator[tuple[str, ...]]:
    for file in distribution.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:  # programs, and what Python makes again
            yield file.parts


def _link(source: pathlib.Path, target: pathlib.Path, mine: Tree, others: Tree) -> None:
    """Every entry of `mine` is at `target`; a directory that holds somebody else's files too (a namespace package) is made, not linked."""
    for name, below in mine.items():
        if name not in others:
            os.symlink(source / name, target / name)
        elif below:
            (target / name).mkdir()
            _link(source / name, target / name, below, others[name])
