"""What `plan` may be asked beside the task file: places out, what to minimise, deadline, budget, residency, estimates. A flag wins over the file."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Collection

    from tradewind.optimizer.aims import Aim
    from tradewind.optimizer.problem import Measure
    from tradewind.spec.task import Task

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
    click.option(
        "--quota",
        multiple=True,
        metavar="PATTERN=N",
        help=f"{_PATTERN}: at most N there: '4 nodes', '32 vcpus', '8 accelerators'.",
    ),
    click.option("--share", multiple=True, metavar="PATTERN=N%", help=f"{_PATTERN}: at most N% of all nodes there."),
    click.option("--max-carbon", type=_USD, metavar="KG", help="At most this much CO2-equivalent for the whole job."),
    click.option(
        "--time-limit",
        type=click.FloatRange(min=0, min_open=True, max=86400),
        metavar="SECONDS",
        help="Give the best plan found by then, with the gap that is proven; 60 if not given.",
    ),
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
    "quota",
    "share",
    "max_carbon",
    "time_limit",
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


def check(asked: dict[str, Any], clouds: Collection[str], known: tuple[set[str], set[str]]) -> None:
    """Nothing that a flag says is without a meaning; `known` are the continents and countries of the catalog. Raises click.BadParameter."""
    from tradewind.broker.planner import parse_estimate
    from tradewind.broker.planner.asked import parse_place
    from tradewind.spec.placing import parse_quota, parse_share

    for text in asked["exclude"]:
        _checked("--exclude", lambda text: parse_place(text, clouds), text)
    for text in asked["estimate"]:
        _checked("--estimate", parse_estimate, text)
    for option, name, parse in (
        ("--reserved", "reserved", _nodes),
        ("--quota", "quota", parse_quota),
        ("--share", "share", parse_share),
    ):
        for text in asked[name]:
            pattern, amount = _checked(option, _halves, text)
            _checked(option, parse, amount)
            _checked(option, lambda text: parse_place(text, clouds), pattern)
    for option, names, there in (
        ("--continent", asked["continent"], known[0]),
        ("--country", asked["country"], known[1]),
    ):
        for name in names:
            if name.lower() not in {each.lower() for each in there}:
                raise click.BadParameter(
                    f"no region is in {name!r}; there are {', '.join(sorted(there))}.", param_hint=option
                )


def applied(task: Task, asked: dict[str, Any]) -> Task:
    """The task with the checked flags over what its file says; `--exclude`, `--quota`, `--share` and `--reserved` add to it."""
    import msgspec

    from tradewind.broker.planner import parse_estimate
    from tradewind.spec.placing import Length

    mine = task.placement
    placement = msgspec.structs.replace(
        mine,
        exclude=(*mine.exclude, *asked["exclude"]),
        continents=asked["continent"] or mine.continents,
        countries=asked["country"] or mine.countries,
        quotas=mine.quotas | dict(map(_halves, asked["quota"])),
        shares=mine.shares | dict(map(_halves, asked["share"])),
        reserved=mine.reserved | {pattern: int(nodes) for pattern, nodes in map(_halves, asked["reserved"])},
        max_nodes_per_zone=asked["max_nodes_per_zone"] or mine.max_nodes_per_zone,
        max_carbon=asked["max_carbon"] or mine.max_carbon,
        minimize=asked["minimize"] or mine.minimize,
        interruptions=mine.interruptions or asked["interruptions"],
    )
    given = [parse_estimate(text) for text in asked["estimate"]]
    lengths = tuple(Length(f"{e.name}:{e.count:g}" if e.count else e.name, e.hours) for e in given)
    return msgspec.structs.replace(
        task,
        placement=placement,
        estimates=lengths or task.estimates,
        deadline_hours=asked["deadline"] or task.deadline_hours,
    )


def _halves(text: str) -> tuple[str, str]:
    pattern, _, amount = text.rpartition("=")
    if not pattern:
        raise ValueError(f"{text!r} is no limit of a place; write PATTERN=N, as aws/us-east-1=4")
    return pattern, amount.strip()


def _nodes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:8]) <= 1_000_000:
        raise ValueError(
            f"{text!r} is no number of nodes in a reservation; write PATTERN=N with N from 1, as aws/us-east-1/*/m6a.large=4"
        )
    return int(text)
