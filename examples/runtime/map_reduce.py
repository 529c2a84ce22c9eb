"""Map-reduce: words are counted by mappers, and each reducer gathers one part of the alphabet from all of them.

A mapper has one result a reducer (num_returns), so every reducer fetches only its own part. Runs on Ray with the import changed.
"""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice

import tradewind.runtime as ray

WORDS = "the wind that filled the sail had come from far and the sail was full".split()  # noqa: SIM905  a sentence reads better
MAPPERS, REDUCERS = 6, 3


@ray.remote(num_returns=REDUCERS)
def count(words: list[str]) -> list[Counter[str]]:
    """The words of a chunk, counted, one Counter for each reducer."""
    parts: list[Counter[str]] = [Counter() for _ in range(REDUCERS)]
    for word in words:
        parts[ord(word[0]) % REDUCERS][word] += 1
    return parts


@ray.remote
def merge(*parts: Counter[str]) -> Counter[str]:
    """The sum of the mappers' counts for one reducer."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total


def main() -> None:
    """Prints the commonest words."""
    ray.init(ignore_reinit_error=True)
    text = list(islice(cycle(WORDS), 60_000))
    size = len(text) // MAPPERS
    mapped = [count.remote(text[start : start + size]) for start in range(0, len(text), size)]
    reduced = ray.get([merge.remote(*column) for column in zip(*mapped, strict=True)])
    total = sum(reduced, Counter())
    print(", ".join(f"{word} {number}" for word, number in total.most_common(3)))
    assert total == Counter(text)
    ray.shutdown()


if __name__ == "__main__":
    main()
