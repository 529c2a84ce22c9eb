"""Nodes that are not members just now: those that were lost, and those of which a restarted head has not heard yet. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

# How many lost nodes would be told so should they come back.
KEPT_LOST_NODES = 10_000
# How many ended jobs a node is told of that joins a restarted head late.
KEPT_ENDED_JOBS = 1_000


class KnownNodes:
    """What the head writes down about its members, so that its own death hides nobody else's."""

    def __init__(self, save: Callable[[str, str, bytes | None], None]) -> None:
        """save(kind, key, data) writes a row that `remember` reads back."""
        self._save = save
        self._lost: dict[str, str] = {}
        self._unseen: set[str] = set()
        self._ended_jobs: deque[str] = deque(maxlen=KEPT_ENDED_JOBS)

    def remember(self, rows: Mapping[str, bytes]) -> None:
        """What an earlier life of this head wrote down: members will join again, or are lost."""
        for node, reason in rows.items():
            if reason:
                self._lost[node] = reason.decode()
            else:
                self._unseen.add(node)

    def joined(self, node: str) -> str:
        """The node is a member. Why it was lost, if it was: others do its work since."""
        self._unseen.discard(node)
        self._save("node", node, b"")
        return self._lost.pop(node, "")

    def lost(self, node: str, reason: str) -> None:
        """The node is a member no more; it is told so should it come back."""
        self._lost[node] = reason or "it was lost"
        self._save("node", node, self._lost[node].encode())
        if len(self._lost) > KEPT_LOST_NODES:
            oldest = next(iter(self._lost))
            del self._lost[oldest]
            self._save("node", oldest, None)

    def job_ended(self, job: str) -> None:
        """Whoever joins again late has to hear of it."""
        self._ended_jobs.append(job)

    def missed(self, knows: Iterable[str], members: Iterable[str]) -> tuple[list[tuple[str, str]], list[str]]:
        """What a node that joins again and takes `knows` for members may have missed: ((node, why it was lost)...), (jobs that ended...)."""
        here = {*members, *self._unseen}
        lost = [(node, self._lost.get(node, "it left while the head was away")) for node in knows if node not in here]
        return lost, list(self._ended_jobs)

    def give_up_unseen(self) -> list[str]:
        """Nodes that have not joined again since this head was restarted; they count as lost from now on."""
        nodes = sorted(self._unseen)
        self._unseen.clear()
        return nodes
