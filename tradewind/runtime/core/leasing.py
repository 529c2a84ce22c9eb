"""The workers that this process has leased, and those that it wants. The shell around dispatch's groups."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from tradewind.runtime import exceptions
from tradewind.runtime.core.dispatch import Call, Group, Lease
from tradewind.runtime.messages import control
from tradewind.runtime.messages.values import Death, Shape, Stored

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process

# A task goes to its arguments when they are this large in all; below that they come to it sooner than a worker is found elsewhere.
_WORTH_A_JOURNEY = 1 << 20
# How the reasons of node daemons begin when a placement group was removed.
_GROUP_GONE = "its placement group is gone"


class Leasing:
    """Groups of calls by what they need, and the leases of each."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._groups: dict[bytes, Group] = {}
        self._by_request: dict[int, Group] = {}
        self._leases: dict[int, Lease] = {}
        self.has_idle = False

    def group(self, shape: Shape) -> Group:
        """The group of calls of this shape."""
        around = shape.environment
        variables = sorted(around.env_vars.items()) if around is not None else None
        key = msgspec.msgpack.encode(
            (
                sorted(shape.resources.items()),
                shape.strategy,
                variables,
                around,
                shape.hard,
                shape.soft,
                shape.fallbacks,
            )
        )
        with self._process.lock:
            found = self._groups.get(key)
            if found is None:
                found = Group(self._process.next_request(), shape)
                self._groups[key] = found
                self._by_request[found.request] = found
        return found

    def near(self, call: Call) -> Group:
        """The call's group, which asks for workers where most of the bytes are that the call needs. Under the lock."""
        group: Group = call.where
        shape = group.shape
        if shape.strategy != "DEFAULT" and not shape.strategy.startswith("NEAR:"):
            return group
        entries = self._process.table.entries
        sizes: dict[str, int] = {}
        for _, ref in call.slots or ():
            value = entries[ref.key].value
            if type(value) is Stored:
                sizes[value.node] = sizes.get(value.node, 0) + value.size
        node = max(sizes, key=lambda name: sizes[name], default="")
        far = bool(node) and node != self._process.node and sizes[node] >= _WORTH_A_JOURNEY
        strategy = f"NEAR:{node}" if far else "DEFAULT"
        if strategy == shape.strategy:
            return group
        near = self.group(msgspec.structs.replace(shape, strategy=strategy))
        if far and not near.leases:
            self._move_idle(near, node)
        return near

    def _move_idle(self, near: Group, node: str) -> None:
        """An idle worker there that was leased for calls of the same needs now serves this group. Under the lock."""
        for group in self._groups.values():
            same = msgspec.structs.replace(group.shape, strategy=near.shape.strategy) == near.shape
            if same and not group.shape.strategy.startswith("PG:"):
                for lease in group.leases:
                    if not lease.running and not lease.blocked and lease.peer.address.startswith(node + "/"):
                        group.leases.remove(lease)
                        near.leases.append(lease)
                        lease.group = near
                        return

    def ask(self, group: Group) -> None:
        """The node daemon knows how many workers the group wants; the calls fail when there is none any more. Under the lock."""
        if self._process.broken:
            calls = list(group.queue)
            group.queue.clear()
            for call in calls:
                self._process.calls.fail(call, exceptions.LocalRayletDiedError(self._process.broken))
            return
        count = group.to_ask()
        if count is not None:
            self._process.tell_node(control.RequestLease(group.request, group.shape, count))

    def on_granted(self, message: control.Granted) -> None:
        """A worker was leased. Under the lock."""
        process = self._process
        group = self._by_request.get(message.request)
        if group is None:
            process.tell_node(control.ReturnLease(message.lease))
            return
        lease = Lease(
            message.lease, group, process.peers.get(message.process, connect=False), message.pid, message.accelerators
        )
        lease.idle_since = time.monotonic()
        lease.peer.leases.append(lease)
        self._leases[lease.id] = lease
        group.granted(lease)
        if lease.peer.lost:
            self.lose(lease, lease.peer.death)
            return
        self._process.calls.refill(group, lease)

    def on_yield(self, message: control.Yield) -> None:
        """Another job wants the worker: it gets nothing new. Under the lock."""
        lease = self._leases.get(message.lease)
        if lease is not None:
            lease.yielding = True
            if not lease.running:
                self.give_up(lease)

    def give_up(self, lease: Lease) -> None:
        """The idle worker goes back to its node. Under the lock."""
        group = lease.group
        self._leases.pop(lease.id, None)
        group.leases.remove(lease)
        lease.peer.leases.remove(lease)
        self._process.tell_node(control.ReturnLease(lease.id))
        if group.queue:
            self.ask(group)

    def on_refused(self, message: control.Refused) -> None:
        """No node can ever run the group's calls. Under the lock."""
        group = self._by_request.get(message.request)
        if group is None:
            return
        group.wanted = 0
        calls = list(group.queue)
        group.queue.clear()
        removed = message.reason.startswith(_GROUP_GONE)
        kind = exceptions.TaskPlacementGroupRemoved if removed else exceptions.TaskUnschedulableError
        for call in calls:
            self._process.calls.fail(call, kind(f"{call.name}() can never run: {message.reason}"))

    def lose(self, lease: Lease, death: Death | None) -> None:
        """The worker is gone: its calls are sent elsewhere or fail. Under the lock."""
        group = lease.group
        self._leases.pop(lease.id, None)
        self._process.tell_node(control.ReturnLease(lease.id))
        calls = group.lose(lease)
        # At most the first had begun: the others cost nobody a retry.
        begun = 0 if death is not None and death.clean else 1
        started = calls[:begun]
        for call in calls[begun:]:
            group.queue.append(call)
        for call in started:
            if call.cancelled:
                self._process.calls.fail(
                    call, exceptions.TaskCancelledError(f"{call.name}() was cancelled and its worker killed.")
                )
            elif call.retries != 0:
                if death is not None and death.reason.startswith("node out of memory"):
                    # It may have been another's memory; such an end costs no retry (as in Ray).
                    self._process.on_output([f"{call.name}() is tried again: {death.reason}."], True)
                else:
                    call.retries -= 1
                group.queue.append(call)
            else:
                assert death is not None
                self._process.calls.fail(
                    call, _crash(death.reason)(death.sentence(f"The worker that ran {call.name}()"))
                )
        if group.queue:
            best = group.choose()
            if best is not None:
                self._process.calls.refill(group, best)
            self.ask(group)

    def return_idle(self, now: float, limit: float) -> None:
        """Workers without work go back to their node. Under the lock."""
        waiting = False
        for group in self._groups.values():
            for lease in group.idle(now, limit):
                self._leases.pop(lease.id, None)
                lease.peer.leases.remove(lease)
                self._process.tell_node(control.ReturnLease(lease.id))
            waiting = waiting or any(not lease.running for lease in group.leases)
        self.has_idle = waiting


def _crash(reason: str) -> type[exceptions.RayError]:
    """The class of the error of a call whose worker ended for this reason."""
    if reason.startswith(("out of memory", "node out of memory")):
        return exceptions.OutOfMemoryError
    return exceptions.TaskPlacementGroupRemoved if reason.startswith(_GROUP_GONE) else exceptions.WorkerCrashedError
