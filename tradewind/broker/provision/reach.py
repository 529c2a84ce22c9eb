"""A node whose connection was lost while its cloud says that it runs: knocked at again before anything is held to be lost.

A connection ends for many reasons that harm nothing over there (this computer slept, a router forgot about us, the network came and went), and
a program that runs on must not be started again for them. What cannot be told apart from a cut is how long it will last: that has a bound, and
counts only while its cloud does answer, for else it is us who are cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from tradewind.broker.provider import ProviderError
from tradewind.broker.provision.agent_client import AgentError
from tradewind.broker.provision.bootstrap import BootstrapError

RECONNECT_S = 10.0  # a roaming laptop is back by then, and so is a router that was restarted
KNOCK_S = 4.0  # for one connection and the agent's greeting
PAUSE_S = 0.5
Found = Literal["back", "no agent", "out of reach", "lapsed"]


async def reach_again(
    connect: Callable[[], Awaitable[object]],
    cloud_answers: Callable[[], Awaitable[bool]],
    *,
    patience_s: float,
    has_lapsed: Callable[[], bool] = lambda: False,
) -> Found:
    """What became of a node that runs, by its cloud's word: its agent answers again, its machine does without one, or nothing did for `patience_s`.

    `has_lapsed` says, of a machine without a cloud that could be asked, that nothing runs there any more.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        try:
            async with asyncio.timeout(KNOCK_S):
                await connect()
        except BootstrapError:
            return "no agent"
        except (AgentError, ProviderError, TimeoutError, OSError):
            pass
        else:
            return "back"
        if loop.time() >= deadline:
            if await cloud_answers():
                return "out of reach"
            if has_lapsed():
                return "lapsed"
            deadline = loop.time() + patience_s
        await asyncio.sleep(PAUSE_S)
