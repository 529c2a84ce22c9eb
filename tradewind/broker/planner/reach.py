"""Which clouds a plan may buy from, and why not from the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

WHY = "no provider or no credentials"


class Reach(Collection[str]):
    """The clouds that can be bought from; of each other one `why` says in a few words what is missing."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self._reasons = dict(reasons)

    def __contains__(self, cloud: object) -> bool:
        return self._reasons.get(str(cloud), WHY) == ""

    def __iter__(self) -> Iterator[str]:
        return (cloud for cloud, why in self._reasons.items() if not why)

    def __len__(self) -> int:
        return sum(not why for why in self._reasons.values())

    def why(self, cloud: str) -> str:
        """What is missing there."""
        return self._reasons.get(cloud, "this version has no provider for it")


def why_left_out(cloud: str, clouds: Collection[str]) -> str:
    """Why the cloud is not bought from, as a clause."""
    why = clouds.why(cloud) if isinstance(clouds, Reach) else WHY
    return f"{cloud} can't be used from here: {why}"
