"""What can go wrong in a call, by what the caller does about it.

BrokerError
+- Refused            the daemon does not do that: `kind` is its word for why, `hint` what to do
|  +- NoPlan          nothing on sale satisfies the task and its limits
|  +- TooDear         it costs more than was accepted
|  +- NotFound        there is no cluster or job of that name
+- Unreachable        no daemon answers, and none could be started
"""

from __future__ import annotations


class BrokerError(Exception):
    """A call that was not carried out; its text is one sentence."""


class Refused(BrokerError):  # noqa: N818  the name says what is the case
    """The daemon refused: `message` says what and why, `kind` is a word to branch on, `hint` what to do next ("" if nothing)."""

    def __init__(self, message: str, kind: str = "", hint: str = "") -> None:
        super().__init__(message, kind, hint)
        self.message, self.kind, self.hint = message, kind, hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class NoPlan(Refused):
    """Nothing that can be bought from here satisfies the task and its limits."""


class TooDear(Refused):
    """The cheapest plan costs more than the caller accepted."""


class NotFound(Refused):
    """There is no cluster or job of that name."""


class Unreachable(BrokerError):  # noqa: N818  the name says what is the case
    """No daemon answers, and none could be started."""


_BY_KIND: dict[str, type[Refused]] = {
    "no_plan": NoPlan,
    "no_provider": NoPlan,
    "price": TooDear,
    "not_found": NotFound,
}


def refusal(message: str, kind: str, hint: str) -> Refused:
    """The error of the daemon's kind, with what a caller in Python does about it."""
    if kind == "price":
        hint = "raise max_hourly_usd, or pass the plan that you have looked at"
    return _BY_KIND.get(kind, Refused)(message, kind, hint)
