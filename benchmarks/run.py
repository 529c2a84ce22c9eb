"""Runs every benchmark beside this file, one after the other, each in its own process; `make bench`."""

from __future__ import annotations

import argparse
import ast
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
FIRST = ("floor", "runtime", "primes", "catalog", "plan", "broker", "cli")


def scripts(only: list[str]) -> list[pathlib.Path]:
    """The benchmarks to run: the known ones in order, then any other."""
    here = {
        path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem != "run" and "def main" in path.read_text()
    }
    order = [name for name in FIRST if name in here] + [name for name in here if name not in FIRST]
    unknown = sorted(set(only) - set(order))
    if unknown:
        raise SystemExit(f"there is no benchmark called {unknown[0]}; there are: {', '.join(order)}")
    return [here[name] for name in order if not only or name in only]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these; all when none is named")
    failed = []
    for path in scripts(parser.parse_args().names):
        about = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        print(f"\n== {path.stem}: {about}", flush=True)
        began = time.perf_counter()
        if subprocess.run([sys.executable, str(path)], check=False, cwd=HERE.parent).returncode != 0:
            failed.append(path.stem)
        print(f"({time.perf_counter() - began:.0f} s)", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
