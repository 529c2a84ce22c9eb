"""Small random problems and the slow truth about them."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st

from tradewind.catalog.offer import Offer
from tradewind.optimizer.limits import keeps_limits, total_nano
from tradewind.optimizer.money import is_price
from tradewind.optimizer.order import risk_micro_per_h, sorted_candidates
from tradewind.optimizer.problem import Candidate, Limits, Place, Problem, Quota, Request

CLOUDS = ("aws", "gcp", "lambda")
REGIONS = ("r1", "r2")
ZONES = ("", "z1", "z2")
TYPES = ("small", "medium", "large")
# Few distinct prices, so that ties and caps that bind exactly are common; 0.1 + 0.2 against 0.3 among them.
PRICES = (0.0132, 0.1, 0.2, 0.3, 0.30000001, 1.0, 24.15)


def offer(cloud="aws", region="r1", zone="z1", instance_type="small", ondemand=1.0, spot=0.3, **more) -> Offer:
    return Offer(
        cloud=cloud,
        region=region,
        zone=zone,
        instance_type=instance_type,
        arch="x86_64",
        vcpus=more.pop("vcpus", 2),
        memory_gib=more.pop("memory_gib", 4),
        accelerator=more.pop("accelerator", ""),
        accelerator_count=more.pop("accelerator_count", 0),
        accelerator_memory_gib=None,
        price_ondemand_usd_h=ondemand,
        price_spot_usd_h=spot,
        **more,
    )


def candidate(price=1.0, *, use_spot=False, alternative=0, **where) -> Candidate:
    return Candidate(offer(ondemand=price, spot=price, **where), use_spot, price, alternative)


candidates = st.builds(
    candidate,
    price=st.sampled_from(PRICES),
    use_spot=st.booleans(),
    alternative=st.integers(0, 1),
    cloud=st.sampled_from(CLOUDS),
    region=st.sampled_from(REGIONS),
    zone=st.sampled_from(ZONES),
    instance_type=st.sampled_from(TYPES),
    spot_risk_per_h=st.sampled_from([None, 1e-4, 3e-4]),
)
places = st.builds(
    Place,
    cloud=st.sampled_from(["", *CLOUDS]),
    region=st.sampled_from(["", "*", *REGIONS]),
    zone=st.sampled_from(["", "z1"]),
    instance_type=st.sampled_from(["", "", "small", "l*"]),
    use_spot=st.sampled_from([None, True, False]),
)


@st.composite
def problems(draw, max_requests=4, max_candidates=6) -> Problem:
    count = draw(st.integers(1, max_requests))
    requests = tuple(
        Request(
            f"task-{i}",
            tuple(draw(st.lists(candidates, min_size=1, max_size=max_candidates))),
            num_nodes=draw(st.integers(1, 3)),
            hours=draw(st.sampled_from([0.5, 1.0, 10.0])),
        )
        for i in range(count)
    )
    limits = Limits(
        max_hourly_usd=draw(st.none() | st.sampled_from([0.02, 0.3, 0.6, 1.2, 3.0, 30.0])),
        max_total_usd=draw(st.none() | st.sampled_from([0.3, 2.0, 15.0, 300.0])),
        blocks=tuple(draw(st.lists(places, max_size=1))),
        quotas=tuple(draw(st.lists(st.builds(Quota, place=places, limit=st.integers(0, 5)), max_size=3))),
    )
    return Problem(requests, limits)


def brute_force(problem: Problem) -> tuple[Candidate, ...] | None:
    """The best choice of all choices, by cost, then risk, then the content order of each request; None when no choice keeps the limits."""
    requests = sorted(problem.requests, key=lambda r: r.task)
    rows = [sorted_candidates(c for c in r.candidates if is_price(c.hourly_usd)) for r in requests]
    best = None
    for ranks in product(*(range(len(row)) for row in rows)):
        choice = tuple(row[k] for row, k in zip(rows, ranks, strict=True))
        if not keeps_limits(problem.limits, requests, choice):
            continue
        cost = sum(total_nano(r, c) for r, c in zip(requests, choice, strict=True))
        risk = sum(risk_micro_per_h(c) * r.num_nodes for r, c in zip(requests, choice, strict=True))
        key = (cost, risk, ranks)
        if best is None or key < best[0]:
            best = (key, choice)
    return None if best is None else best[1]


def placed(plan) -> list[tuple]:
    return [
        (p.task, p.cloud, p.region, p.zone, p.instance_type, p.use_spot, p.alternative, p.hourly_usd)
        for p in plan.placements
    ]


def chosen(problem: Problem, choice) -> list[tuple]:
    requests = sorted(problem.requests, key=lambda r: r.task)
    return [
        (
            r.task,
            c.offer.cloud,
            c.offer.region,
            c.offer.zone,
            c.offer.instance_type,
            c.use_spot,
            c.alternative,
            round(c.hourly_usd * 1e9) * r.num_nodes / 1e9,
        )
        for r, c in zip(requests, choice, strict=True)
    ]
