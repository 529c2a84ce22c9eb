from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, eventually
from tradewind.runtime import exceptions, launcher
from tradewind.runtime.util.placement_group import (
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from tradewind.runtime.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InGroup


@ray.remote
def where():
    return os.environ.get("NODE_NUMBER", "")


@pytest.mark.usefixtures("cluster")
def test_a_group_on_one_node_holds_its_resources_and_gives_them_back() -> None:
    group = placement_group([{"CPU": 1}, {"CPU": 1}], name="pair")
    assert ray.get(group.ready(), timeout=20) == group
    assert group.wait(20)
    assert get_placement_group("pair") == group
    table = placement_group_table(group)
    assert table["state"] == "CREATED"
    assert set(table["bundles_to_node_id"]) == {0, 1}
    assert eventually(lambda: ray.available_resources().get("CPU", 0) == 0)
    outside = where.remote()
    assert ray.wait([outside], timeout=0.3)[0] == []

    @ray.remote(num_cpus=1)
    class Member:
        def pid(self):
            return os.getpid()

    member = Member.options(scheduling_strategy=InGroup(group, 0)).remote()
    assert ray.get(member.pid.remote(), timeout=20)
    assert ray.get(where.options(scheduling_strategy=InGroup(group, 1)).remote(), timeout=20) == ""
    assert ray.get([where.options(scheduling_strategy=InGroup(group)).remote() for _ in range(5)], timeout=20)
    waiting = where.options(scheduling_strategy=InGroup(group, 0)).remote()  # its bundle is the actor's
    assert ray.wait([waiting], timeout=0.2)[0] == []

    remove_placement_group(group)
    assert ray.get(outside, timeout=20) == ""
    with pytest.raises(exceptions.TaskUnschedulableError, match="placement group is gone"):
        ray.get(waiting, timeout=20)
    with pytest.raises(exceptions.ActorDiedError, match="placement group"):
        ray.get(member.pid.remote(), timeout=20)
    with pytest.raises(exceptions.TaskUnschedulableError, match="removed"):
        ray.get(group.ready(), timeout=20)
    assert eventually(lambda: ray.available_resources().get("CPU", 0) == 2)


@pytest.mark.usefixtures("cluster")
def test_what_can_never_be_is_said_at_once() -> None:
    with pytest.raises(exceptions.TaskUnschedulableError, match="do not fit"):
        placement_group([{"CPU": 3}])
    with pytest.raises(exceptions.TaskUnschedulableError, match="STRICT_SPREAD"):
        placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD")
    with pytest.raises(ValueError, match="PACK"):
        placement_group([{"CPU": 1}], strategy="TIGHT")
    with pytest.raises(ValueError, match="bundles"):
        placement_group([{}])
    group = placement_group([{"CPU": 1}])
    with pytest.raises(ValueError, match="bundle"):
        where.options(num_cpus=2, scheduling_strategy=InGroup(group)).remote()
    with pytest.raises(ValueError, match="index 4"):
        where.options(scheduling_strategy=InGroup(group, 4)).remote()


@pytest.mark.usefixtures("cluster")
def test_a_group_waits_for_room_and_a_blocked_task_lends_within_its_bundle() -> None:
    @ray.remote
    def sleep(seconds):
        time.sleep(seconds)

    busy = [sleep.remote(0.8), sleep.remote(0.8)]
    assert eventually(lambda: ray.available_resources().get("CPU", 0) == 0)
    group = placement_group([{"CPU": 2}], strategy="STRICT_PACK")
    assert group.wait(0.05) is False
    assert group.wait(20) is True
    ray.get(busy, timeout=20)

    @ray.remote(num_cpus=2)
    def parent(group):
        return ray.get(where.options(scheduling_strategy=InGroup(group)).remote())

    assert ray.get(parent.options(scheduling_strategy=InGroup(group)).remote(group), timeout=20) == ""


def test_bundles_spread_and_pack_over_nodes(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    spread = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD")
    assert spread.wait(20)
    places = [ray.get(where.options(scheduling_strategy=InGroup(spread, at)).remote(), timeout=20) for at in (0, 1)]
    assert set(places) == {"0", "1"}

    @ray.remote(num_cpus=1)
    class Member:
        def where(self):
            return os.environ["NODE_NUMBER"]

    members = [Member.options(scheduling_strategy=InGroup(spread, at)).remote() for at in (0, 1)]
    assert ray.get([member.where.remote() for member in members], timeout=20) == places
    remove_placement_group(spread)
    packed = placement_group([{"CPU": 0.5}, {"CPU": 0.5}], strategy="PACK")
    assert packed.wait(20)
    assert len(set(placement_group_table(packed)["bundles_to_node_id"].values())) == 1


def test_bundles_lie_on_nodes_with_the_labels_that_they_want(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    for number in ("0", "1"):
        group = placement_group([{"CPU": 1}, {"CPU": 0.1}], "SPREAD", bundle_label_selector=[{"number": number}, {}])
        assert group.wait(20)
        assert ray.get(where.options(scheduling_strategy=InGroup(group, 0)).remote(), timeout=20) == number
        remove_placement_group(group)
    with pytest.raises(exceptions.TaskUnschedulableError, match="1 CPU on a node with number in 7"):
        placement_group([{"CPU": 1}], bundle_label_selector=[{"number": "7"}])


@pytest.mark.usefixtures("cluster")
def test_what_was_to_run_in_a_removed_group_says_that_it_was_removed() -> None:
    @ray.remote(num_cpus=1)
    class Member:
        def pid(self):
            return os.getpid()

    group = placement_group([{"CPU": 1}])
    member = Member.options(scheduling_strategy=InGroup(group), max_restarts=-1).remote()
    ray.get(member.pid.remote(), timeout=20)
    remove_placement_group(group)
    with pytest.raises(exceptions.ActorPlacementGroupRemoved, match="removed"):
        ray.get(member.pid.remote(), timeout=20)
    late = Member.options(scheduling_strategy=InGroup(group)).remote()
    with pytest.raises(exceptions.ActorPlacementGroupRemoved, match="removed"):
        ray.get(late.pid.remote(), timeout=20)
    for asked in (where.options(scheduling_strategy=InGroup(group)).remote(), group.ready()):
        with pytest.raises(exceptions.TaskPlacementGroupRemoved, match="removed"):
            ray.get(asked, timeout=20)


def test_a_lost_bundle_is_reserved_elsewhere_and_the_others_stay(make_nodes: Callable[[int], Nodes]) -> None:
    nodes = make_nodes(2)
    ray.init()
    group = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD")
    assert group.wait(20)
    places = [ray.get(where.options(scheduling_strategy=InGroup(group, at)).remote(), timeout=20) for at in (0, 1)]
    kept, lost = places.index("0"), places.index("1")
    nodes.nodes[1].stop()
    assert eventually(lambda: placement_group_table(group)["state"] == "RESCHEDULING")
    assert ray.get(where.options(scheduling_strategy=InGroup(group, kept)).remote(), timeout=20) == "0"
    waiting = where.options(scheduling_strategy=InGroup(group, lost)).remote()
    assert "was lost" in placement_group_table(group)["reason"]
    nodes.add()
    assert ray.get(waiting, timeout=30) == "2"
    assert group.wait(20)


def test_a_restarted_head_knows_its_groups(make_nodes: Callable[[int], Nodes], tmp_path: object) -> None:
    nodes = make_nodes(1)
    ray.init()
    group = placement_group([{"CPU": 1}], lifetime="detached")
    assert group.wait(20)
    os.kill(nodes.head.pid, signal.SIGKILL)
    nodes.head.stop()
    nodes.head = launcher.start_head(f"{tmp_path}/head", "127.9.1.1", credentials=nodes.credentials, timeout_s=30)
    assert eventually(lambda: placement_group_table(group).get("state") == "CREATED")
    assert ray.get(where.options(scheduling_strategy=InGroup(group, 0)).remote(), timeout=20) == "0"


def test_a_task_knows_its_group_and_its_children_may_belong_to_it() -> None:
    from tradewind.runtime.util.placement_group import get_current_placement_group

    ray.init(num_cpus=3)
    try:
        group = placement_group([{"CPU": 2}])
        assert group.wait(20)
        assert get_current_placement_group() is None

        @ray.remote
        def mine():
            found = get_current_placement_group()
            return found.id if found is not None else None

        @ray.remote
        class Actor:
            def group(self):
                return mine_here()

            def child(self):
                return ray.get(mine.remote())

        def mine_here():
            found = get_current_placement_group()
            return found.id if found is not None else None

        @ray.remote
        def parent():
            actor = Actor.remote()
            return [
                mine_here(),
                ray.get(mine.remote()),
                ray.get(mine.options(scheduling_strategy="DEFAULT").remote()),
                ray.get(actor.group.remote()),
                ray.get(actor.child.remote()),
            ]

        def run(capture: bool) -> list[str | None]:
            strategy = InGroup(group, 0, placement_group_capture_child_tasks=capture)
            result: list[str | None] = ray.get(parent.options(scheduling_strategy=strategy).remote(), timeout=30)
            return result

        assert run(capture=True) == [group.id, group.id, None, group.id, group.id]
        assert run(capture=False) == [group.id, None, None, None, None]
        assert ray.get(mine.remote(), timeout=20) is None, "a worker that served the group forgets it"

        @ray.remote
        def too_large():
            return ray.get(mine.options(num_cpus=3).remote())

        strategy = InGroup(group, placement_group_capture_child_tasks=True)
        with pytest.raises(ValueError, match="No such bundle"):
            ray.get(too_large.options(scheduling_strategy=strategy).remote(), timeout=20)
    finally:
        ray.shutdown()
