"""What Ray's programs call and read, noun by noun: options, contexts, names, serializers, waits."""

from __future__ import annotations

import io
import os
import threading
import time
import types

import pytest

import tradewind.runtime as ray
from tradewind.runtime import exceptions, util
from tradewind.runtime.runtime_env import RuntimeEnv

pytestmark = pytest.mark.usefixtures("cluster")


@ray.remote
class Keeper:
    def __init__(self):
        self.count = 0

    def add(self, amount=1):
        self.count += amount
        return self.count

    def nap(self, seconds):
        time.sleep(seconds)
        return "slept"

    @ray.method(num_returns=2)
    def two(self):
        return 1, 2

    @ray.method
    def plain(self):
        return "plain"

    def items(self, count):
        yield from range(count)

    def context(self):
        return look()


def look():
    context = ray.get_runtime_context()
    return {
        "name": context.get_task_name(),
        "function": context.get_task_function_name(),
        "actor": context.get_actor_name(),
        "namespace": context.namespace,
        "job": context.get_job_id(),
        "group": context.get_placement_group_id(),
        "variables": context.runtime_env.get("env_vars"),
        "all": context.get(),
    }


def test_the_context_of_tasks_actors_and_drivers() -> None:
    mine = ray.get_runtime_context()
    task = ray.get(ray.remote(look).options(name="looking", runtime_env={"env_vars": {"A": "b"}}).remote(), timeout=30)
    assert task["name"] == "looking"
    assert task["function"].endswith(".look")
    assert (task["namespace"], task["job"]) == (mine.namespace, mine.get_job_id())
    assert task["variables"] == {"A": "b"}
    assert task["actor"] is None
    assert set(task["all"]) == {"job_id", "node_id", "namespace", "task_id"}
    keeper = Keeper.options(name="kept").remote()
    actor = ray.get(keeper.context.remote(), timeout=30)
    assert (actor["name"], actor["actor"]) == ("Keeper.context", "kept")
    assert actor["function"].endswith(".Keeper.context")
    assert actor["all"]["actor_id"] == keeper._actor_id
    assert ray.get(Keeper.remote().context.remote(), timeout=30)["actor"] == ""
    assert set(mine.get()) == {"job_id", "node_id", "namespace"}
    assert mine.get_task_name() is mine.get_placement_group_id() is None
    with pytest.raises(RuntimeError, match="in an actor"):
        _ = mine.current_actor
    assert ray.get_gpu_ids() == []


def test_an_actor_knows_its_own_handle_and_workers_find_names() -> None:
    @ray.remote
    class Self:
        def __init__(self):
            self.seen = []

        def tell(self, word):
            self.seen.append(word)

        def hand(self):
            ray.get_runtime_context().current_actor.tell.remote("me")

        def words(self):
            return self.seen

    actor = Self.options(name="self").remote()
    ray.get(actor.hand.remote(), timeout=30)

    @ray.remote
    def from_a_task():
        ray.get(ray.get_actor("self").tell.remote("task"))
        return util.list_named_actors()

    assert ray.get(from_a_task.remote(), timeout=30) == ["self"]
    assert ray.get(actor.words.remote(), timeout=30) == ["me", "task"]
    here = {"namespace": ray.get_runtime_context().namespace, "name": "self"}
    assert util.list_named_actors(all_namespaces=True) == [here]
    with pytest.raises(exceptions.ActorAlreadyExistsError, match="self"):
        Self.options(name="self").remote()
    with pytest.raises(ValueError, match="get_if_exists"):
        Self.options(get_if_exists=True).remote()


