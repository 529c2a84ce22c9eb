"""What a data directory's record and limits do to the plans that are made from it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import msgspec
import pytest

from tests.broker.harness import task as harness_task
from tradewind.broker.jobs import standing
from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.jobs.standing import asked_here
from tradewind.broker.planner import plan_task, what_now
from tradewind.broker.store import rows, seen
from tradewind.broker.store.database import Store
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import AttemptRow, InstanceRow, Options
from tradewind.catalog import open_catalog
from tradewind.optimizer import Position
from tradewind.optimizer.plan import RankedCandidate
from tradewind.spec import parse_task

OFFERS = """cloud,instance_type,arch,vcpus,memory_gib,accelerator,accelerator_count,accelerator_memory_gib,region,zone,price_ondemand_usd_h,price_spot_usd_h
aws,big,x86_64,8,32,,,,us-east-1,use1-az1,1.00,0.30
aws,big,x86_64,8,32,,,,us-east-1,use1-az2,1.00,0.40
aws,p4d,x86_64,96,1152,A100,8,40,us-east-1,,20,4
aws,p3,x86_64,64,488,V100,8,16,us-east-1,,9,3
"""
SPOT = "name: t\nrun: x\nresources: {cpus: 8, use_spot: true}\n"


class Record:
    """A data directory with a store that is written as the broker writes it, and a catalog."""

    def __init__(self, path) -> None:
        self.directory = str(path / "home")
        self.store = Store(self.directory)
        (path / "offers.csv").write_text(OFFERS)
        self.catalog = open_catalog(str(path / "offers.csv"))
        self.made = 0

    def offer(self, zone: str, instance_type: str = "big"):
        return next(o for o in self.catalog.offers() if o.instance_type == instance_type and o.zone == zone)

    def instance(self, offer, began: float, ended: float | None, *, lost: bool, spot=True, rehearse=False) -> int:
        """An instance that was held from then to then (Unix seconds); the cluster's number."""
        self.made += 1
        name = f"i-{self.made}"
        place = RankedCandidate("t", offer.cloud, offer.region, offer.zone, offer.instance_type, spot, 0.3, "", offer)
        row = InstanceRow(
            id=name, cluster_id=0, rank=0, tries=1, token=name, tags={}, provider="aws", provider_id="", address="", offer=offer,
            use_spot=spot, price_usd_h="0.3", state="INTENT", lease_until_unix=0.0, agent_seq=0, created_unix=began,
            launched_unix=None, ended_unix=None, reason="",
        )  # fmt: skip
        found = []

        def act(connection, now: float, what) -> None:
            ledger = Ledger(connection, now)
            what(ledger)

        def begin(ledger: Ledger) -> None:
            cluster_id = ledger.create_cluster(
                name=f"c{self.made}",
                task=harness_task(),
                candidates=(place,),
                options=Options(rehearse=rehearse),
                cause="test",
            )
            found.append(cluster_id)
            mine = msgspec.structs.replace(row, cluster_id=cluster_id)
            rows.insert_instance(ledger.connection, mine)
            ledger.instance_launched(mine, provider_id=name, address="", cause="test")

        def end(ledger: Ledger) -> None:
            if lost:
                ledger.instance_lost(name, reason="reclaimed", cause=f"instance/{name}")
            else:
                ledger.instance_ended(rows.instance(ledger.connection, name), reason="released", cause="test")

        self.store.write(lambda connection: act(connection, began, begin))
        if ended is not None:
            self.store.write(lambda connection: act(connection, ended, end))
        return found[0]

    def run_of(self, name: str, run: str, offer, hours: float) -> None:
        """A managed job that succeeded in one attempt."""
        cluster_id = self.instance(offer, 0.0, hours * 3600, lost=False)

        def write(connection) -> None:
            job_id = rows.insert_managed_job(
                connection, name=name, state="SUCCEEDED", task=harness_task(run), plan="", hourly_usd=1.0, options=Options(),
                created_unix=0.0, attempt=1, cluster_id=cluster_id,
            )  # fmt: skip
            attempt = AttemptRow(job_id, 1, cluster_id, 1, "p", "1", 0.0, hours * 3600, "SUCCEEDED", "")
            rows.insert_attempt(connection, attempt)

        self.store.write(write)

    def asked(self, text: str = SPOT, **more):
        standing._experience.cache_clear()
        return asked_here(parse_task(text, "t.yaml", "/"), self.catalog, self.directory, **more)

    def plan(self, text: str = SPOT, **more):
        asked = self.asked(text, **more)
        task = parse_task(text, "t.yaml", "/")
        return plan_task(task, self.catalog, limits=asked.limits, wishes=asked.wishes, hours=asked.hours)


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = Record(tmp_path)
    yield made
    made.catalog.close()
    made.store.close()


