"""Which clouds can be used from here, by asking them: what `tradewind check` and `tw.check` say. And what a cloud's error codes mean."""

from __future__ import annotations

import asyncio

import msgspec

from tradewind.broker.capabilities import Checking, Finding
from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.clouds.registry import LOCAL, NAMES, Clouds, explanations, why_not
from tradewind.broker.provider import ProviderError
from tradewind.sdk.directory import data_dir


class CloudCheck(msgspec.Struct, frozen=True):
    """One cloud: `why_not` it cannot even be tried from here ("" when it can), and what its check found."""

    why_not: str
    findings: tuple[Finding, ...] = ()

    @property
    def works(self) -> bool:
        """Whether it can be used. A missing permission of which the check says that it can be done without is not in the way."""
        return not self.why_not and bool(self.findings) and all(finding.ok for finding in self.findings)


async def check_clouds(*names: str) -> dict[str, CloudCheck]:
    """What the clouds of these names (every one when none is given; "local" is this computer) say of what may be done there. Buys nothing.

    Raises:
        ValueError: there is no cloud of a name.
        SettingsError: the settings of the clouds cannot be read.
    """
    unknown = sorted(set(names) - {*NAMES, LOCAL})
    if unknown:
        raise ValueError(f"there is no cloud called {unknown[0]!r}; known are {', '.join((*NAMES, LOCAL))}.")
    wanted, where = names or NAMES, data_dir()
    made = {}
    if LOCAL in wanted:
        from tradewind.broker.clouds.local.entry import make

        made[LOCAL] = make(where)
    clouds = Clouds(where, made)
    reasons = {**await asyncio.to_thread(clouds.reasons), LOCAL: why_not(LOCAL, where)}

    async def one(name: str) -> tuple[Finding, ...]:
        provider = clouds[name]
        if isinstance(provider, Checking):
            return await provider.report()
        try:
            return (Finding(what="use it", ok=True, why=await provider.check()),)
        except ProviderError as error:
            return (Finding(what="use it", ok=False, why=str(error)),)

    try:
        tried = [name for name in wanted if not reasons[name]]
        found = dict(zip(tried, await asyncio.gather(*map(one, tried)), strict=True))
    finally:
        await asyncio.to_thread(clouds.close)
    return {name: CloudCheck(reasons[name], found.get(name, ())) for name in wanted}


def check(*names: str) -> dict[str, CloudCheck]:
    """As `check_clouds`, blocking; not within a running event loop, where `tw.aio.check` is. Raises ValueError, SettingsError."""
    return asyncio.run(check_clouds(*names))


def explain_error(code: str) -> dict[str, Explanation]:
    """What a cloud's error code means to failover, by cloud: its kind, what it rules out and for how many seconds, what to do, the source. {} when unknown."""
    return explanations(code)
