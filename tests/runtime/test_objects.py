from __future__ import annotations

import gc
import os
import time

import numpy as np
import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import eventually
from tradewind.runtime import exceptions, object_ref, session

pytestmark = pytest.mark.usefixtures("cluster")

BIG = 1_000_000


def held() -> int:
    """Objects that this driver's table knows."""
    gc.collect()
    process = session.process()
    with process.lock:
        process.drain()
        return len(process.table.entries)


@ray.remote
def total(array):
    return float(array.sum())


@ray.remote
def ones(count):
    return np.ones(count)


@pytest.mark.parametrize("count", [4, BIG])
def test_arrays_are_read_only_whatever_their_size(count) -> None:
    for value in (ray.get(ray.put(np.ones(count))), ray.get(ones.remote(count), timeout=20)):
        assert value.sum() == count
        with pytest.raises(ValueError, match="read-only"):
            value[0] = 5

    @ray.remote
    def try_to_write(array):
        array[0] = 5

    with pytest.raises(ValueError, match="read-only"):
        ray.get(try_to_write.remote(np.ones(count)), timeout=20)


@pytest.mark.parametrize("make", [lambda: np.zeros(10)[::2], lambda: np.zeros(2, dtype=[("a", int)]).view(np.recarray)])  # fmt: skip
def test_what_is_not_one_plain_block_comes_back_as_a_copy_of_its_own(make) -> None:
    ref = ray.put(make())
    mine = ray.get(ref, timeout=20)
    assert type(mine) is type(make())
    assert mine.flags.writeable
    mine.view(np.uint8)[...] = 255
    assert (np.asarray(ray.get(ref, timeout=20)).view(np.uint8) != 255).any(), "the object itself is as it was"


def test_large_values_are_read_in_place() -> None:
    ref = ray.put(np.ones(BIG))
    first, second = ray.get(ref), ray.get(ref)
    assert first.__array_interface__["data"][0] == second.__array_interface__["data"][0]


def test_a_view_keeps_its_bytes_after_the_ref_is_gone() -> None:
    ref = ray.put(np.arange(BIG))
    view = ray.get(ref)[10:20]
    del ref
    kept = [ray.put(np.zeros(BIG)) for _ in range(10)]
    assert list(view) == list(range(10, 20))
    assert len(kept) == 10


def test_space_comes_back() -> None:
    for _ in range(60):  # 60 x 8 MB through an arena of 256 MB
        assert ray.get(total.remote(ones.remote(BIG)), timeout=20) == BIG
    for _ in range(60):
        ray.put(np.ones(BIG))
        time.sleep(0.005)
    assert eventually(lambda: held() == 0)


def test_a_full_store_is_an_error_that_says_what_fills_it() -> None:
    kept = []

    def fill():
        while len(kept) < 40:
            kept.append(ray.get(ray.put(np.ones(BIG))))  # read in place, so it cannot be spilled

    with pytest.raises(exceptions.ObjectStoreFullError, match="drop refs"):
        fill()
    count = len(kept)
    assert count > 20
    kept.clear()
    assert eventually(_fits)


def _fits() -> bool:
    try:
        ray.put(np.ones(BIG))
    except exceptions.ObjectStoreFullError:
        return False
    return True


def test_refs_inside_values_travel_and_are_counted() -> None:
    @ray.remote
    class Keeper:
        def keep(self, refs):
            self.ref = refs[0]

        def read(self):
            return float(ray.get(self.ref).sum())

        def drop(self):
            del self.ref

    keeper = Keeper.remote()
    ref = ray.put(np.ones(BIG))
    ray.get(keeper.keep.remote([ref]), timeout=20)
    del ref
    assert ray.get(keeper.read.remote(), timeout=20) == BIG
    before = held()
    ray.get(keeper.drop.remote(), timeout=20)
    assert eventually(lambda: held() < before)


def test_refs_made_inside_tasks_live_with_their_maker_as_long_as_somebody_holds_them() -> None:
    @ray.remote
    def make():
        return [ray.put(np.ones(BIG)), total.remote(np.ones(10))]

    array, ten = ray.get(make.remote(), timeout=20)
    time.sleep(0.5)
    assert ray.get(array, timeout=20).sum() == BIG
    assert ray.get(ten, timeout=20) == 10
    assert ray.get(total.remote(array), timeout=20) == BIG


def test_a_ref_passed_through_three_processes() -> None:
    @ray.remote
    def inner(box):
        return ray.get(box[0])

    @ray.remote
    def outer(box):
        return ray.get(inner.remote(box))

    box = [ray.put("deep")]
    assert ray.get(outer.remote(box), timeout=20) == "deep"

    @ray.remote
    def swap(box):
        return box  # the driver's own ref comes home inside another object

    (home,) = ray.get(swap.remote(box), timeout=20)
    assert home == box[0]


def test_what_a_dead_owner_owned_is_a_named_error() -> None:
    @ray.remote
    class Owner:
        def make(self):
            return [ray.put("mine")]

        def die(self):
            os._exit(0)

    owner = Owner.remote()
    (ref,) = ray.get(owner.make.remote(), timeout=20)
    owner.die.remote()
    with pytest.raises(exceptions.RayActorError):
        ray.get(owner.make.remote(), timeout=20)
    with pytest.raises(exceptions.OwnerDiedError):
        ray.get(ref, timeout=20)


def test_refs_do_not_leave_by_other_means() -> None:
    import pickle

    with pytest.raises(TypeError, match="only be pickled by the runtime"):
        pickle.dumps(ray.put(1))


def test_nothing_is_held_when_everything_is_dropped() -> None:
    refs = [total.remote(np.ones(1000)) for _ in range(50)] + [ray.put([ray.put(1)])]
    ray.get(refs[:50], timeout=20)
    del refs
    assert eventually(lambda: held() == 0)
    assert object_ref.bound is not None


def test_custom_containers_of_arrays() -> None:
    class Batch:
        def __init__(self):
            self.left = np.arange(100_000)
            self.right = {"deep": [np.arange(50_000)]}

    back = ray.get(ray.put(Batch()))
    assert back.left[-1] == 99_999
    assert back.right["deep"][0][-1] == 49_999
    odd = np.arange(200_000)[::2]
    assert (ray.get(ray.put(odd)) == odd).all()