def test_method_options() -> None:
    keeper = Keeper.remote()
    assert ray.get(keeper.two.remote(), timeout=30) == [1, 2]
    assert ray.get(keeper.plain.remote(), timeout=30) == "plain"
    assert ray.get(keeper.__ray_call__.remote(lambda self, more: self.count + more, 5), timeout=30) == 5
    assert "two" in dir(keeper)
    ahead = keeper.items.options(_generator_backpressure_num_objects=1).remote(3)
    assert ray.get(list(ahead), timeout=30) == [0, 1, 2]
    with pytest.raises(ValueError, match="did you mean 'num_returns'"):
        keeper.add.options(num_return=2)

    @ray.remote
    class Flaky:
        def __init__(self):
            self.tries = 0

        @ray.method(max_task_retries=3, retry_exceptions=[KeyError])
        def fails(self, kind):
            self.tries += 1
            if self.tries < 3:
                raise kind("again")
            return self.tries

    assert ray.get(Flaky.remote().fails.remote(KeyError), timeout=30) == 3
    with pytest.raises(OSError, match="again"):
        ray.get(Flaky.remote().fails.remote(OSError), timeout=30)
    assert ray.get(Flaky.remote().fails.options(retry_exceptions=True).remote(OSError), timeout=30) == 3


def test_pending_calls_have_a_limit_when_one_is_set() -> None:
    keeper = Keeper.options(max_pending_calls=2).remote()
    waiting = [keeper.nap.remote(0.3), keeper.add.remote()]
    with pytest.raises(exceptions.PendingCallsLimitExceeded, match="max_pending_calls"):
        keeper.add.remote()
    assert ray.get(waiting, timeout=30) == ["slept", 1]
    assert ray.get(keeper.add.remote(), timeout=30) == 2


def test_order_may_be_given_up_for_calls_whose_arguments_are_late() -> None:
    gate = Keeper.remote()
    keeper = Keeper.options(allow_out_of_order_execution=True).remote()
    late = keeper.add.remote(ray.remote(lambda _slept: 10).remote(gate.nap.remote(0.5)))
    assert ray.get(keeper.add.remote(1), timeout=30) == 1
    assert ray.get(late, timeout=30) == 11


def test_options_are_checked_by_value() -> None:
    task = ray.remote(lambda: None)
    for options, why in (
        ({"num_cpus": -1}, "not negative"),
        ({"num_returns": "many"}, "dynamic"),
        ({"max_retries": -2}, "from -1"),
        ({"retry_exceptions": [int]}, "exception classes"),
        ({"_generator_backpressure_num_objects": 0}, "from 1"),
        ({"resources": {"CPU": 1}}, "num_cpus"),
        ({"resources": {"fuel": 0.00001}}, r"0\.0001"),
    ):
        with pytest.raises(ValueError, match=why):
            task.options(**options).remote()
    with pytest.raises(exceptions.TaskUnschedulableError, match="accelerator_type:H100"):
        ray.get(task.options(accelerator_type="H100").remote(), timeout=30)
    for options, why in (
        ({"lifetime": "long"}, "detached"),
        ({"max_concurrency": 0}, "from 1"),
        ({"max_restarts": -2}, "from -1"),
    ):
        with pytest.raises(ValueError, match=why):
            Keeper.options(**options).remote()
    assert ray.get(task.options(num_cpus=None, num_returns=None, max_retries=None).remote(), timeout=30) is None
    with pytest.raises(ValueError, match="local_mode"):
        ray.init(local_mode=True)


def test_wait_and_cancel_take_generators() -> None:
    gate = Keeper.remote()

    @ray.remote
    def numbers(_ready):
        yield from range(2)

    stream = numbers.remote(gate.nap.remote(0.3))
    late = gate.nap.remote(0.6)
    assert ray.wait([late, stream], timeout=0) == ([], [late, stream])
    assert ray.wait([late, stream], timeout=30) == ([stream], [late])
    assert ray.get(list(stream), timeout=30) == [0, 1]
    assert ray.wait([stream], timeout=30)[0] == [stream], "its end is something, too"
    assert stream.is_finished()

    @ray.remote
    def forever():
        while True:
            yield time.sleep(0.01)

    endless = forever.remote()
    next(endless)
    ray.cancel(endless)
    with pytest.raises(exceptions.TaskCancelledError):
        ray.get(endless.completed(), timeout=30)
    with pytest.raises(TypeError, match="list"):
        ray.wait(late)
    with pytest.raises(ValueError, match="negative"):
        ray.wait([late], timeout=-1)