def test_hours_and_losses_are_counted_by_type_and_place_and_rehearsals_are_not(record):
    one, two = record.offer("use1-az1"), record.offer("use1-az2")
    record.instance(one, 0, 3600, lost=True)
    record.instance(one, 0, 7200, lost=False)
    record.instance(two, 1000, None, lost=False)
    record.instance(one, 0, 3600, lost=True, rehearse=True)
    record.instance(one, 0, 3600, lost=False, spot=False)
    found = seen.experience(record.directory, now=4600)
    assert [(r.zone, r.instance_type, r.hours, r.losses) for r in found.rows] == [
        ("use1-az1", "big", 3.0, 1),
        ("use1-az2", "big", 1.0, 0),
    ]
    assert seen.experience(record.directory + "x").rows == ()


def test_a_place_that_takes_machines_away_is_left_for_a_dearer_one(record):
    before = record.plan(hours=10)
    assert (before.placements[0].zone, before.placements[0].expected) == ("use1-az1", None)
    for start in range(20):
        record.instance(record.offer("use1-az1"), start * 3600, start * 3600 + 600, lost=True)
    record.instance(record.offer("use1-az2"), 0, 36000, lost=False)
    after = record.plan(hours=10)
    (placement,) = after.placements
    assert placement.zone == "use1-az2"
    assert (placement.hazard.losses, placement.hazard.hours) == (0, 10.0)
    assert placement.expected.interruptions < 0.1
    assert any("20 spot machines were lost here" in said for said in after.defaults_applied)
    advice = what_now(
        parse_task(SPOT, "t.yaml", "/"), record.catalog, Position(), hours=10, wishes=record.asked().wishes
    )
    assert advice.plan.placements[0].zone == "use1-az2"


def test_a_length_that_nobody_gave_is_what_earlier_runs_took(record):
    text = "name: fit\nrun: python fit.py\nresources: {accelerators: {A100: 8, V100: 8}}\n"
    for hours in (9.0, 10.0, 12.0):
        record.run_of("fit", "python fit.py", record.offer("", "p4d"), hours)
    record.run_of("fit", "another program", record.offer("", "p4d"), 1.0)
    asked = record.asked(text)
    assert asked.told == ("length: 10 h, the median of 3 earlier runs of fit",)
    plan = record.plan(text)
    assert (plan.placements[0].instance_type, plan.placements[0].hours) == ("p4d", 10.0)  # V100: 24.96 h for 225 USD
    assert record.plan(text, hours=2.0).placements[0].hours == 2.0
    assert record.plan(text + "estimates: {'A100:8': 3h}\n").placements[0].hours == 3.0
    record.run_of("cpu", "make", record.offer("use1-az1"), 4.0)
    assert record.plan("name: cpu\nrun: make\nresources: {cpus: 8}\n").placements[0].hours == 4.0


