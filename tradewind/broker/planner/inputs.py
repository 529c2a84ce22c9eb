"""Inputs that already lie somewhere: moving them to a candidate's region is paid once, at the catalog's egress prices."""

from __future__ import annotations

import msgspec

from tradewind.broker.planner.egress import egress
from tradewind.broker.planner.errors import PlanError
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.cost import site_of
from tradewind.optimizer.problem import Candidate, Request
from tradewind.spec.task import Task


def with_inputs(request: Request, task: Task, catalog: Catalog) -> Request:
    """The request with the price and the emissions of moving the task's inputs there on every candidate; the same where it has none.

    Raises PlanError for inputs of which it is not said in which region they lie.
    """
    if task.inputs is None:
        return request
    cloud, _, region = task.inputs.uri.partition("/")
    known = {(c.lower(), r.lower()): (c, r) for c, r in catalog.regions_by_place}
    site = known.get((cloud.lower(), region.lower()))
    if site is None:
        raise PlanError(
            "inputs",
            f"{task.inputs.uri!r} is no region of the catalog, and data is priced from region to region; write `inputs: {{aws/us-east-1: {task.inputs.gigabytes:g}}}`",
        )
    prices, gigabytes = egress(), task.inputs.gigabytes
    moved = {
        where: (prices.price(site, where) * gigabytes, prices.kg(site, where, gigabytes))
        for where in {site_of(c) for c in request.candidates}
    }

    def with_moving(candidate: Candidate) -> Candidate:
        usd, kg = moved[site_of(candidate)]
        return msgspec.structs.replace(candidate, once_usd=candidate.once_usd + usd, once_kg=candidate.once_kg + kg)

    row = tuple(with_moving(c) for c in request.candidates)
    return msgspec.structs.replace(request, candidates=row)
