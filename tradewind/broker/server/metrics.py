"""The daemon's figures in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure but for reading."""

from __future__ import annotations

from sqlalchemy import Connection

from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.store import costs, listing, waiting

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WORLDS = {False: "real", True: "rehearsed"}


def page(connection: Connection, now: float) -> str:
    """All figures at the Unix second `now`."""
    counts = listing.counts(connection)
    spent, load = costs.totals(connection, now), waiting.load(connection)
    lines = [*_head("tradewind_managed_jobs", "gauge", "Managed jobs by state.")]
    lines += [f'tradewind_managed_jobs{{state="{state}"}} {counts.get(state, 0)}' for state in mm.STATES]
    lines += [
        *_head("tradewind_recoveries_total", "counter", "Losses that managed jobs came back from."),
        f"tradewind_recoveries_total {listing.recoveries(connection)}",
        *_head("tradewind_planned_usd_per_hour", "gauge", "What the active managed jobs' plans cost together."),
        *(f'tradewind_planned_usd_per_hour{{money="{_WORLDS[w]}"}} {load[w].hourly_usd:.9g}' for w in (False, True)),
        *_head("tradewind_spend_usd_per_hour", "gauge", "What the instances of managed jobs cost now."),
        *(f'tradewind_spend_usd_per_hour{{money="{_WORLDS[w]}"}} {float(spent[w].usd_h):.9g}' for w in (False, True)),
        *_head("tradewind_spend_usd_total", "counter", "What managed jobs have cost since this record began."),
        *(f'tradewind_spend_usd_total{{money="{_WORLDS[w]}"}} {float(spent[w].usd):.12g}' for w in (False, True)),
    ]
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
