"""What the machines that one owns offer, asked by a process that is no daemon: planning over `infra: ssh` needs none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.provider import ProviderError

if TYPE_CHECKING:
    from tradewind.catalog.offer import Offer

SSH = "ssh"


def offers_now(data_dir: str) -> list[Offer]:
    """The offers of the listed machines that answer now. Blocks for some seconds.

    Raises:
        PlanRefused: there is no list, it cannot be read, or none of its machines answers.
    """
    from tradewind.broker.clouds.registry import Clouds, why_not

    if why := why_not(SSH, data_dir):
        raise PlanRefused(f"machines of your own cannot be planned on: {why}", "no_provider")

    async def ask() -> list[Offer]:
        provider: Any = Clouds(data_dir, {})[SSH]
        try:
            found: list[Offer] = await provider.offers()
        finally:
            await provider.aclose()
        return found

    try:
        offers = asyncio.run(ask())
    except ProviderError as error:
        raise PlanRefused(str(error), "no_provider") from error
    if not offers:
        raise none_answers()
    return offers


def none_answers() -> PlanRefused:
    """The refusal where no machine of the list can be reached."""
    return PlanRefused("none of your own machines answers; `tradewind check ssh` says what each does", "no_provider")
