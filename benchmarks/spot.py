"""Recorded spot markets against policies that must meet a deadline: cost relative to on demand, misses, preemptions; `make bench-spot`.

Every recorded trace is replayed (their sources: data/facts/SOURCES.md), its zones at once, for jobs of 10 to 100 hours with several slacks, each from
starts spread evenly over the record; a job whose deadline lies beyond a record's end is left out of it, and counted. Even starts are the half on which the
policy's one parameter was chosen, odd ones the half that is reported.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable

from tradewind.catalog import OfferFilter, open_catalog
from tradewind.catalog.traces import SpotSeries, spot_traces
from tradewind.optimizer import mixing
from tradewind.optimizer.mixing import Mix, Policy
from tradewind.optimizer.replay import Lived, replay

POLICIES: dict[str, Policy] = {
    "on demand only": mixing.on_demand_only,
    "greedy spot, one zone": mixing.eager_failover,  # shown its first zone alone
    "eager failover": mixing.eager_failover,
    "greedy with a net": mixing.greedy_with_net,
    "uniform progress": mixing.uniform_progress,
    "ours": mixing.ours,
}
LENGTHS_H = (10.0, 25.0, 50.0, 100.0)
SLACKS = (0.1, 0.25, 0.5, 1.0)  # of the job's length, beyond it
STEP_H = 0.1
CHANGEOVER_H = 0.2  # the "Can't Be Late" paper's measured range is 0.04 to 0.2 h and more for large jobs
REWORK_H = 0.2
USUAL_SPOT_PRICE = 0.3  # of on demand, where the catalog no longer sells the type


def markets(series: Iterable[SpotSeries]) -> dict[str, list[tuple[str, ...]]]:
    """For each trace the zones that could hold all its nodes throughout each step, for as long as all its zones are recorded."""
    by_trace: defaultdict[str, list[SpotSeries]] = defaultdict(list)
    for each in series:
        by_trace[each.trace].append(each)
    return {trace: _steps(zones) for trace, zones in sorted(by_trace.items())}


def _steps(zones: list[SpotSeries]) -> list[tuple[str, ...]]:
    steps = int(min(z.points[-1][0] for z in zones) / 3600 / STEP_H)
    up = {z.zone: [True] * steps for z in zones}
    for z in zones:
        for (begins, value), (ends, _) in zip(z.points, z.points[1:], strict=False):
            if value < z.nodes:
                for k in range(int(begins / 3600 / STEP_H), min(int(ends / 3600 / STEP_H) + 1, steps)):
                    up[z.zone][k] = False
    return [tuple(sorted(zone for zone in up if up[zone][k])) for k in range(steps)]


def spot_prices(series: Iterable[SpotSeries]) -> dict[str, float]:
    """Each trace's spot price as a share of on demand: the median over today's offers of its type, or the usual one."""
    found = {}
    with open_catalog() as catalog:
        for each in series:
            wanted = OfferFilter(clouds=(each.cloud,), instance_type=each.instance_type, use_spot=True)
            offers = catalog.offers(wanted)
            shares = [
                o.price_spot_usd_h / o.price_ondemand_usd_h
                for o in offers
                if o.price_spot_usd_h and o.price_ondemand_usd_h
            ]
            found[each.trace] = min(statistics.median(shares), 1.0) if shares else USUAL_SPOT_PRICE
    return found


def lives(
    policies: dict[str, Policy], starts: Iterable[int], of: int
) -> tuple[list[tuple[str, str, float, float, Lived]], int]:
    """(policy, trace, length, slack, life) of every job that fits its record, and how many did not."""
    series = spot_traces()
    prices = spot_prices(series)
    found, left_out = [], 0
    for trace, market in markets(series).items():
        for length in LENGTHS_H:
            for slack in SLACKS:
                mix = Mix(length, length * (1 + slack), CHANGEOVER_H, REWORK_H, STEP_H)
                room = len(market) - int(mix.deadline_h / STEP_H) - 1
                for start in starts:
                    if room < of:
                        left_out += 1
                        continue
                    # A job without a net is watched beyond its deadline, as far as the record goes.
                    window = market[room * start // of :]
                    home = min(zone for step in market for zone in step)
                    alone = mixing.greedy_in(home)
                    for name, each in policies.items():
                        policy = alone if "one zone" in name else each
                        life = replay(mix, policy, window, spot_price=prices[trace])
                        found.append((name, trace, length, slack, life))
    return found, left_out


def relative(lived: Lived, length: float) -> float:
    """Cost as a share of the same job on demand, its one change of machine included."""
    return lived.cost / (length + CHANGEOVER_H)


def rows(found: list[tuple[str, str, float, float, Lived]]) -> list[dict[str, object]]:
    """For each policy its mean cost relative to on demand, in all and at each slack, misses and preemptions."""
    table = []
    for name in dict.fromkeys(name for name, *_ in found):
        mine = [(length, slack, life) for policy, _, length, slack, life in found if policy == name]
        table.append(
            {
                "policy": name,
                "cost": statistics.mean(relative(life, length) for length, _, life in mine),
                "by_slack": {
                    str(s): statistics.mean(relative(life, length) for length, slack, life in mine if slack == s)
                    for s in SLACKS
                },
                "late": sum(life.late for *_, life in mine),
                "jobs": len(mine),
                "preemptions": statistics.mean(life.preemptions for *_, life in mine),
            }
        )
    return table


def by_trace(found: list[tuple[str, str, float, float, Lived]]) -> dict[str, dict[str, float]]:
    """Each trace's mean relative cost by policy."""
    costs: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, trace, length, _, life in found:
        costs[trace][name].append(relative(life, length))
    return {trace: {name: statistics.mean(some) for name, some in each.items()} for trace, each in costs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--starts", type=int, default=2, help="how many of each job's starts are replayed (default 2)")
    parser.add_argument("--choose", action="store_true", help="replay the other half with several shares held back")
    options = parser.parse_args()
    began = time.perf_counter()
    policies = POLICIES
    if options.choose:
        policies = {f"holding back {share:g}": mixing.holding_back(share) for share in (0, 0.1, 0.25, 0.5, 0.75, 1)}
    first = 0 if options.choose else 1
    found, left_out = lives(policies, range(first, 2 * options.starts, 2), 2 * options.starts)
    table = rows(found)
    if options.json:
        figures = [
            {"what": f"{row['policy']}: cost relative to on demand", "value": row["cost"], "unit": "", "goal": None}
            for row in table
        ] + [
            {"what": f"{row['policy']}: deadlines missed", "value": row["late"], "unit": "", "goal": None}
            for row in table
        ]
        print(json.dumps(figures, indent=2))
        return
    print(
        f"{'cost / on demand':<24}{'all':>7}"
        + "".join(f"{f'+{s:.0%}':>8}" for s in SLACKS)
        + f"{'late':>12}{'losses':>9}"
    )
    for row in table:
        cells = "".join(f"{cost:>8.3f}" for cost in row["by_slack"].values())
        print(
            f"{row['policy']:<24}{row['cost']:>7.3f}{cells}{row['late']:>6} /{row['jobs']:>4}{row['preemptions']:>9.1f}"
        )
    print(f"\n{'by trace':<40}" + "".join(f"{name[:9]:>10}" for name in policies))
    for trace, costs in by_trace(found).items():
        print(f"{trace[:39]:<40}" + "".join(f"{costs[name]:>10.3f}" for name in policies))
    print(f"\n{left_out} jobs are longer than their record and left out; {time.perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    main()