def test_what_is_held_counts_against_quotas_and_reservations_that_stand_for_all(record, tmp_path):
    (tmp_path / "home" / "limits.yaml").write_text(
        "placement:\n  quotas: {aws/us-east-1/use1-az1: 2 nodes}\n  reserved: {aws/us-east-1/*/p4d: 2}\n"
    )
    gang = SPOT + "num_nodes: 2\n"
    paid = "name: t\nrun: x\nnum_nodes: 2\nresources: {instance_type: p4d}\n"
    assert record.plan(gang).placements[0].zone == "use1-az1"
    assert record.plan(paid).hourly_usd == 0
    now = time.time()
    record.instance(record.offer("use1-az1"), now - 60, None, lost=False)
    record.instance(record.offer("", "p4d"), now - 60, None, lost=False, spot=False)
    assert record.plan(gang).placements[0].zone == "use1-az2"
    assert record.plan(paid).hourly_usd == 20
    mine = record.plan(SPOT).placements[0]
    assert mine.zone == "use1-az1"
    assert record.asked(SPOT, mine=mine).limits.quotas[0].limit == 2
    assert record.asked(SPOT).limits.quotas[0].limit == 1


def test_a_rehearsal_asks_no_record(record, tmp_path):
    (tmp_path / "home" / "limits.yaml").write_text("placement: {exclude: [aws/us-east-1/use1-az1]}\n")
    task = parse_task(SPOT, "t.yaml", "/")
    assert asked_here(task, record.catalog, None).limits.blocks == ()
    assert len(record.asked().limits.blocks) == 1
    record.instance(record.offer("use1-az2"), 0, 600, lost=True)
    rehearsed = record.asked(rehearse=True)
    assert (len(rehearsed.limits.blocks), rehearsed.wishes.seen.losses) == (1, 0)
    assert record.asked().wishes.seen.losses == 1


def test_the_command_line_tells_what_was_seen(record, tmp_path):
    for start in range(20):
        record.instance(record.offer("use1-az1"), start * 3600, start * 3600 + 600, lost=True)
    record.instance(record.offer("use1-az2"), 0, 36000, lost=True)
    (tmp_path / "t.yaml").write_text(SPOT)
    line = [sys.executable, "-m", "tradewind.cli", "plan", "t.yaml", "--hours", "10", "--explain"]
    env = {**os.environ, "TRADEWIND_DATA_DIR": record.directory}
    told = subprocess.run(
        [*line, "--catalog", "offers.csv"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    ).stdout
    assert "(1 lost here in 10 h)" in told
    assert "1 of your machines were taken away there in 10 h, nothing is published" in told
    assert "what interruptions cost is counted, because 21 spot machines were lost here" in told


def test_the_daemons_planner_goes_by_it_too(record, tmp_path):
    planner = CatalogPlanner(lambda: {"aws": ""}, data_dir=record.directory)
    task = parse_task(SPOT, "t.yaml", "/")

    def zone(**options) -> str:
        standing._experience.cache_clear()
        asked = Options(catalog=str(tmp_path / "offers.csv"), hours=10, **options)
        return asyncio.run(planner.plan(task, asked)).placements[0].zone

    try:
        assert zone() == "use1-az1"
        for start in range(20):
            record.instance(record.offer("use1-az1"), start * 3600, start * 3600 + 600, lost=True)
        record.instance(record.offer("use1-az2"), 0, 36000, lost=False)
        assert (zone(), zone(rehearse=True)) == ("use1-az2", "use1-az1")
        (tmp_path / "home" / "limits.yaml").write_text("placement: {exclude: [aws/us-east-1/use1-az2]}\n")
        assert zone() == "use1-az1"
        (tmp_path / "home" / "limits.yaml").write_text("placement: {exclude: [everything/a/b/c/d]}\n")
        with pytest.raises(PlanRefused, match=r"limits\.yaml: placement\.exclude"):
            zone()
    finally:
        planner.close()


def test_what_no_source_tells_of_ones_own_machines_does_not_rule_them_out(record, tmp_path):
    (tmp_path / "home" / "limits.yaml").write_text(
        "placement: {continents: [Europe], max_carbon: 1, minimize: carbon, max_nodes_per_zone: 2}\n"
    )
    asked = record.asked("name: t\nrun: x\nresources: {infra: local}\n")
    assert (asked.wishes.continents, asked.wishes.carbon, asked.aim, asked.limits.max_carbon_kg) == (
        (),
        False,
        None,
        None,
    )
    elsewhere = record.asked()
    assert (elsewhere.wishes.continents, elsewhere.limits.max_carbon_kg) == (("Europe",), 1)
