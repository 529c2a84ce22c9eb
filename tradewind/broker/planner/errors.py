"""What a person can mend in a task before it can be planned."""

from __future__ import annotations


class PlanError(ValueError):
    """The task names something that nobody sells; `field` is where it stands in the task, `suggestion` the nearest spelling or ""."""

    def __init__(self, field: str, message: str, suggestion: str = "") -> None:
        super().__init__(field, message, suggestion)
        self.field = field
        self.message = message
        self.suggestion = suggestion

    def __str__(self) -> str:
        hint = f"; did you mean '{self.suggestion}'?" if self.suggestion else ""
        return f"{self.field}: {self.message}{hint}"
