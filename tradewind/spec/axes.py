"""`--array` flags: axes of values, and every combination of them as variables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from tradewind.spec.document import Mark

MAX_MEMBERS = 10_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RANGE = re.compile(r"(-?\d{1,12})\.\.(-?\d{1,12})(?:\.\.(\d{1,12}))?")


def read_axes(texts: Sequence[str]) -> tuple[dict[str, str], ...]:
    """One map of variables for every combination, the last axis fastest: `lr=0.1,0.01` lists values, `seed=1..5` and `n=0..100..10` count.

    Raises SpecError for an axis that is none, is given twice, or for more than MAX_MEMBERS combinations.
    """
    axes: dict[str, list[str]] = {}
    total = 1
    for text in texts:
        mark = Mark(f"--array {text[:60]}")
        name, equals, values = text.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise mark.error("", "is no axis; write a variable and its values, such as lr=0.1,0.01 or seed=1..5")
        if name in axes:
            raise mark.error("", f"{name} has an axis already; keep one")
        axes[name] = _values(values, mark, MAX_MEMBERS)
        total *= len(axes[name])
        if total > MAX_MEMBERS:
            raise mark.error("", f"makes more than {MAX_MEMBERS} jobs; split the array")
    names = list(axes)
    return tuple(dict(zip(names, values, strict=True)) for values in itertools.product(*axes.values()))


def _values(text: str, mark: Mark, most: int) -> list[str]:
    found: list[str] = []
    for part in text.split(","):
        counted = _RANGE.fullmatch(part)
        if counted is None:
            if not part:
                raise mark.error("", "has an empty value; write such as lr=0.1,0.01")
            found.append(part)
            continue
        first, last, step = int(counted[1]), int(counted[2]), int(counted[3] or 1)
        if step == 0 or last < first:
            raise mark.error("", f"{part} counts nothing; write the smaller number first and a step above 0")
        if (last - first) // step + 1 > most:
            raise mark.error("", f"makes more than {most} jobs; split the array")
        found.extend(str(number) for number in range(first, last + 1, step))
    if len(set(found)) != len(found):
        raise mark.error("", "names a value twice; the two jobs would be the same")
    return found
