"""Waits that wait for each other, found by probes: whoever waits long asks whom it waits for, and so on, until a probe comes back.

Chandy, Misra and Haas, "Distributed deadlock detection" (1983), the model in which a process waits for all of several things. Only waits
without a timeout are followed, so a cycle that is found would last for ever.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tradewind.runtime.core.dispatch import Call, Lease
from tradewind.runtime.messages import peer

if TYPE_CHECKING:
    from tradewind.runtime.core.ownership import Key
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process
    from tradewind.runtime.core.pump import Waiter

# How long a wait lasts before anybody asks whether it is part of a cycle, in seconds.
SUSPICIOUS_S = 1.0
_LONGEST = 64


class WaitCycles:
    """This worker's one wait, if it waits, and the probes that pass through."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._number = 0
        self._waiter: Waiter | None = None
        self._pending: list[Key] = []
        self.found: list[str] = []

    def begin(self, waiter: Waiter, pending: list[Key]) -> None:
        """The task that this worker runs waits for all of these. Under the lock."""
        self._number += 1
        self._waiter = waiter
        self._pending = pending
        self.found = []

    def end(self) -> None:
        """It waits no more. Under the lock."""
        self._waiter = None
        self._pending = []

    def suspect(self) -> None:
        """Those that are waited for are asked for whom they wait. Under the lock."""
        self._forward(self._process.address, self._number, [])
        self._process.flush_all()

    def on_probe(self, sender: Peer, message: peer.Probe) -> None:
        """Somebody waits, directly or not, for the sender, who waits for this process. Under the lock."""
        process = self._process
        if message.object:
            self._follow(message.object, message.origin, message.number, message.path)
            return
        executor = process.executor
        if self._waiter is None or executor is None or not executor.holds_up(sender, message.call):
            return
        if message.origin == process.address:
            if message.number == self._number and not self._waiter.done:
                self.found = message.path
                self._waiter.finish()
        elif len(message.path) < _LONGEST and process.address not in {line.split(" ")[0] for line in message.path}:
            self._forward(message.origin, message.number, message.path)

    def _forward(self, origin: str, number: int, path: list[str]) -> None:
        for key in self._pending:
            self._follow(key, origin, number, path)

    def _follow(self, key: Key, origin: str, number: int, path: list[str]) -> None:
        """The probe goes to whoever makes the object."""
        process = self._process
        if isinstance(key, tuple):
            self._post(process.peers.get(key[0]), peer.Probe(origin, number, path, 0, key[1]))
            return
        entry = process.table.entries.get(key)
        call = self._maker(key)
        if entry is None or entry.value is not None or call is None:
            return
        for _, ref in call.slots or ():
            if call.unready and process.table.entries[ref.key].value is None:
                self._follow(ref.key, origin, number, path)
        target: Any = call.target
        if target is None or target.peer is None:
            return
        who = target.peer.address if type(target) is Lease else f"actor {target.name}"
        executor = process.executor
        name = executor.current_name() if executor is not None else "the driver"
        line = f"{process.address} ({name}, pid {os.getpid()}) waits for {call.name}() of {who}"
        self._post(target.peer, peer.Probe(origin, number, [*path, line], call.id, 0))

    def _maker(self, key: int) -> Call | None:
        calls = self._process.calls.open
        call = calls.get(key)
        if call is not None:
            return call
        return next((call for call in calls.values() if call.id <= key < call.id + max(call.returns, 1)), None)

    def _post(self, target: Peer, message: peer.Probe) -> None:
        if not target.lost:
            self._process.post(target, message)