def test_results_as_they_come() -> None:
    double = ray.remote(lambda value: 2 * value)
    assert sorted(util.as_completed([double.remote(number) for number in range(7)], chunk_size=3)) == list(range(0, 14, 2))  # fmt: skip
    assert sorted(util.map_unordered(double, range(7), backpressure_size=2, chunk_size=1)) == list(range(0, 14, 2))
    refs = list(util.map_unordered(double, [1, 2], yield_obj_refs=True))
    assert sorted(ray.get(refs, timeout=30)) == [2, 4]
    with pytest.raises(ValueError, match="chunk_size"):
        list(util.as_completed(refs, chunk_size=0))


class Locked:
    """Does not pickle by itself."""

    def __init__(self, value):
        self.value = value
        self.lock = threading.Lock()


def test_custom_serializers_travel_with_their_values() -> None:
    with pytest.raises(TypeError, match="lock"):
        ray.put(Locked(1))
    ok, failures = util.inspect_serializability(Locked(1), name="it", print_file=io.StringIO())
    assert not ok
    assert [failure.name for failure in failures] == ["it: attribute 'lock'"]
    assert util.inspect_serializability([1], print_file=io.StringIO()) == (True, set())
    util.register_serializer(Locked, serializer=lambda it: it.value, deserializer=Locked)
    try:
        assert ray.get(ray.put([Locked(1)]), timeout=30)[0].value == 1
        assert ray.get(ray.remote(lambda it: it.value + 1).remote(Locked(2)), timeout=30) == 3
    finally:
        util.deregister_serializer(Locked)
    with pytest.raises(TypeError, match="lock"):
        ray.put(Locked(1))


def test_a_placement_group_is_a_function_and_a_module() -> None:
    group = util.placement_group([{"CPU": 1}])
    assert isinstance(util.placement_group, types.ModuleType)
    ray.get(group.ready(), timeout=30)
    older = ray.remote(look).options(placement_group=group, placement_group_capture_child_tasks=True)
    assert ray.get(older.remote(), timeout=30)["group"] == group.id
    with pytest.raises(ValueError, match="not both"):
        older.options(scheduling_strategy="SPREAD").remote()
    util.remove_placement_group(group)
    with pytest.raises(exceptions.TaskPlacementGroupRemoved):
        ray.get(older.remote(), timeout=30)
    assert util.placement_group.PlacementGroup.empty().is_empty


def test_modules_and_classes_are_where_ray_has_them() -> None:
    import tradewind.runtime.cloudpickle as pickle
    from tradewind.runtime.runtime_context import RuntimeContext
    from tradewind.runtime.types import ObjectRef

    assert pickle.loads(pickle.dumps(lambda: 5))() == 5
    assert pickle is ray.cloudpickle
    assert isinstance(ray.get_runtime_context(), RuntimeContext)
    assert ObjectRef[int].__origin__ is ray.ObjectRef
    assert not ray.put(1).is_nil()
    assert issubclass(exceptions.OufOfBandObjectRefSerializationException, TypeError)
    assert set(exceptions.RAY_EXCEPTION_TYPES) > {exceptions.RayTaskError, exceptions.NodeDiedError}
    environment = RuntimeEnv(env_vars={"A": "1"})
    environment.set("working_dir", "/tmp")
    assert (environment.env_vars(), environment.working_dir()) == ({"A": "1"}, "/tmp")
    assert environment.to_dict() == {"env_vars": {"A": "1"}, "working_dir": "/tmp"}
    assert ray.get(object_refs=ray.put(2)) == 2
    assert ray.wait(ray_waitables=[ray.put(3)])[1] == []


def test_what_init_and_nodes_tell() -> None:
    (node,) = ray.nodes()
    assert {"NodeID", "Alive", "NodeManagerAddress", "NodeManagerHostname", "NodeName", "Resources", "Labels"} < set(
        node
    )
    assert node["Labels"]["ray.io/node-id"] == node["NodeID"] == util.get_node_instance_id()
    assert util.get_node_ip_address() == "127.0.0.1"
    again = ray.init(ignore_reinit_error=True, dashboard_host="0.0.0.0", logging_format="x")
    assert again.address_info["node_id"] == node["NodeID"]
    assert again.dashboard_url == ""
    again.disconnect()
    assert not ray.is_initialized()
    assert os.getpid()
