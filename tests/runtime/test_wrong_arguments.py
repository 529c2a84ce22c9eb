from __future__ import annotations

import inspect
import os
import signal
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tradewind.runtime as ray
from tradewind.runtime import exceptions, util
from tradewind.runtime.signatures import Arity, parameters_of
from tradewind.runtime.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@ray.remote
def add(left, right=1, *, third=0):
    return left + right + third


@ray.remote
class Keeper:
    def __init__(self, value):
        self.value = value

    def keep(self, value, /, times=1):
        return value * times

    @staticmethod
    def double(value):
        return 2 * value

    @classmethod
    def name(cls, suffix):
        return cls.__name__ + suffix

    def __len__(self):
        return 7


@pytest.mark.usefixtures("cluster")
def test_arguments_that_do_not_fit_are_refused_where_the_call_is_made() -> None:
    with pytest.raises(
        TypeError, match=r"add\(left, right=\.\.\., \*, third=\.\.\.\).*missing a required argument: 'left'"
    ):
        add.remote()
    for wrong in ((1, 2, 3), (1, 2, 3, 4)):
        with pytest.raises(TypeError, match="too many"):
            add.remote(*wrong)
    with pytest.raises(TypeError, match="fourth"):
        add.options(num_cpus=1).remote(1, fourth=1)
    assert ray.get(add.remote(1, third=5), timeout=20) == 7
    with pytest.raises(TypeError, match=r"Keeper\(value\)"):
        Keeper.remote()
    keeper = Keeper.remote(1)
    for call in (keeper.keep.remote, keeper.double.remote, keeper.name.remote):
        with pytest.raises(TypeError, match="missing"):
            call()
    with pytest.raises(TypeError, match="positional only"):
        keeper.keep.remote(value=1)
    mine = [keeper.keep.remote(1, times=2), keeper.double.remote(2), keeper.name.remote("!"), keeper.__len__.remote()]
    assert ray.get(mine, timeout=20) == [2, 4, "Keeper!", 7]

    @ray.remote
    def call(handle):
        return handle.keep.remote()

    with pytest.raises(TypeError, match="missing"):
        ray.get(call.remote(keeper), timeout=20)


def plain(left, right=1):
    return left, right


def starred(left, *others, right, **more):
    return left, others, right, more


@given(st.sampled_from([plain, starred, len]), st.lists(st.none(), max_size=4), st.dictionaries(st.sampled_from(["left", "right", "x"]), st.none()))  # fmt: skip
def test_what_is_refused_is_what_python_refuses(function, args, kwargs) -> None:
    arity = Arity(function.__name__, parameters_of(function))
    try:
        inspect.signature(function).bind(*args, **kwargs)
        fits = True
    except TypeError:
        fits = False
    if not kwargs and arity.least <= len(args) <= arity.most:
        assert fits
    elif fits:
        arity.check(tuple(args), kwargs)
    else:
        with pytest.raises(TypeError):
            arity.check(tuple(args), kwargs)


WRONG: list[Callable[[], object]] = [
    lambda: ray.get_actor(1),
    lambda: ray.get_actor("a", namespace=1),
    lambda: ray.get(1),
    lambda: ray.wait([1]),
    lambda: ray.kill(Keeper.remote(1), no_restart="no"),
    lambda: Keeper.options(name=1),
    lambda: Keeper.options(name=""),
    lambda: Keeper.options(namespace=""),
    lambda: Keeper.options(get_if_exists=True),
    lambda: Keeper.options(concurrency_groups={1: 1}).remote(1),
    lambda: Keeper.options(resources={1: 1}),
    lambda: Keeper.options(label_selector={"a": 1}).remote(1),
    lambda: add.options(resources={1: 1}),
    lambda: add.options(resources={"fuel": "much"}),
    lambda: add.options(num_cpus=float("inf")),
    lambda: add.options(num_cpus=float("nan")),
    lambda: add.options(resources={"fuel": float("nan")}),
    lambda: add.options(resources={"CPU": 1}),
    lambda: add.options(runtime_env={"env_vars": {"A": 1}}).remote(1),
    lambda: add.options(runtime_env={"env_vars": 1}).remote(1),
    lambda: add.options(fallback_strategy=[{"zone": "a"}]),
    lambda: add.options(scheduling_strategy=5).remote(1),
    lambda: add.options(scheduling_strategy=NodeAffinitySchedulingStrategy(5)).remote(1),
    lambda: util.placement_group([{1: 1}]),
    lambda: util.placement_group([{"CPU": 1}], name=1),
    lambda: util.placement_group([{"CPU": 1}], bundle_label_selector=[{}, {}]),
    lambda: util.placement_group("CPU"),
    lambda: util.get_placement_group(""),
    lambda: util.state.rows(1),
]


def outcome(call: Callable[[], object]) -> None:
    made = call()
    if isinstance(made, ray.ObjectRef):
        ray.get(made, timeout=20)


@pytest.mark.usefixtures("cluster")
def test_no_argument_of_a_wrong_type_or_value_costs_more_than_its_call() -> None:
    for wrong in WRONG:
        with pytest.raises((TypeError, ValueError, exceptions.TaskUnschedulableError)):
            outcome(wrong)
        assert ray.get(add.remote(1), timeout=20) == 2, inspect.getsource(wrong)


@pytest.mark.parametrize(
    "given",
    [
        {"num_cpus": "two"},
        {"num_cpus": -1},
        {"num_gpus": float("inf")},
        {"resources": {1: 1}},
        {"resources": {"CPU": 1}},
        {"resources": {"fuel": "much"}},
        {"labels": {"zone": 1}},
        {"labels": ["zone"]},
        {"namespace": 1},
        {"namespace": ""},
        {"address": 1},
        {"object_store_memory": -1},
        {"local_mode": True},
        {"no_such_argument": 1},
    ],
)
def test_what_init_cannot_do_is_said_before_anything_is_started(given) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(given))):
        ray.init(**given)
    assert not ray.is_initialized()


def test_every_call_after_the_node_daemons_end_says_so() -> None:
    ray.init(num_cpus=1)

    @ray.remote
    def parent():
        return os.getppid()

    keeper = Keeper.remote(1)
    template = ray.get(parent.remote(), timeout=20)
    with open(f"/proc/{template}/stat") as file:
        daemon = int(file.read().rpartition(")")[2].split()[1])
    endless = ray.remote(time.sleep).remote(1_000)
    os.kill(daemon, signal.SIGKILL)
    with pytest.raises(exceptions.LocalRayletDiedError, match="node daemon"):
        ray.get(endless, timeout=20)
    later: list[Callable[[], object]] = [
        lambda: ray.get(parent.remote(), timeout=20),
        lambda: ray.get(keeper.keep.remote(1), timeout=20),
        lambda: ray.get(Keeper.remote(1).keep.remote(1), timeout=20),
        lambda: ray.put(b"x" * (1 << 20)),
        lambda: ray.kill(keeper),
        lambda: ray.get_actor("anybody"),
        ray.nodes,
        ray.cluster_resources,
        lambda: util.placement_group([{"CPU": 1}]),
        util.list_named_actors,
        util.state.list_tasks,
        ray.timeline,
    ]
    for call in later:
        with pytest.raises(exceptions.RayError, match="node daemon"):
            call()
    ray.shutdown()
