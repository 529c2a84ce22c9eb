"""Reports on what is in the cluster: the head's own rows, and those that it collects from nodes. Pure but for who is asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import NodeView, Row
from tradewind.runtime.node.resources import describe

if TYPE_CHECKING:
    from tradewind.runtime.head.actor_record import ActorRecord
    from tradewind.runtime.head.groups import GroupRecord

# Kinds that the head knows all about; the others are asked of the nodes.
OWN_KINDS = frozenset({"nodes", "actors", "groups"})


@dataclass(slots=True)
class _Open:
    """A report that is being collected. asker: (node, process, request)."""

    asker: tuple[str, str, int]
    missing: set[str]
    rows: list[Row] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


class Reports:
    """Reports that are being collected."""

    def __init__(self, nodes: Mapping[str, NodeView], send: Callable[[str, cluster.FromHead], None]) -> None:
        self._nodes = nodes
        self._send = send
        self._open: dict[int, _Open] = {}
        self._numbers = itertools.count(1)

    def ask(self, node: str, process: str, request: int, kind: str, own: list[Row]) -> None:
        """The process gets its rows, once every node has sent its own."""
        if kind in OWN_KINDS:
            self._send(node, cluster.HeadReply(process, request, cluster.Rows(own)))
            return
        number = next(self._numbers)
        self._open[number] = _Open((node, process, request), set(self._nodes))
        for other in list(self._nodes):
            self._send(other, cluster.ReportThere(number, kind))
        self._settle(number)

    def reported(self, node: str, message: cluster.Reported) -> None:
        """A node has sent its rows."""
        report = self._open.get(message.number)
        if report is not None and node in report.missing:
            report.missing.discard(node)
            report.rows += message.rows
            self._settle(message.number)

    def lose(self, node: str) -> None:
        """The node will not answer any more."""
        for number, report in list(self._open.items()):
            if node in report.missing:
                report.missing.discard(node)
                report.silent.append(node)
                self._settle(number)

    def _settle(self, number: int) -> None:
        report = self._open[number]
        if not report.missing:
            del self._open[number]
            node, process, request = report.asker
            self._send(node, cluster.HeadReply(process, request, cluster.Rows(report.rows, report.silent)))


def node_row(view: NodeView) -> Row:
    """A node as a report shows it."""
    more = {"total": describe(view.total), "free": describe(view.available), "waiting": str(view.waiting)}
    return Row("node", view.node, "ALIVE", view.host, view.node, more=more)


def actor_row(record: ActorRecord) -> Row:
    """An actor as a report shows it, with what it waits for or died of."""
    spec = record.spec
    why = record.reason
    if record.state in {"PENDING", "RESTARTING"}:
        why = f"it waits for a node with {describe(spec.placement.resources)} ({spec.placement.strategy})"
    elif record.state == "STARTING":
        why = "it waits for room on its node, or its constructor runs"
    more = {"restarts": str(record.restarts), "resources": describe(spec.resources), "name": spec.name}
    return Row("actor", spec.actor, record.state, spec.class_name, record.node, record.process, why=why, more=more)


def group_row(record: GroupRecord) -> Row:
    """A placement group as a report shows it."""
    spec = record.spec
    why = record.reason
    if record.state in {"PENDING", "RESCHEDULING"}:
        missing = [describe(bundle) for index, bundle in enumerate(spec.bundles) if index not in record.nodes]
        why = f"{spec.strategy} found no room yet for: {'; '.join(missing)}" + (
            f"; {record.reason}" if record.reason else ""
        )
    return Row("group", spec.group, record.state, spec.name, why=why, more={"bundles": str(len(spec.bundles))})
