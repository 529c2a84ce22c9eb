"""Gangs over several zones: who stands where, at what price, and what is done about zones without room."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import FixedPlanner, Running, launch_request, offer, ranked, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.provider import Blocked
from tradewind.broker.provision import choice, zones
from tradewind.broker.provision.failover import block_for_loss, block_for_refusal
from tradewind.broker.provision.services import Services
from tradewind.broker.store import rows
from tradewind.broker.store.database import Store
from tradewind.broker.store.records import Options
from tradewind.optimizer import ZoneShare

SHARES = (ZoneShare("z1", 2, 0.1), ZoneShare("z2", 2, 0.2), ZoneShare("z3", 1, 0.2))
REGIONAL = offer(zone="")
SPREAD = msgspec.structs.replace(ranked(REGIONAL), spread=SHARES)


def test_zones_left_out_are_made_good_by_others_and_never_overfilled():
    again = zones.spread_over(SPREAD, ["z2", "z3", "z4"], 5)
    assert again.spread == (ZoneShare("z2", 2, 0.2), ZoneShare("z3", 2, 0.2), ZoneShare("z4", 1, 0.2))
    assert again.hourly_usd == pytest.approx(1.0)
    assert zones.spread_over(SPREAD, ["z2", "z4"], 5) is None
    standing = zones.spread_over(SPREAD, ["z1", "z2", "z3"], 5, standing=("z3",))
    assert [(share.zone, share.nodes) for share in standing.spread] == [("z3", 2), ("z1", 2), ("z2", 1)]


def test_each_rank_has_its_zone_and_its_price_and_survivors_keep_theirs():
    assert zones.zones_left(SPREAD, ()) == ["z1", "z1", "z2", "z2", "z3"]
    assert zones.zones_left(SPREAD, ("z1", "z3")) == ["z1", "z2", "z2"]
    bought = zones.offer_in(SPREAD, "z2")
    price = bought.price_spot_usd_h if SPREAD.use_spot else bought.price_ondemand_usd_h
    assert (bought.zone, price) == ("z2", 0.2)
    assert zones.may_stay(bought, SPREAD)
    assert not zones.may_stay(msgspec.structs.replace(bought, zone="z9"), SPREAD)
    assert not zones.may_stay(msgspec.structs.replace(bought, instance_type="other"), SPREAD)
    assert zones.offer_in(ranked(REGIONAL), "") == REGIONAL
    assert zones.may_stay(REGIONAL, ranked(REGIONAL))


class Zones:
    def __init__(self, *names: str) -> None:
        self.names = names

    async def zones(self, _offer):
        return list(self.names)


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "data"))
    yield store
    store.close()


def chosen(store, *blocks, known=("z1", "z2", "z3", "z4")):
    found = []

    async def scenario():
        services = Services(store, {"aws": Zones(*known)}, clock=lambda: 1000.0)  # type: ignore[dict-item]

        def create(ledger):
            return ledger.create_cluster(
                name="c",
                task=msgspec.structs.replace(task(), num_nodes=5),
                candidates=(SPREAD,),
                options=Options(),
                cause="test",
            )

        cluster_id = await services.apply(create)
        for block in blocks:
            await services.apply(lambda ledger, one=block: rows.insert_block(ledger.connection, one))
        cluster = store.read(lambda c: rows.cluster(c, cluster_id))
        found.append(await choice.choose(services, cluster, nodes=5))

    run(scenario())
    return None if found[0] is None else [(share.zone, share.nodes) for share in found[0].spread]


def refused(zone: str, scope: str = "zone"):
    why = Blocked(kind="capacity", scope=scope, why=f"{zone} is full", until_unix=9e9)
    return block_for_refusal(
        msgspec.structs.replace(REGIONAL, zone=zone), use_spot=SPREAD.use_spot, refused=why, cluster_id=None, now=1000.0
    )


def test_a_zone_without_room_is_left_to_the_others(store):
    assert chosen(store) == [("z1", 2), ("z2", 2), ("z3", 1)]
    assert chosen(store, refused("z1")) == [("z2", 2), ("z3", 2), ("z4", 1)]


def test_too_few_zones_are_no_place(store):
    assert chosen(store, refused("z1"), refused("z2"), known=("z1", "z2", "z3", "z4")) is None


def test_a_zone_that_took_a_machine_back_comes_last(store):
    lost = block_for_loss(
        msgspec.structs.replace(REGIONAL, zone="z2"), use_spot=SPREAD.use_spot, why="gone", cluster_id=None, now=1000.0
    )
    assert chosen(store, lost) == [("z1", 2), ("z3", 2), ("z4", 1)]
    assert chosen(store, lost, known=("z1", "z2", "z3")) == [("z1", 2), ("z2", 2), ("z3", 1)]


class Planned(FixedPlanner):
    """One candidate, as it stands."""

    def __init__(self, candidate) -> None:
        super().__init__()
        self.candidate = candidate

    async def plan(self, task_, options, blocks=()):
        return msgspec.structs.replace(await super().plan(task_, options, blocks), candidates=(self.candidate,))

    consider = plan


def bought(tmp_path, candidate):
    """The instances' zones and prices once a gang of five on this candidate is up."""
    found = []

    async def scenario():
        async with Running(str(tmp_path / "home"), ScriptedCloud(), planner=Planned(candidate)) as r:
            await r.broker.launch(launch_request(task("wait", nodes=5)))
            await r.until("it is up", lambda: r.cluster_state() == "UP")
            found.extend(
                (row.rank, row.offer.zone, float(row.price_usd_h)) for row in r.store.read(rows.live_instances)
            )
            await r.broker.down("c")

    run(scenario())
    return sorted(found)


def test_a_spread_gang_is_bought_zone_by_zone_at_each_zones_price(tmp_path):
    assert bought(tmp_path, SPREAD) == [(0, "z1", 0.1), (1, "z1", 0.1), (2, "z2", 0.2), (3, "z2", 0.2), (4, "z3", 0.2)]


def test_what_a_reservation_pays_costs_nothing_in_the_record(tmp_path):
    paid = msgspec.structs.replace(ranked(offer("a")), use_spot=False, free_nodes=2)
    assert [price for _, _, price in bought(tmp_path, paid)] == pytest.approx([0.0, 0.0, 0.3, 0.3, 0.3])
