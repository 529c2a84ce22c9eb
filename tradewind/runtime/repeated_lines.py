"""What many workers print alike is shown once, and then how often it was said. Pure: lines and times in, lines out.

A worker that repeats itself is shown as it is: only a line that came from two workers is held back. Numbers in a line do not make it another
one. (Ray's rules and its window.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# How long repetitions are collected before they are told, in seconds.
WINDOW_S = 5.0

_LINE = re.compile(r"\((.*?) pid=(\d+), node=([^)]*)\) (.*)", re.DOTALL)
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")


@dataclass(slots=True)
class _Said:
    """A line that was shown at `since`, by whom it has been said, and how often it was held back since then."""

    since: float
    last: str
    sources: set[tuple[str, str]] = field(default_factory=set)
    held: int = 0


class RepeatedLines:
    """The lines of the last seconds, by what they say."""

    def __init__(self) -> None:
        self._said: dict[str, _Said] = {}
        self._explained = False

    def take(self, lines: list[str], now: float) -> list[str]:
        """The lines that are to be shown now, those that are due from before among them; the others are held back. now: in seconds, any clock."""
        shown = self.flush(now)
        for line in lines:
            found = _LINE.fullmatch(line)
            if found is None or not found[4].strip():
                shown.append(line)
                continue
            key = f"{found[1]} {_NUMBER.sub('', found[4])}"
            said = self._said.get(key)
            if said is None:
                said = self._said[key] = _Said(now, line)
            said.sources.add((found[2], found[3]))
            if len(said.sources) == 1:
                shown.append(line)
            else:
                said.last = line
                said.held += 1
        return shown

    def due(self) -> float | None:
        """When held lines are to be told, by the clock of `take`; None when there are none."""
        return min((said.since + WINDOW_S for said in self._said.values() if said.held), default=None)

    def flush(self, now: float, *, everything: bool = False) -> list[str]:
        """What was held back and is due by now: the line once more, with how often it was said."""
        shown: list[str] = []
        for key, said in list(self._said.items()):
            if now - said.since < WINDOW_S and not everything:
                continue
            if said.held == 0:
                del self._said[key]
                continue
            text = said.last
            if said.held > 1:
                text += f" [repeated {said.held}x across the cluster]"
                if not self._explained:
                    self._explained = True
                    text += " (TRADEWIND_DEDUP_LOGS=0 shows every line)"
            shown.append(text)
            said.since = now
            said.held = 0
        return shown
