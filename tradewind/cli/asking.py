"""What `plan` may be asked beside the task: places out, what to minimise, deadline, budget, residency, estimates."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tradewind.broker.planner import Wishes
    from tradewind.optimizer.aims import Aim, Measure
    from tradewind.optimizer.problem import Limits, Place

_HOURS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(d|h|m|min)?", re.IGNORECASE)
_PER_UNIT = {"d": 24.0, "h": 1.0, "m": 1 / 60, "min": 1 / 60}
_PATTERN = "Places as cloud/region/zone/type, * for any part"
T = TypeVar("T")


class Hours(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic only in newer click
    """10, 10h, 90m or 2d, as hours."""

    name = "hours"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The hours; a number is taken as hours."""
        match = _HOURS.fullmatch(str(value).strip())
        hours = float(match[1]) * _PER_UNIT[(match[2] or "h").lower()] if match else 0.0
        if not 0 < hours <= 1_000_000:
            self.fail(f"{value!r} is no length of time; write 10, 10h, 90m or 2d.", param, ctx)
        return hours


_USD = click.FloatRange(min=0, min_open=True, max=1e9)
_OPTIONS = (
    click.option("--exclude", multiple=True, metavar="PATTERN", help=f"{_PATTERN}: not there. May be repeated."),
    click.option(
        "--minimize",
        metavar="WHAT",
        help="cost (the default), time or carbon; cost,time for one after the other; cost+0.1*carbon to weigh USD, kg and hours.",
    ),
    click.option("--deadline", type=Hours(), metavar="TIME", help="Expected to end within this: 10h, 2d."),
    click.option("--budget", type=_USD, metavar="USD", help="At most this for the whole job."),
    click.option("--continent", multiple=True, metavar="NAME", help="Only there. May be repeated."),
    click.option("--country", multiple=True, metavar="CODE", help="Only there (ISO, two letters). May be repeated."),
    click.option(
        "--estimate",
        multiple=True,
        metavar="WHAT=HOURS",
        help="How long it takes on what: A100:8=10, or a type; other accelerators follow from their datasheets.",
    ),
    click.option("--reserved", multiple=True, metavar="PATTERN=N", help=f"{_PATTERN}: N nodes there are paid already."),
    click.option("--max-nodes-per-zone", type=click.IntRange(min=1), metavar="N", help="Spread the nodes over zones."),
    click.option(
        "--interruptions", is_flag=True, help="Count what interruptions of spot machines are expected to cost."
    ),
)
_NAMES = (
    "exclude",
    "minimize",
    "deadline",
    "budget",
    "continent",
    "country",
    "estimate",
    "reserved",
    "max_nodes_per_zone",
    "interruptions",
)


def asking_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command; its function gets them as one keyword, `asked`."""

    @functools.wraps(function)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        return function(*args, asked={name: kwargs.pop(name) for name in _NAMES}, **kwargs)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


def _checked(option: str, make: Callable[[str], T], text: str) -> T:
    try:
        return make(text)
    except ValueError as err:
        raise click.BadParameter(str(err), param_hint=option) from err


def aim(asked: dict[str, Any]) -> Aim:
    """What the plan is to be least in."""
    from tradewind.optimizer.aims import parse_aim

    return _checked("--minimize", parse_aim, asked["minimize"] or "cost")


def front_of(text: str) -> tuple[Measure, Measure]:
    """The two measures of `--pareto`; one that is time comes second."""

    def measures(text: str) -> tuple[Measure, Measure]:
        from tradewind.optimizer.aims import parse_aim

        order = parse_aim(text).order
        if len(order) != 2:
            raise ValueError(f"{text!r} is not two measures; write cost,time or cost,carbon or carbon,time")
        first, second = order
        return (second, first) if first == "time" else (first, second)

    return _checked("--pareto", measures, text)


def wishes(asked: dict[str, Any], *, carbon: bool) -> Wishes:
    """Where it may run, how long it takes on what, and how its nodes may stand."""
    from tradewind.broker.planner import Wishes, parse_estimate

    return Wishes(
        continents=asked["continent"],
        countries=asked["country"],
        estimates=tuple(_checked("--estimate", parse_estimate, text) for text in asked["estimate"]),
        carbon=carbon,
        most_per_zone=asked["max_nodes_per_zone"],
    )


def check_residency(asked: dict[str, Any], known: tuple[set[str], set[str]]) -> None:
    """Every continent and country is one that the catalog's regions have; else the nearest is told."""
    for option, names, there in (
        ("--continent", asked["continent"], known[0]),
        ("--country", asked["country"], known[1]),
    ):
        for name in names:
            if name.lower() not in {each.lower() for each in there}:
                raise click.BadParameter(
                    f"no region is in {name!r}; there are {', '.join(sorted(there))}.", param_hint=option
                )


def limits(asked: dict[str, Any], clouds: list[str]) -> Limits:
    """What the plan may not exceed, and what is paid already."""
    from tradewind.optimizer.problem import Limits, Reservation

    def reservation(text: str) -> Reservation:
        pattern, _, number = text.rpartition("=")
        if not pattern or not number.isascii() or not number.isdigit() or not 1 <= int(number[:8]) <= 1_000_000:
            raise ValueError(
                f"{text!r} is no reservation; write PATTERN=N with N from 1, as aws/us-east-1/*/m6a.large=4"
            )
        return Reservation(text, _place(pattern, clouds), int(number))

    return Limits(
        max_total_usd=asked["budget"],
        blocks=tuple(_checked("--exclude", lambda text: _place(text, clouds), text) for text in asked["exclude"]),
        reservations=tuple(_checked("--reserved", reservation, text) for text in dict.fromkeys(asked["reserved"])),
    )


def _place(text: str, clouds: list[str]) -> Place:
    from fnmatch import fnmatchcase

    from tradewind.optimizer.problem import Place

    parts = [part.strip() for part in text.split("/")]
    if not 1 <= len(parts) <= 4 or not all(parts):
        raise ValueError(
            f"{text!r} is no place; write cloud/region/zone/type with * for any, as aws/us-* or */*/*/m5.*"
        )
    parts[0] = parts[0].lower()
    if not any(fnmatchcase(cloud, parts[0]) for cloud in clouds):
        raise ValueError(
            f"{parts[0]!r} is no cloud here; there are {', '.join(clouds)}; a region is written */{parts[0]}"
        )
    if all(part == "*" for part in parts):
        raise ValueError(f"{text!r} is everywhere; name something")
    cloud, region, zone, instance_type = (*parts, "", "", "")[:4]
    return Place(cloud, region, zone, instance_type)
