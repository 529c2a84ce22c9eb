"""What the API is asked, as typed values, and how it refuses."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tradewind.broker.store.records import Market, Options
from tradewind.spec.task import Task

NAME_LIMIT = 63
_STATUS = {"not_found": 404, "request": 400, "catalog": 400, "forbidden": 403}


class Refusal(Exception):  # noqa: N818  the name says what happened
    """A request that is not carried out: one sentence, a word that programs branch on, and what to do."""

    def __init__(self, message: str, kind: str, hint: str = "") -> None:
        super().__init__(message, kind, hint)
        self.message, self.kind, self.hint = message, kind, hint

    def __str__(self) -> str:
        return self.message

    @property
    def status(self) -> int:
        """The HTTP status: 409 unless the kind says more."""
        return _STATUS.get(self.kind, 409)

    def body(self) -> dict[str, Any]:
        """The error as the API's JSON."""
        return {"error": {"message": self.message, "kind": self.kind, "hint": self.hint}}


class PlanRequest(msgspec.Struct, frozen=True):
    """POST /v1/plan."""

    task: Task
    hours: float | None = None
    catalog: str | None = None
    rehearse: bool = False

    def options(self) -> Options:
        """As a submission keeps them."""
        return Options(rehearse=self.rehearse, catalog=self.catalog or "", hours=self.hours)


class LaunchRequest(msgspec.Struct, frozen=True):
    """POST /v1/launch. `accepted_hourly_usd` is the price that a person has seen (USD/hour, all nodes).

    `traceparent` is the trace it belongs to (W3C Trace Context), `clicked_unix` when the person asked (Unix seconds).
    """

    task: Task
    accepted_hourly_usd: float
    cluster: str | None = None
    rehearse: bool = False
    catalog: str | None = None
    hours: float | None = None
    market: Market | None = None
    retry_until_up: bool = False
    traceparent: str = ""
    clicked_unix: float = 0.0
    secrets: dict[str, str] = {}

    def options(self) -> Options:
        """As a submission keeps them."""
        autostop = self.task.autostop
        return msgspec.structs.replace(
            _options(self),
            retry_until_up=self.retry_until_up,
            autostop_min=None if autostop is None else float(autostop.idle_minutes),
            autostop_down=autostop is not None and autostop.down,
            autostop_wait_for="jobs_and_ssh" if autostop is None else autostop.wait_for,
        )


class JobRequest(msgspec.Struct, frozen=True):
    """POST /v1/jobs. The same `client_key` is the same job. It starts at `not_before_unix` (Unix seconds) at the earliest.

    `traceparent` and `clicked_unix` are those of a launch.
    """

    task: Task
    accepted_hourly_usd: float
    name: str | None = None
    rehearse: bool = False
    catalog: str | None = None
    hours: float | None = None
    market: Market | None = None
    client_key: str | None = None
    not_before_unix: float | None = None
    share: str | None = None
    traceparent: str = ""
    clicked_unix: float = 0.0
    secrets: dict[str, str] = {}

    def options(self) -> Options:
        """As a submission keeps them."""
        return _options(self)


class ArrayRequest(msgspec.Struct, frozen=True):
    """POST /v1/arrays: `job` once for every map of variables in `members`, at most `max_active` of them active at a time.

    `job.accepted_hourly_usd` is what one of them may cost.
    """

    job: JobRequest
    members: tuple[dict[str, str], ...]
    max_active: int | None = None


class GraphPlanRequest(msgspec.Struct, frozen=True):
    """POST /v1/graphs/plan: one plan for all `tasks`, each of which has a name; an edge is (parent, child) by their places."""

    tasks: tuple[Task, ...]
    edges: tuple[tuple[int, int], ...] = ()
    hours: float | None = None
    catalog: str | None = None
    rehearse: bool = False

    def options(self) -> Options:
        """As a submission keeps them."""
        return Options(rehearse=self.rehearse, catalog=self.catalog or "", hours=self.hours)


class GraphRequest(msgspec.Struct, frozen=True):
    """POST /v1/graphs: a job for each of `jobs`, submitted as one; an edge is (parent, child) by their places, and the child starts once
    the parent has succeeded.

    `accepted_hourly_usd` of each job is what it alone may cost. The same `client_key` is the same graph.
    """

    jobs: tuple[JobRequest, ...]
    edges: tuple[tuple[int, int], ...] = ()
    name: str | None = None
    max_active: int | None = None
    client_key: str | None = None


class ExecRequest(msgspec.Struct, frozen=True):
    """POST /v1/clusters/{name}/exec."""

    task: Task
    secrets: dict[str, str] = {}


class ShutdownRequest(msgspec.Struct, frozen=True):
    """POST /v1/shutdown."""

    when: Literal["now", "idle"] = "now"


def _options(asked: LaunchRequest | JobRequest) -> Options:
    return Options(
        rehearse=asked.rehearse,
        catalog=asked.catalog or "",
        accepted_hourly_usd=asked.accepted_hourly_usd,
        hours=asked.hours,
        market=asked.market,
        traceparent=asked.traceparent,
        clicked_unix=asked.clicked_unix,
    )


def checked_name(name: str | None) -> str | None:
    """The name if it may stand in paths and tags: letters, digits, `.`, `_`, `-`, first a letter or digit, at most 63 characters.

    Raises:
        Refusal: it may not.
    """
    if name is None:
        return None
    plain = name.replace(".", "").replace("_", "").replace("-", "")
    if not (0 < len(name) <= NAME_LIMIT and name[0].isalnum() and name.isascii() and plain.isalnum()):
        raise Refusal(
            f"the name {name[:80]!r} is not allowed: letters, digits, '.', '_' and '-', starting with a letter or digit, at most {NAME_LIMIT}",
            "request",
        )
    return name
