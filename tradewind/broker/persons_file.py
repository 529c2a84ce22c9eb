"""A file that a person writes and the daemon goes by: read anew whenever it has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PersonsFile(Generic[T]):
    """The file as it stands now. `parse` is given its text and path, and raises its own error for what cannot be used."""

    def __init__(self, path: str, parse: Callable[[str, str], T], default: T) -> None:
        self.path = path
        self._parse = parse
        self._default = default
        self._seen: tuple[int, int] | None = None
        self._value = default

    def read(self) -> T:
        """What it says; the default where there is no file. Raises what `parse` raises, as long as the file stays so."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self._seen, self._value = None, self._default
            return self._value
        if self._seen != (status.st_mtime_ns, status.st_size):
            with open(self.path, encoding="utf-8", errors="replace") as file:
                self._value = self._parse(file.read(), self.path)
            self._seen = (status.st_mtime_ns, status.st_size)
        return self._value
