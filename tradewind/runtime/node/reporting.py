"""A node's part of a report: its workers and memory, and what its processes say of themselves."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.cluster import Row
from tradewind.runtime.node.resources import describe, to_amounts
from tradewind.runtime.node.workers import Driver, Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

# A process that is stopped, or busy in C, is reported as silent after this long.
_PATIENCE_S = 1.0
# Timelines of workers that have ended are kept for so many of them.
_KEPT_ENDED = 64


@dataclass(slots=True)
class _Open:
    missing: set[str]
    rows: list[Row] = field(default_factory=list)


class Reporting:
    """The reports that this node is asked for."""

    def __init__(self, daemon: NodeDaemon) -> None:
        self._daemon = daemon
        self._open: dict[int, _Open] = {}
        self._ended: deque[Row] = deque(maxlen=_KEPT_ENDED)

    def ask(self, number: int, kind: str) -> None:
        """The head gets this node's rows of the kind."""
        daemon = self._daemon
        if kind == "workers":
            self._answer(number, [self._worker_row(worker) for worker in daemon.workers.workers.values()])
            return
        if kind == "memory":
            self._answer(number, [self._memory_row()])
            return
        report = self._open[number] = _Open(
            {
                address
                for address, process in daemon.processes.items()
                if isinstance(process, Driver) or process.job or process.actor
            }
        )
        if kind == "timeline":
            report.rows += self._ended
        for address in list(report.missing):
            daemon.tell(address, control.Describe(number, kind))
        daemon.loop.after(_PATIENCE_S, lambda: self._give_up(number))
        self._settle(number)

    def on_described(self, who: Driver | Worker, message: control.Described) -> None:
        """A process has described itself; with number 0 before its end, for timelines."""
        if not message.number:
            self._ended += message.rows
        report = self._open.get(message.number)
        if report is not None:
            report.missing.discard(who.address)
            report.rows += message.rows
            self._settle(message.number)

    def _settle(self, number: int) -> None:
        report = self._open.get(number)
        if report is not None and not report.missing:
            del self._open[number]
            self._answer(number, report.rows)

    def _give_up(self, number: int) -> None:
        report = self._open.get(number)
        if report is not None:
            for address in sorted(report.missing):
                process = self._daemon.processes.get(address)
                pid = process.pid if process is not None else 0
                why = f"it did not answer within {_PATIENCE_S:g} s: it is stopped, or busy in C code"
                report.rows.append(Row("process", address, "SILENT", "", self._daemon.node, address, pid, why))
            report.missing.clear()
            self._settle(number)

    def _answer(self, number: int, rows: list[Row]) -> None:
        if self._daemon.head is not None:
            self._daemon.head.send(cluster.Reported(number, rows))

    def _worker_row(self, worker: Worker) -> Row:
        daemon = self._daemon
        lease = daemon.granting.held.get(worker.lease)
        state, why, held = "IDLE", "nobody has leased it", ""
        if worker.actor:
            state, why = "ACTOR", f"it is actor {worker.actor}"
        elif lease is not None:
            state, why = "LEASED", f"it runs tasks of {lease.holder}"
            held = describe(to_amounts(lease.allocation.units)) if lease.allocation is not None else ""
        more = {"job": worker.job, "resources": held}
        return Row("worker", worker.address, state, worker.actor, daemon.node, worker.address, worker.pid, why, more)

    def _memory_row(self) -> Row:
        store = self._daemon.store
        book = store.book
        more = {
            "capacity_bytes": str(book.capacity),
            "used_bytes": str(book.used_bytes),
            "objects": str(book.objects),
            "spilled_objects": str(len(store.files)),
            "spilled_bytes": str(store.files.bytes),
        }
        return Row("memory", self._daemon.node, "", "object store", self._daemon.node, more=more)
