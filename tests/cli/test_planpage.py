"""The plan's page, from plan values made here."""

from __future__ import annotations

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.cli import planpage
from tradewind.optimizer.plan import Certificate, Placement, Plan, RankedCandidate


def offer(cloud: str, region: str, zone: str, name: str, spot: float | None, on_demand: float | None = 0.1) -> Offer:
    return Offer(
        cloud=cloud, region=region, zone=zone, instance_type=name, arch="x86_64", vcpus=2, memory_gib=8, accelerator="",
        accelerator_count=0, accelerator_memory_gib=None, price_ondemand_usd_h=on_demand, price_spot_usd_h=spot,
        basis="list", spot_basis="derived", date="2026-08-03", spot_risk_per_h=0.01,
    )  # fmt: skip


def candidate(o: Offer, reason: str) -> RankedCandidate:
    assert o.price_spot_usd_h is not None
    return RankedCandidate(
        "digits", o.cloud, o.region, o.zone, o.instance_type, True, 2 * o.price_spot_usd_h, reason, o
    )


GCP = offer("gcp", "us-west4", "us-west4-a", "n2d-standard-2", 0.0125)
AWS = offer("aws", "us-east-1", "use1-az1", "m6a.large", 0.02)
AZURE = offer("azure", "eastus", "", "Standard_D2as_v5", 0.0225)
PROOF = Certificate(objective=0.025, bound=0.025, gap=0.0, seconds=0.012, solver="HiGHS", columns=120, rows=1)


def plan() -> Plan:
    return Plan(
        feasible=True, hourly_usd=0.025, total_usd=0.025,
        placements=(Placement("digits", "gcp", "us-west4", "us-west4-a", "n2d-standard-2", True, 2, 0.025, 0.025, 1.0, GCP),),
        candidates=(
            candidate(GCP, ""), candidate(offer("gcp", "us-west1", "us-west1-b", "n2d-standard-2", 0.013), "dearer"),
            candidate(AWS, "0.015 USD/h dearer (+60%)"), candidate(AZURE, "0.02 USD/h dearer (+80%)"),
        ),
        certificate=PROOF, offers_considered=105015, defaults_applied=("x86_64: no arch was named",),
    )  # fmt: skip


def test_the_page_says_what_where_price_basis_and_proof() -> None:
    text = planpage.page(plan())
    for part in (
        "n2d-standard-2 at gcp/us-west4/us-west4-a, 2 nodes, spot",
        "0.025 USD/h (0.0125 a node)",
        "derived price of 2026-08-03",
        "on demand: 0.20 USD/h (8.0x) here; not sold where it is cheapest",
        "105,015 offers considered; proven cheapest",
        "gap 0",
        "Assumed: x86_64: no arch was named.",
    ):
        assert part.replace(" ", "") in text.replace("\n", "").replace(" ", ""), part


def test_each_cloud_appears_once_with_its_best_and_why_it_lost() -> None:
    rows = [line.split() for line in planpage.page(plan(), limit=None).split("\n") if line.startswith("  ")]
    assert [row[:2] for row in rows if row[0] in {"gcp", "aws", "azure"}] == [
        ["gcp", "us-west4-a"],
        ["aws", "us-east-1/use1-az1"],
        ["azure", "eastus"],
    ]
    assert rows[-1][-2:] == ["80%", "dearer"]


def test_the_page_fits_80_columns() -> None:
    assert max(map(len, planpage.page(plan(), limit=80).split("\n"))) <= 80


def test_no_plan_says_why() -> None:
    none = Plan(
        False, 0.0, 0.0, (), (), PROOF, 0, why_infeasible=("no offer has 7 A100; counts sold: 1, 2, 4, 8, 16.",)
    )
    text = planpage.page(none)
    assert text.startswith("No plan.\n  no offer has 7 A100")


def test_what_is_cheaper_and_may_not_be_bought_is_told_in_a_sentence() -> None:
    cheap = offer("aws", "us-east-1", "use1-az1", "m6a.large", 0.01)
    rows = (
        candidate(cheap, "aws can't be used from here: aws configure; 0.005 USD/h cheaper (-20%)"),
        candidate(AZURE, "azure can't be used from here: az login; 0.02 USD/h dearer (+80%)"),
        msgspec.structs.replace(candidate(cheap, "on demand; spot was asked for"), use_spot=False),
        msgspec.structs.replace(candidate(cheap, "of another task"), task="other"),
    )
    (told,) = planpage.cheaper_left_out(msgspec.structs.replace(plan(), references=rows))
    assert told == (
        "cheaper, and left out: m6a.large at aws/us-east-1/use1-az1 (spot) for 0.02 USD/h: "
        "aws can't be used from here: aws configure; 20% cheaper"
    )
