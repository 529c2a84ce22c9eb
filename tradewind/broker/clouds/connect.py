"""How a provider opens connections to its instances: by what the daemon hands it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tradewind.broker.provider import Instance, Transport

# Opens a connection to a running instance; the second argument holds the host keys to pin, () for the one given at first boot.
Connect = Callable[[Instance, Sequence[str]], Awaitable[Transport]]
