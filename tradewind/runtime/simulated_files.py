"""The disk of a simulated node: real files, moved one at a time when the network says so, and full when the simulation says so."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from tradewind.runtime.node.spilling import SpillFiles

if TYPE_CHECKING:
    from tradewind.runtime.simulator import SimulatedNode


class SimulatedFiles(SpillFiles):
    """As SpillFiles, without a thread."""

    def __init__(self, node: SimulatedNode) -> None:
        super().__init__("", node.loop.from_thread)
        self._node = node

    def _start(self) -> None:
        self._node.network.put(self._node.name, self._node.name, ("disk", None))

    def move(self) -> None:
        """One object has gone to disk or come back."""
        job = self._jobs.popleft()
        self._perform(job)
        self._finish(job)

    def _open(self) -> int:
        if self._node.simulation.disk_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super()._open()
