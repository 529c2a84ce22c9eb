"""Zones settled and quotas asked before anything is bought."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import offer, ranked, run, task
from tradewind.broker.provider import Blocked, ProviderError
from tradewind.broker.provision import choice
from tradewind.broker.provision.failover import block_for_refusal
from tradewind.broker.provision.services import Services
from tradewind.broker.store import rows
from tradewind.broker.store.database import Store
from tradewind.broker.store.records import Options


class Zones:
    """A cloud with zones and quotas, of which only these questions are asked."""

    def __init__(self, zones=("z1", "z2"), left=None) -> None:
        self.names, self.left, self.asked = zones, left, 0

    async def zones(self, _offer):
        self.asked += 1
        if isinstance(self.names, Exception):
            raise self.names
        return list(self.names)

    async def headroom(self, offers, *, use_spot):
        return [self.left for _ in offers]

    def classify(self, error):
        return Blocked(kind="permission", scope="cloud", why=error.message, until_unix=9e9)


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "data"))
    yield store
    store.close()


async def cluster_of(store, services, *offers):
    def create(ledger):
        return ledger.create_cluster(
            name="c", task=task(), candidates=tuple(ranked(one) for one in offers), options=Options(), cause="test"
        )

    cluster_id = await services.apply(create)
    return store.read(lambda c: rows.cluster(c, cluster_id))


def choosing(store, cloud, *offers, nodes=1, blocks=(), standing=()):
    found = []

    async def scenario():
        services = Services(store, {"aws": cloud, "gcp": Zones(())}, clock=lambda: 1000.0)  # type: ignore[dict-item]
        cluster = await cluster_of(store, services, *offers)
        for block in blocks:
            await services.apply(lambda ledger, b=block: rows.insert_block(ledger.connection, b))
        found.append(await choice.choose(services, cluster, nodes=nodes, standing=standing))
        found.append(choice.why_none(services, cluster))

    run(scenario())
    return found


def refused(zone):
    blocked = Blocked(kind="capacity", scope="zone", why=f"{zone} is full", until_unix=2000.0)
    return block_for_refusal(offer(zone), use_spot=True, refused=blocked, cluster_id=None, now=1000.0)


def test_a_regional_offer_goes_to_the_first_zone_that_nothing_speaks_against(store):
    place, _ = choosing(store, Zones(), offer(""), blocks=[refused("z1")])
    assert (place.zone, place.offer.zone) == ("z2", "z2")


def test_survivors_draw_the_rest_to_their_zone(store):
    place, _ = choosing(store, Zones(), offer(""), standing={"z2"})
    assert place.zone == "z2"


def test_when_every_zone_is_blocked_the_next_cloud_has_its_turn(store):
    place, _ = choosing(
        store, Zones(), offer(""), offer("b", cloud="gcp", price=0.2), blocks=[refused("z1"), refused("z2")]
    )
    assert place.cloud == "gcp"


def test_a_quota_that_is_too_small_is_seen_before_buying(store):
    place, why = choosing(store, Zones(left=1), offer("z1"), nodes=2)
    assert place is None
    assert "aws's quota in r1 leaves room for 1 of 2 m1 spot" in why


def test_a_quota_that_nobody_knows_is_no_obstacle(store):
    place, _ = choosing(store, Zones(left=None), offer("z1"), nodes=50)
    assert place.zone == "z1"


def test_a_cloud_that_refuses_the_question_is_blocked(store):
    place, why = choosing(store, Zones(ProviderError("aws", "AuthFailure", "log in again")), offer(""))
    assert place is None
    assert "log in again" in why


def test_this_machine_is_never_asked(store):
    place, _ = choosing(store, Zones(), msgspec.structs.replace(offer("here"), cloud="local"))
    assert place.cloud == "local"
