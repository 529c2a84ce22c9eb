"""Printing values as JSON: one document on stdout, indented, keys in the values' own order."""

from __future__ import annotations

import json
import sys
from typing import Any


def _builtins(value: Any) -> Any:
    msgspec = sys.modules.get("msgspec")  # a value of ours cannot exist without it; plain dicts need not load it
    return value if msgspec is None else msgspec.to_builtins(value)


def print_json(value: Any) -> None:
    """Print the value (plain data or our structs) as one JSON document."""
    print(json.dumps(_builtins(value), indent=2))
