"""The errors of this room. CatalogError: the person can mend it (a bad file, an unknown name); UnknownName is the leaf with a nearest spelling."""

from __future__ import annotations


class CatalogError(ValueError):
    """A catalog cannot be read, or does not hold what was named; the message is one sentence that says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class UnknownNameError(CatalogError):
    """No offer has this accelerator, cloud, region, zone or instance type; `suggestion` is the nearest one that is sold, or ""."""

    def __init__(self, kind: str, name: str, suggestion: str = "", detail: str = "") -> None:
        hint = f"; did you mean '{suggestion}'?" if suggestion else ""
        super().__init__(f"no offer in the catalog has the {kind} '{name}'{detail}{hint}")
        self.args = (kind, name, suggestion, detail)
        self.kind = kind
        self.name = name
        self.suggestion = suggestion
        self.detail = detail
