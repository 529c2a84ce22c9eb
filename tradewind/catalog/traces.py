"""Recorded spot behaviour: when capacity was there and when it was taken, zone by zone (sources: data/facts/SOURCES.md)."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal, cast

import msgspec

from tradewind.catalog.snapshot import DATA_DIRECTORY, read_rows

Kind = Literal["availability", "preemption"]


class SpotSeries(msgspec.Struct, frozen=True):
    """One zone of one trace: change points (seconds from its start, nodes), each value holding until the next; the last marks the end.

    `availability`: how many nodes a probe could have had. `preemption`: how many held nodes were alive, so a fall is a preemption.
    `tick_s` is the time between observations in seconds.
    """

    trace: str
    kind: Kind
    cloud: str
    zone: str
    instance_type: str
    nodes: int
    start_date: str
    tick_s: float
    points: tuple[tuple[float, int], ...]


def spot_traces(directory: str = DATA_DIRECTORY) -> tuple[SpotSeries, ...]:
    """Every recorded series, in the order of the index."""
    points: defaultdict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for trace, zone, time_s, available in read_rows("spot_traces.csv.xz", directory):
        points[trace, zone].append((float(time_s), int(available)))
    series = []
    for row in read_rows("spot_traces_index.csv", directory):
        trace, kind, cloud, instance_type, zone, nodes, start_date, tick_s = row[:8]
        series.append(
            SpotSeries(
                trace,
                cast("Kind", kind),
                cloud,
                zone,
                instance_type,
                int(nodes),
                start_date,
                float(tick_s),
                tuple(points[trace, zone]),
            )
        )
    return tuple(series)


def hold_times_s(series: SpotSeries) -> tuple[float, ...]:
    """Seconds from a rise to the next fall: how long something was held before a loss ended it.

    An interval still held when the record ends is left out (it is censored), as is one already held when it starts. With several nodes
    each fall ends the whole holding, as a gang would lose it; what stays alive starts a new one at the fall.
    """
    held: list[float] = []
    since: float | None = None
    alive: int | None = None
    for time_s, value in series.points:
        if alive is not None and value < alive:
            if since is not None:
                held.append(time_s - since)
            since = time_s if value > 0 else None
        elif alive is not None and value > alive and alive == 0:
            since = time_s
        alive = value
    return tuple(held)
