"""What the accounts' quotas still allow, asked for the places that a plan would buy at, and handed over as limits to the next one."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tradewind.broker.provider import Provider, ProviderError
from tradewind.broker.provision.services import log
from tradewind.optimizer.plan import RankedCandidate
from tradewind.optimizer.problem import Place, Quota

ASKED_AT_ONCE = 8  # the choice and the next places: the plan after it mostly goes to one of them
ASK_TIMEOUT_S = 20.0  # the vendor's library is read on the first call, which takes seconds on a busy machine
KNOWN_S = 15.0  # a plan is shown and made again when it is bought; what else is bought meanwhile is asked for before each purchase
Quotas = Callable[[Sequence[RankedCandidate]], Awaitable[tuple[Quota, ...]]]
Where = tuple[str, str, str, bool]  # cloud, region, type, market


async def no_quotas(_candidates: Sequence[RankedCandidate]) -> tuple[Quota, ...]:
    """None are known."""
    return ()


class QuotaDesk:
    """Asks the clouds that know their quotas, and remembers the answers for KNOWN_S."""

    def __init__(self, providers: Mapping[str, Provider], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._providers = providers
        self._clock = clock
        self._known: dict[Where, tuple[float, int | None]] = {}

    async def __call__(self, candidates: Sequence[RankedCandidate]) -> tuple[Quota, ...]:
        """How many nodes the quotas allow at the first ASKED_AT_ONCE of these places; nothing of those where nobody tells."""
        wanted: dict[Where, RankedCandidate] = {}
        for candidate in candidates:
            if len(wanted) < ASKED_AT_ONCE and candidate.cloud in self._providers:
                wanted.setdefault(_where(candidate), candidate)
        now = self._clock()
        unknown: dict[tuple[str, bool], list[RankedCandidate]] = defaultdict(list)
        for where, candidate in wanted.items():
            seen = self._known.get(where)
            if seen is None or now - seen[0] > KNOWN_S:
                unknown[candidate.cloud, candidate.use_spot].append(candidate)
        answers = await asyncio.gather(*(self._ask(*which, some) for which, some in unknown.items()))
        self._known.update({where: (now, left) for told in answers for where, left in told.items()})
        return tuple(
            Quota(Place(cloud, region, "", instance_type, use_spot), left)
            for cloud, region, instance_type, use_spot in wanted
            if (left := self._known.get((cloud, region, instance_type, use_spot), (now, None))[1]) is not None
        )

    async def _ask(self, cloud: str, use_spot: bool, some: list[RankedCandidate]) -> dict[Where, int | None]:
        """By place, what its cloud tells; {} when it does not answer: then it is asked again the next time."""
        provider: Any = self._providers[cloud]
        if not hasattr(provider, "headroom"):
            return {}
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                left = await provider.headroom([c.offer for c in some], use_spot=use_spot)
        except (ProviderError, TimeoutError) as error:
            # asking is a courtesy: the launch itself will tell
            log.info("quotas of %s are not known: %s", cloud, str(error) or f"no answer in {ASK_TIMEOUT_S:.0f} s")
            return {}
        return {_where(candidate): amount for candidate, amount in zip(some, left, strict=True)}


def _where(candidate: RankedCandidate) -> Where:
    return candidate.cloud, candidate.region, candidate.instance_type, candidate.use_spot


def bind(quotas: Sequence[Quota], candidate: RankedCandidate, nodes: int) -> bool:
    """Whether one of them allows fewer nodes there."""
    return any(
        quota.limit < nodes and quota.place.matches(candidate.offer, use_spot=candidate.use_spot) for quota in quotas
    )
