"""A measured figure beside its goal."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """Seconds, at most `goal_s` of them wanted; without a value it could not be measured here, and `note` says why."""

    what: str
    goal_s: float
    value_s: float | None
    note: str = ""

    @property
    def missed(self) -> bool:
        return self.value_s is not None and self.value_s > self.goal_s

    def line(self) -> str:
        told = f"   {self.note}" if self.note else ""
        if self.value_s is None:
            return f"{self.what:<72} {'-':>8}     goal {self.goal_s:g} s   not measured{told}"
        return f"{self.what:<72} {self.value_s:8.3f} s   goal {self.goal_s:g} s   {'MISSED' if self.missed else 'met'}{told}"
