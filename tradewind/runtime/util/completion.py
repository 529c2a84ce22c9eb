"""Results as they come: Ray's `as_completed` and `map_unordered`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tradewind.runtime import api

# Ray's figures: results are fetched so many at a time, and so many calls are under way at once.
CHUNK_SIZE = 10
BACKPRESSURE_SIZE = 100


def as_completed(
    refs: Sequence[Any],
    *,
    chunk_size: int = CHUNK_SIZE,
    yield_obj_refs: bool = False,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> Iterator[Any]:
    """The refs' values (or the refs) in batches of chunk_size as they are ready. Raises what a call raised, ValueError for a chunk_size below 1."""
    _at_least_one("chunk_size", chunk_size)
    left = list(refs)
    while left:
        found, left = _next_batch(left, chunk_size, yield_obj_refs, timeout, fetch_local)
        yield from found


def map_unordered(
    fn: Any,
    items: Iterable[Any],
    *,
    backpressure_size: int | None = BACKPRESSURE_SIZE,
    chunk_size: int = CHUNK_SIZE,
    yield_obj_refs: bool = False,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> Iterator[Any]:
    """What fn.remote(item) results in for each item, as they are ready; at most backpressure_size calls are under way (None: any number)."""
    _at_least_one("chunk_size", chunk_size)
    if backpressure_size is not None:
        _at_least_one("backpressure_size", backpressure_size)
    left: list[Any] = []
    for item in items:
        left.append(fn.remote(item))
        if backpressure_size is not None and len(left) >= backpressure_size:
            found, left = _next_batch(left, chunk_size, yield_obj_refs, timeout, fetch_local)
            yield from found
    yield from as_completed(
        left, chunk_size=chunk_size, yield_obj_refs=yield_obj_refs, timeout=timeout, fetch_local=fetch_local
    )


def _next_batch(
    refs: list[Any], chunk_size: int, yield_obj_refs: bool, timeout: float | None, fetch_local: bool
) -> tuple[list[Any], list[Any]]:
    ready, left = api.wait(refs, num_returns=min(chunk_size, len(refs)), timeout=timeout, fetch_local=fetch_local)
    return ready if yield_obj_refs else api.get(ready), left


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} is {value}; it must be 1 or more.")


__all__ = ["as_completed", "map_unordered"]
