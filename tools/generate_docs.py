"""Writes the generated pages of docs/ from the code: docs/cli.md and docs/yaml.md. `--check` only says whether they are current."""

from __future__ import annotations

import argparse
import pathlib
import sys

from docs_cli import cli_page
from docs_yaml import yaml_page

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = {"docs/cli.md": cli_page, "docs/yaml.md": yaml_page}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is stale")
    check = parser.parse_args().check
    stale = 0
    for name, make in PAGES.items():
        path = ROOT / name
        text = make()
        if path.exists() and path.read_text() == text:
            continue
        if check:
            stale = 1
            print(f"{name} is stale: run `make docs`")
        else:
            path.write_text(text)
            print(f"wrote {name}")
    return stale


if __name__ == "__main__":
    sys.exit(main())
