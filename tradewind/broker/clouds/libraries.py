"""Whether a cloud's libraries are here, without importing them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable


def why_not(names: Iterable[str], extra: str) -> str:
    """That some of the modules are missing and how they come, in a few words; "" when all are here."""
    try:
        installed = all(importlib.util.find_spec(name) is not None for name in names)
    except ModuleNotFoundError:  # the package that one of them would stand in
        installed = False
    return "" if installed else f"its libraries are not installed: pip install 'tradewind[{extra}]'"
