"""`placement:` and `estimates:` of a task file: where the task may run beyond `infra`, what it may not exceed there, and how long it takes on what.

The same `placement:` may stand in `limits.yaml` of the data directory, for everything that is planned from it.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Unit = Literal["nodes", "vcpus", "accelerators"]
_QUOTA = re.compile(r"\s*(\d{1,9})\s*(nodes?|vcpus?|accelerators?|gpus?)?\s*", re.IGNORECASE)
_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*")
_TIME = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(d|h|m|min|s)?\s*", re.IGNORECASE)
_PER_HOUR = {"d": 1 / 24, "h": 1.0, "m": 60.0, "min": 60.0, "s": 3600.0}
_UNITS: dict[str, Unit] = {"n": "nodes", "v": "vcpus", "a": "accelerators", "g": "accelerators"}
Patterns = tuple[str, ...]


class Interruptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the program lives through losing a spot machine, as lengths of time: work `every` which it writes a checkpoint (None: the best for each
    machine is chosen, "never"), what one `checkpoint` takes, a `restart` from it, and the `wait` for another machine.
    """

    every: str | float | None = None
    checkpoint: str | float | None = None
    restart: str | float | None = None
    wait: str | float | None = None


class Placing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits on where a task may run. Patterns are `cloud/region/zone/type`, `*` for any part or within one.

    `continents` and `countries` (ISO, two letters) say where it may run. `quotas` are the most at the places that match: "32 vcpus", "8 accelerators",
    "4 nodes"; `shares` the most of all nodes there: "50%". `reserved` nodes there are paid already. `max_carbon` is kg CO2-equivalent.
    `minimize` is what the plan is least in: "cost,time", "cost+0.1*carbon". With `interruptions` what they are expected to cost is counted.
    """

    exclude: Patterns = ()
    continents: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    quotas: dict[str, str | int] = {}
    shares: dict[str, str | float] = {}
    reserved: dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]] = {}
    max_nodes_per_zone: Annotated[int, Meta(ge=1)] | None = None
    max_carbon: Annotated[float, Meta(gt=0)] | None = None
    minimize: str | None = None
    interruptions: bool | Interruptions = False


class Length(msgspec.Struct, frozen=True):
    """Hours that the work takes on machines with these accelerators ("A100:8"), or of this instance type."""

    on: str
    hours: float


def parse_quota(text: str) -> tuple[int, Unit]:
    """`32 vcpus`, `8 accelerators`, `4` (nodes). Raises ValueError with the sentence to show."""
    match = _QUOTA.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no quota; write 4 nodes, 32 vcpus or 8 accelerators")
    return int(match[1]), _UNITS[(match[2] or "n")[0].lower()]


def parse_every(text: str) -> float:
    """Hours of work between checkpoints: `1h`, `30m`, `never`. Raises ValueError with the sentence to show."""
    return math.inf if text.strip().lower() == "never" else hours_of(text)


def hours_of(text: str) -> float:
    """Hours: "1h", "90m", "30s", a number of hours. Raises ValueError with the sentence to show."""
    match = _TIME.fullmatch(text)
    hours = float(match[1]) / _PER_HOUR[(match[2] or "h").lower()] if match else -1.0
    if not 0 <= hours <= 1_000_000:
        raise ValueError(f"{text!r} is no length of time; write 30s, 5m or 1h")
    return hours


def parse_share(text: str) -> float:
    """`50%` or `0.5`, as a fraction from 0 to 1. Raises ValueError with the sentence to show."""
    match = _SHARE.fullmatch(text)
    value = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r} is no share; write 50% or 0.5")
    return value
