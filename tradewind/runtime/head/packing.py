"""Which bundle of a placement group goes to which node. Pure: amounts in ten-thousandths in, node names out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

Units = Mapping[str, int]

STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")
# Bundles tried on nodes before the search gives up. A search that gives up says "perhaps later", never "impossible".
_STEPS = 20_000


class SearchTooLongError(Exception):
    """Nobody knows whether the bundles fit: the search was ended."""


def pack(
    bundles: Mapping[int, Units],
    strategy: str,
    free: Mapping[str, Units],
    placed: Mapping[int, str],
    barred: Mapping[int, Collection[str]] | None = None,
) -> dict[int, str] | None:
    """A node for each bundle, or None when they do not fit; placed are the group's bundles that stay where they are.

    barred: the nodes that a bundle may not lie on. Bundles are tried largest first. PACK prefers nodes that the group uses already, SPREAD those that it does not; the strict ones insist.
    Raises SearchTooLongError.
    """
    left = {node: dict(amounts) for node, amounts in free.items()}
    used = {node: sum(1 for at in placed.values() if at == node) for node in left}
    order = sorted(bundles, key=lambda index: (-sum(bundles[index].values()), index))
    out: dict[int, str] = {}
    steps = 0

    def choices(need: Units) -> Iterator[str]:
        taken = [node for node in left if used[node]]
        for node in sorted(left, key=lambda name: _preference(strategy, used[name], left[name], name)):
            if strategy == "STRICT_SPREAD" and used[node]:
                continue
            if strategy == "STRICT_PACK" and taken and node not in taken:
                continue
            if all(left[node].get(name, 0) >= amount for name, amount in need.items()):
                yield node

    def place(position: int) -> bool:
        nonlocal steps
        if position == len(order):
            return True
        index = order[position]
        need = bundles[index]
        for node in choices(need):
            if barred and node in barred.get(index, ()):
                continue
            steps += 1
            if steps > _STEPS:
                raise SearchTooLongError
            _add(left[node], need, -1)
            used[node] += 1
            out[index] = node
            if place(position + 1):
                return True
            _add(left[node], need, 1)
            used[node] -= 1
            del out[index]
        return False

    return out if place(0) else None


def _preference(strategy: str, used: int, left: Units, name: str) -> tuple[int, int, str]:
    first = used if strategy in {"SPREAD", "STRICT_SPREAD"} else -used
    return first, -left.get("CPU", 0), name


def _add(left: dict[str, int], need: Units, sign: int) -> None:
    for name, amount in need.items():
        left[name] += sign * amount


def fits(parts: Sequence[Units], total: Units) -> bool:
    """True when all the parts together are within the total."""
    return all(sum(part.get(name, 0) for part in parts) <= total.get(name, 0) for part in parts for name in part)
