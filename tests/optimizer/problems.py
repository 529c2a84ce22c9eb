"""Small random problems and the slow truth about them."""

from __future__ import annotations

import random
from itertools import product

import msgspec
from hypothesis import strategies as st

from tradewind.catalog.offer import Offer
from tradewind.optimizer.check import canonical
from tradewind.optimizer.cost import is_payable, plan_score, risk_micro_per_h
from tradewind.optimizer.egress import egress_of
from tradewind.optimizer.limits import keeps_limits
from tradewind.optimizer.order import sorted_candidates
from tradewind.optimizer.preemption import Recovery
from tradewind.optimizer.problem import (
    Candidate,
    Edge,
    Limits,
    Place,
    Problem,
    Quota,
    Request,
    Reservation,
    Share,
    Together,
    Weights,
)

CLOUDS = ("aws", "gcp", "lambda")
REGIONS = ("r1", "r2")
ZONES = ("", "z1", "z2")
TYPES = ("small", "medium", "large")
# Few distinct prices, so that ties and caps that bind exactly are common; 0.1 + 0.2 against 0.3 among them.
PRICES = (0.0132, 0.1, 0.2, 0.3, 0.30000001, 1.0, 24.15)

RECOVERY = Recovery(checkpoint_interval_h=2.0, checkpoint_h=0.1, restart_h=0.2, downtime_h=0.1)

EGRESS = egress_of(
    [
        (cloud, region, *target, price)
        for cloud in ("aws", "gcp")
        for region, target, price in (
            ("r1", (cloud, "r2"), 0.02),
            ("r2", (cloud, "r1"), 0.08),
            ("r1", ("internet", ""), 0.09),
            ("r2", ("lambda", "r1"), 0.01),
        )
    ]
)


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


def random_candidate(rng: random.Random) -> Candidate:
    return candidate(
        rng.choice(PRICES),
        use_spot=rng.random() < 0.5,
        alternative=rng.randint(0, 1),
        cloud=rng.choice(CLOUDS),
        region=rng.choice(REGIONS),
        zone=rng.choice(ZONES),
        instance_type=rng.choice(TYPES),
        vcpus=rng.choice([None, 2, 2, 4]),
        spot_risk_per_h=rng.choice([None, 1e-4, 3e-4, 0.5]),
    )


def random_place(rng: random.Random) -> Place:
    return Place(
        cloud=rng.choice(["", "", *CLOUDS]),
        region=rng.choice(["", "*", *REGIONS]),
        zone=rng.choice(["", "", "", "z1"]),
        instance_type=rng.choice(["", "", "small", "l*"]),
        use_spot=rng.choice([None, None, True, False]),
    )


def random_problem(seed: int, max_requests=5, max_candidates=5, moving=True) -> Problem:
    """A problem whose limits bind more often than not: a cap is what some choice costs, to the cent or just under.

    With `moving` data may take unlike times between areas, and emit.
    """
    rng = random.Random(seed)
    requests = tuple(
        Request(
            f"task-{i}",
            tuple(random_candidate(rng) for _ in range(rng.randint(1, max_candidates))),
            num_nodes=rng.randint(1, 3),
            hours=rng.choice([0.5, 1.0, 10.0]),
            recovery=rng.choice([None, None, RECOVERY]),
            deadline_h=rng.choice([None, None, None, 13.0]),
        )
        for i in range(rng.randint(1, max_requests))
    )
    some = [rng.choice(r.candidates) for r in requests]
    hourly = sum(c.hourly_usd * r.num_nodes for r, c in zip(requests, some, strict=True))
    total = sum(c.hourly_usd * r.num_nodes * r.hours for r, c in zip(requests, some, strict=True))
    limits = Limits(
        max_hourly_usd=rng.choice([None, None, hourly, hourly * 0.999]),
        max_total_usd=rng.choice([None, None, total, total * 0.5]),
        blocks=(random_place(rng),) if rng.random() < 0.2 else (),
        quotas=tuple(_random_quota(rng, requests) for _ in range(rng.choice([0, 1, 2, 3, 4]))),
    )
    together = ()
    if len(requests) > 1 and rng.random() < 0.3:
        some = tuple(r.task for r in rng.sample(requests, rng.randint(2, len(requests))))
        together = (Together(some, rng.choice(["cloud", "region", "zone"])),)
    deadline_h = None
    if rng.random() < 0.3:
        requests = tuple(
            msgspec.structs.replace(
                r,
                candidates=tuple(
                    msgspec.structs.replace(c, hours=rng.choice([None, 0.25, 2.0, 5.0])) for c in r.candidates
                ),
            )
            for r in requests
        )
        deadline_h = rng.choice([1.0, 3.0, 8.0, 20.0])
    edges = _random_edges(rng, requests)
    problem = Problem(requests, limits, edges=edges, egress=EGRESS, together=together, deadline_h=deadline_h)
    if rng.random() >= 0.5:
        return problem
    problem = _with_more(random.Random(seed + 1), problem)
    return _with_moving(random.Random(seed + 2), problem) if moving else problem


