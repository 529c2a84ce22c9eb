"""What holds for every lifecycle machine: illegal moves change nothing, values travel, words exist."""

from __future__ import annotations

import pickle

import pytest

from tradewind.broker.lifecycle import cluster, cluster_job, managed_job
from tradewind.broker.lifecycle.machine import Event, IllegalMove, edges

MACHINES = [cluster, cluster_job, managed_job]


def kinds_of(module):
    return [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Event) and v is not Event]


@pytest.mark.parametrize("module", MACHINES, ids=lambda m: m.__name__.rpartition(".")[2])
def test_every_row_starts_in_a_state_and_final_states_stay_final(module):
    for state, _ in edges(module.TABLE):
        assert state in module.STATES
    assert set(module.STATES) >= module.FINAL


@pytest.mark.parametrize("module", MACHINES, ids=lambda m: m.__name__.rpartition(".")[2])
def test_every_event_is_legal_somewhere_and_every_state_has_a_way_out(module):
    legal = {name for _, name in edges(module.TABLE)}
    assert {kind.__name__ for kind in kinds_of(module)} == legal
    assert {state for state, _ in edges(module.TABLE)} >= set(module.STATES) - module.FINAL


def test_an_illegal_move_says_what_and_where_and_pickles():
    with pytest.raises(IllegalMove, match="a cluster in state PLANNED cannot take the event Released") as caught:
        cluster.on_event(cluster.Cluster(), cluster.Released(cause="test"))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
