"""A tree reduction: tasks that start tasks, down to the leaves and back, on however few processors.

A task that waits for its children lends its processor to them, so the recursion never runs out. Runs on Ray with the import changed.
"""

from __future__ import annotations

import tradewind.runtime as ray

LEAF = 2_000


@ray.remote
def total(start: int, stop: int) -> int:
    """The sum of the squares from start up to stop."""
    if stop - start <= LEAF:
        return sum(number * number for number in range(start, stop))
    middle = (start + stop) // 2
    return sum(ray.get([total.remote(start, middle), total.remote(middle, stop)]))


@ray.remote
def add(left: int, right: int) -> int:
    """One inner node of the other way: the tree is laid out by the driver, bottom up."""
    return left + right


def main() -> None:
    """Prints the sum, found both ways."""
    ray.init(ignore_reinit_error=True)
    size = 16 * LEAF
    top_down = ray.get(total.remote(0, size))
    level = [total.remote(start, start + LEAF) for start in range(0, size, LEAF)]
    while len(level) > 1:
        level = [add.remote(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
    bottom_up = ray.get(level[0])
    print(f"{top_down} top down, {bottom_up} bottom up")
    assert top_down == bottom_up == (size - 1) * size * (2 * size - 1) // 6
    ray.shutdown()


if __name__ == "__main__":
    main()