def _with_more(rng: random.Random, problem: Problem) -> Problem:
    """Emissions, weights, what is paid already, shares, an order of preference, and data that takes its time."""
    problem = msgspec.structs.replace(
        problem,
        weights=rng.choice(
            [Weights()] * 3 + [Weights(0, 1), Weights(1, 0.5), Weights(1, 0, 0.25), Weights(0.5, 0.1, 1)]
        ),
        egress=msgspec.structs.replace(problem.egress, gigabits_per_s=rng.choice([None, 0.05, 1.0])),
        requests=tuple(
            msgspec.structs.replace(
                request,
                ordered=rng.random() < 0.15,
                candidates=tuple(
                    msgspec.structs.replace(c, carbon_kg_h=rng.choice([None, *[0.1, 0.2, 0.2, 1.5] * 4]))
                    for c in request.candidates
                ),
            )
            for request in problem.requests
        ),
    )
    reservations = tuple(
        Reservation(f"reserved-{i}", random_place(rng), rng.randint(0, 4)) for i in range(rng.choice([0, 0, 1, 2]))
    )
    shares = (Share(random_place(rng), rng.choice([0.3, 0.5, 0.8])),) if rng.random() < 0.1 else ()
    carbon = rng.choice([None, None, None, 2.0, 10.0])
    limits = msgspec.structs.replace(problem.limits, reservations=reservations, shares=shares, max_carbon_kg=carbon)
    return msgspec.structs.replace(problem, limits=limits)


def _with_moving(rng: random.Random, problem: Problem) -> Problem:
    """Speeds by area, emissions of what moves, and inputs that have to be fetched."""
    places = [f"{cloud}/{region}" for cloud in CLOUDS for region in REGIONS]
    egress = problem.egress
    if rng.random() < 0.5:
        area = {place: rng.choice(["north", "south"]) for place in rng.sample(places, 4)}
        pairs = [(a, b) for a in ("north", "south") for b in ("north", "south")]
        between = {f"{a}>{b}": rng.choice([0.02, 0.05, 0.5, 5.0]) for a, b in pairs if rng.random() < 0.8}
        egress = msgspec.structs.replace(egress, area=area, gigabits_between=between)
    if rng.random() < 0.5:
        emitted = {place: rng.choice([0.0, 0.001, 0.01, 0.05]) for place in rng.sample(places, 4)}
        egress = msgspec.structs.replace(egress, kg_per_gb=emitted)
    if rng.random() < 0.3:
        problem = msgspec.structs.replace(
            problem,
            requests=tuple(
                msgspec.structs.replace(
                    r,
                    candidates=tuple(
                        msgspec.structs.replace(c, once_usd=rng.choice([0, 0.1]), once_kg=rng.choice([0, 0.1, 0.7]))
                        for c in r.candidates
                    ),
                )
                for r in problem.requests
            ),
        )
    return msgspec.structs.replace(problem, egress=egress)


def _random_edges(rng: random.Random, requests: tuple[Request, ...]) -> tuple[Edge, ...]:
    """Half the time none; else a DAG along the order of the requests."""
    if rng.random() < 0.5:
        return ()
    pairs = [(a.task, b.task) for i, a in enumerate(requests) for b in requests[i + 1 :]]
    return tuple(Edge(a, b, rng.choice([0.0, 0.1, 1.0, 100.0])) for a, b in pairs if rng.random() < 0.6)


def _random_quota(rng: random.Random, requests: tuple[Request, ...]) -> Quota:
    """Mostly on what a request would take if it were alone, with room for some of the requests and not for all."""
    if rng.random() < 0.3:
        return Quota(random_place(rng), rng.randint(0, 5))
    wanted = min(rng.choice(requests).candidates, key=lambda c: c.hourly_usd)
    place = Place(
        cloud=wanted.offer.cloud,
        region=rng.choice(["", wanted.offer.region]),
        use_spot=rng.choice([None, wanted.use_spot]),
    )
    nodes = [r.num_nodes for r in requests]
    limit = rng.randint(max(nodes) - 1, max(sum(nodes) - 1, *nodes, 1))
    return Quota(place, 3 * limit, "vcpus") if rng.random() < 0.3 else Quota(place, limit)


def problems(**sizes) -> st.SearchStrategy[Problem]:
    """Problems by seed: evenly spread, where drawing each field apart would nearly never make two limits bind at once."""
    return st.integers(0, 2**32).map(lambda seed: random_problem(seed, **sizes))


def brute_force(problem: Problem) -> tuple[Candidate, ...] | None:
    """The best choice of all choices, by preference, then the objective, then risk, then the content order of each request; None when no
    choice keeps the limits.
    """
    ordered = canonical(problem)
    requests = ordered.requests
    rows = [sorted_candidates(r, (c for c in r.candidates if is_payable(c))) for r in requests]
    best = None
    for ranks in product(*(range(len(row)) for row in rows)):
        choice = tuple(row[k] for row, k in zip(rows, ranks, strict=True))
        if not keeps_limits(ordered, choice):
            continue
        if not all(c.carbon_kg_h is not None for c in choice) and ordered.weights.kg:
            continue
        preference = tuple(c.alternative if r.ordered else 0 for r, c in zip(requests, choice, strict=True))
        cost = plan_score(ordered, choice)
        risk = sum(risk_micro_per_h(c) * r.num_nodes for r, c in zip(requests, choice, strict=True))
        key = (preference, cost, risk, ranks)
        if best is None or key < best[0]:
            best = (key, choice)
    return None if best is None else best[1]


def placed(plan) -> list[tuple]:
    return [
        (p.task, p.cloud, p.region, p.zone, p.instance_type, p.use_spot, p.alternative, p.free_nodes, p.hourly_usd)
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
            c.free_nodes,
            round(c.hourly_usd * 1e9) * (r.num_nodes - c.free_nodes) / 1e9,
        )
        for r, c in zip(requests, choice, strict=True)
    ]
