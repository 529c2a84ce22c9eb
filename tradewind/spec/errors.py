"""The one error of this room: a task file that cannot be read as it stands."""

from __future__ import annotations


class SpecError(ValueError):
    """A task file (or a flag that overrides it) is refused; the person who wrote it can mend it.

    `file` is the path as given, or the flag ("--cpus"); `line` and `column` count from 1 and are 0 where there is no line (the file is
    missing, the value came from a flag). `field` is the dotted path ("resources.any_of[1].cpus"), "" for the file as a whole.
    `suggestion` is the nearest valid spelling or "".
    """

    def __init__(self, file: str, line: int, column: int, field: str, message: str, suggestion: str = "") -> None:
        super().__init__(file, line, column, field, message, suggestion)
        self.file = file
        self.line = line
        self.column = column
        self.field = field
        self.message = message
        self.suggestion = suggestion

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        what = f"{self.field}: {self.message}" if self.field else self.message
        hint = f"; did you mean '{self.suggestion}'?" if self.suggestion else ""
        return f"{where}: {what}{hint}"


class UnknownCloud(SpecError):  # noqa: N818  it is one of several kinds of refusal
    """A file names a `cloud` that neither SkyPilot nor we know: wrong, unless a catalog of the person's own sells there."""

    def __init__(
        self, file: str, line: int, column: int, field: str, message: str, suggestion: str = "", *, cloud: str = ""
    ) -> None:
        super().__init__(file, line, column, field, message, suggestion)
        self.cloud = cloud
