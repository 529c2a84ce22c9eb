from __future__ import annotations

import os
import tempfile

import numpy as np
import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import eventually
from tradewind.runtime import exceptions

SIZE = 16 << 20


@pytest.fixture
def small_arena() -> object:
    ray.init(num_cpus=2, object_store_memory=64 << 20)
    yield
    ray.shutdown()


def full(number: int, size: int = SIZE) -> np.ndarray:
    return np.full(size // 8, float(number))


@pytest.mark.usefixtures("small_arena")
def test_more_than_memory_holds_is_spilled_and_comes_back() -> None:
    before = set(os.listdir(tempfile.gettempdir()))
    refs = [ray.put(full(number)) for number in range(10)]
    for number, ref in enumerate(refs):
        value = ray.get(ref, timeout=30)
        assert value[0] == value[-1] == number
        del value
    assert not [name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("tradewind-0")]

    @ray.remote
    def make(number):
        return full(number)

    @ray.remote
    def first(array):
        return float(array[0])

    made = [make.remote(number) for number in range(8)]
    assert ray.get([first.remote(ref) for ref in made], timeout=60) == [float(number) for number in range(8)]
    assert ray.get([first.remote(ref) for ref in refs], timeout=60) == [float(number) for number in range(10)]


@pytest.mark.usefixtures("small_arena")
def test_an_object_larger_than_half_the_arena_finds_room() -> None:
    kept = [ray.put(full(number)) for number in range(3)]
    large = ray.put(full(7, 48 << 20))
    assert ray.get(large, timeout=30)[-1] == 7
    assert [float(ray.get(ref, timeout=30)[0]) for ref in kept] == [0, 1, 2]


@pytest.mark.usefixtures("small_arena")
def test_what_is_being_read_stays_and_what_does_not_fit_is_said() -> None:
    pinned = [ray.get(ray.put(full(number)), timeout=30) for number in range(3)]
    with pytest.raises(exceptions.ObjectStoreFullError, match="bytes"):
        ray.put(full(9, 40 << 20))
    assert [float(value[0]) for value in pinned] == [0, 1, 2]
    with pytest.raises(exceptions.ObjectStoreFullError, match="cannot hold"):
        ray.put(full(9, 80 << 20))
    del pinned
    assert eventually(lambda: ray.get(ray.put(full(9, 40 << 20)), timeout=30)[0] == 9)
