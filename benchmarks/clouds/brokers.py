"""Brokers over a record on disk, as a daemon has them, and clusters in their record that nothing drives."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

from tests.broker.harness import FixedPlanner, ranked, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.provider import Provider
from tradewind.broker.server.broker import Broker
from tradewind.broker.store import rows
from tradewind.broker.store.database import Store
from tradewind.broker.store.records import ClusterRow, Options
from tradewind.catalog.offer import Offer


@contextlib.contextmanager
def opened(providers: dict[str, Provider], planner: object | None = None) -> Iterator[Broker]:
    """A broker over these clouds and a record in a temporary directory. To be entered inside a running loop."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(directory)
        try:
            yield Broker(store, {"local": ScriptedCloud(), **providers}, planner or FixedPlanner())  # type: ignore[arg-type]
        finally:
            store.close()


async def made_cluster(broker: Broker, name: str, offers: tuple[Offer, ...]) -> ClusterRow:
    """A cluster's row that nothing drives."""
    broker.services.dispatch = lambda _order: None

    def create(ledger):  # type: ignore[no-untyped-def]
        return ledger.create_cluster(
            name=name, task=task(), candidates=tuple(ranked(one) for one in offers), options=Options(), cause="bench"
        )

    cluster_id = await broker.services.apply(create)
    found = broker.store.read(lambda c: rows.cluster(c, cluster_id))
    assert found is not None
    return found
