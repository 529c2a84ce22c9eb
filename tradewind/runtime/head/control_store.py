"""The head's decisions: nodes, actors and their names, key-values. Pure: an event in, messages for node daemons out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from tradewind.runtime.head.actor_places import ActorPlaces, labels_text
from tradewind.runtime.head.actor_record import ActorRecord, Place
from tradewind.runtime.head.groups import GroupRecord, PlacementGroups
from tradewind.runtime.head.known_nodes import KnownNodes
from tradewind.runtime.head.named_values import NamedValues
from tradewind.runtime.head.reports import Reports, actor_row, group_row, node_row
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import ActorSpec, NodeView
from tradewind.runtime.node.resources import describe

# How many dead actors can still be asked what they died of.
KEPT_DEAD_ACTORS = 10_000


Send = Callable[[str, cluster.FromHead], None]


class ControlStore:
    """The cluster's record. `send(node, message)` and `save(kind, key, data)` carry out what it decides."""

    def __init__(
        self, send: Send, save: Callable[[str, str, bytes | None], None], *, publishes_itself: bool = True
    ) -> None:
        """publishes_itself: every change of the view is sent at once; else when `publish` is called."""
        self._publishes_itself = publishes_itself
        self._unpublished = False
        self._send = send
        self._save = save
        self.nodes: dict[str, NodeView] = {}
        self.groups = PlacementGroups(self.nodes, send, save, self._group_changed)
        self.actors: dict[str, ActorRecord] = {}
        self._places = ActorPlaces(self.nodes, self.groups)
        self.reports = Reports(self.nodes, send)
        self.names: dict[tuple[str, str], str] = {}
        self.values = NamedValues(save)
        self._known = KnownNodes(save)
        self._buried: deque[str] = deque()

    # nodes

    def remember(
        self,
        specs: dict[str, bytes],
        values: dict[str, bytes],
        groups: dict[str, bytes] | None = None,
        places: dict[str, bytes] | None = None,
        nodes: dict[str, bytes] | None = None,
    ) -> None:
        """What an earlier life of this head wrote down: values, nodes, and actors of which the nodes will say what became of them."""
        self._known.remember(nodes or {})
        self.values.remember(values)
        self.groups.remember(groups or {})
        for actor, data in specs.items():
            spec = msgspec.msgpack.decode(data, type=ActorSpec)
            record = self.actors[actor] = ActorRecord(spec)
            if places and actor in places:
                place = msgspec.msgpack.decode(places[actor], type=Place)
                record.state = "UNSEEN"
                record.node, record.incarnation, record.restarts = place.node, place.incarnation, place.restarts
            if spec.name:
                self.names[spec.namespace, spec.name] = actor

    def give_up_unseen(self) -> None:
        """Nodes that have not joined again since this head was restarted are lost, and the actors that were on them."""
        for node in self._known.give_up_unseen():
            self._lose(node, "it did not join again after the head was restarted")
        for record in list(self.actors.values()):
            if record.state == "UNSEEN":
                self._ended(record, "its node did not join again after the head was restarted", intended=False)

    def join(self, message: cluster.Join) -> None:
        """The node is a member; everybody is told, its actors are known again, and actors that waited for room are placed."""
        view, actors = message.view, message.actors
        self.nodes[view.node] = view
        reason = self._known.joined(view.node)
        if reason:
            # Others do its work since: what it still does is ended, and it is a member with empty hands.
            life = view.life + 1
            self._send(view.node, cluster.LostNode(view.node, reason, life))
            actors = []
            view = self.nodes[view.node] = msgspec.structs.replace(view, available=view.total, bundles={}, life=life)
        if message.again:
            self._tell_missed(message)
        self._recognise(view.node, {living.actor: living for living in actors}, fenced=bool(reason))
        self.groups.joined(view)
        if message.again:
            self._forget_ended_owners(view.node, set(message.processes))
        self._publish_view()
        self.groups.try_again()
        self._place_waiting()

    def _tell_missed(self, message: cluster.Join) -> None:
        """The node hears what was said while it was not connected, and the head what happened there meanwhile."""
        node = message.view.node
        lost, jobs = self._known.missed(message.knows, self.nodes)
        for other, reason in lost:
            self._send(node, cluster.LostNode(other, reason))
        for job in jobs:
            self._send(node, cluster.EndJob(job))
        for ended in message.ended:
            record = self.actors.get(ended.actor)
            if (
                record is not None
                and record.state == "UNSEEN"
                and (record.node, record.incarnation) == (node, ended.incarnation)
            ):
                self._ended(record, ended.reason, intended=ended.intended)
        for driver in message.drivers:
            self.process_gone(cluster.ProcessGone(driver, driver=True))

    def _recognise(self, node: str, living: dict[str, cluster.ActorStarted], *, fenced: bool) -> None:
        """Actors that the node says it has are known again; those that it was to have and never heard of are placed anew."""
        for actor, it in living.items():
            record = self.actors.get(actor)
            if record is None or record.state == "DEAD" or it.incarnation < record.incarnation or record.ending:
                self._send(node, cluster.StopActor(actor, "nobody knows it any more", graceful=False))
            elif record.state == "UNSEEN":
                record.node, record.incarnation = node, it.incarnation
                record.move("ALIVE" if it.process else "STARTING")
                record.process = it.process
                self._tell(record)
        for record in list(self.actors.values()):
            if record.state != "UNSEEN" or record.node != node:
                continue
            if fenced:
                self._ended(record, "its node was cut off from the cluster", intended=False)
            else:
                record.move("PENDING")
                self._place(record)

    def _forget_ended_owners(self, node: str, living: set[str]) -> None:
        """What belongs to processes of the node that have ended while nobody listened goes, as if they ended now."""
        owners = {record.spec.owner for record in self.actors.values() if record.state != "DEAD"}
        jobs = {record.spec.job for record in self.groups.records.values() if record.state != "REMOVED"}
        jobs.update(self.values.jobs())
        for process in sorted(owners | jobs):
            if process.startswith(node + "/") and process not in living:
                self.process_gone(cluster.ProcessGone(process, driver=process in jobs))

    def load(self, node: str, message: cluster.Load) -> None:
        """What the node has free has changed."""
        view = self.nodes.get(node)
        if view is not None:
            self.nodes[node] = msgspec.structs.replace(
                view, available=message.available, waiting=message.waiting, bundles=message.bundles
            )
            if len(self.nodes) > 1:
                self._publish_view()
            self.groups.try_again()
            self._place_waiting()

    def lose(self, node: str, reason: str) -> None:
        """The node is gone: everybody is told, its actors are restarted elsewhere or dead."""
        if self.nodes.pop(node, None) is not None:
            self._lose(node, reason)

    def _lose(self, node: str, reason: str) -> None:
        self._known.lost(node, reason)
        self._places.forget(node)
        for other in list(self.nodes):
            self._send(other, cluster.LostNode(node, reason))
        self._publish_view()
        self.groups.lose(node, reason)
        self.reports.lose(node)
        for record in list(self.actors.values()):
            if record.state != "DEAD" and record.node == node:
                self._ended(record, f"its node {node[:8]} was lost: {reason}", intended=False)
            elif record.state != "DEAD" and record.spec.owner.startswith(node + "/"):
                self._kill(record, f"its owner was on node {node[:8]}, which was lost", graceful=False)

    def _publish_view(self) -> None:
        self._unpublished = True
        if self._publishes_itself:
            self.publish()

    def publish(self) -> None:
        """Every node has the view of now, one message for all of them; nothing happens when they had it."""
        if self._unpublished:
            self._unpublished = False
            view = cluster.View(list(self.nodes.values()))
            for node in list(self.nodes):
                self._send(node, view)

    # questions

    def question(self, node: str, message: cluster.Question) -> None:
        """A process asks; it is answered now or, for WatchActor, when there is something to say."""
        body = message.body
        if isinstance(body, cluster.WatchActor):
            self._watch(node, message.process, message.request, body)
            return
        if isinstance(body, cluster.Report):
            self.reports.ask(node, message.process, message.request, body.kind, self._rows(body.kind))
            return
        if isinstance(body, cluster.WatchGroup):
            self.groups.watch(node, message.process, message.request, body.group)
            return
        if isinstance(body, cluster.CreateActor):
            answer: cluster.HeadAnswer = self._create(body)
        elif isinstance(body, cluster.FindActor):
            found = self.actors.get(self.names.get((body.namespace, body.name), ""))
            answer = cluster.Found(found.spec if found is not None and found.state != "DEAD" else None)
        elif isinstance(body, cluster.DescribeActor):
            found = self.actors.get(body.actor)
            answer = cluster.Found(found.spec if found is not None and found.state != "DEAD" else None)
        elif isinstance(body, cluster.ListNamedActors):
            answer = cluster.NamedActors(sorted(key for key in self.names if body.namespace in {"", key[0]}))
        elif isinstance(body, cluster.KillActor):
            record = self.actors.get(body.actor)
            if record is not None:
                if body.no_restart:
                    self._kill(record, body.reason, graceful=body.graceful)
                elif record.node:
                    self._send(record.node, cluster.StopActor(body.actor, body.reason, graceful=False))
            answer = cluster.Accepted()
        elif isinstance(body, cluster.ListNodes):
            if self._unpublished:
                # Who has been told of a node may name it at once: its own node daemon must know it by then.
                self._send(node, cluster.View(list(self.nodes.values())))
            answer = cluster.Nodes(list(self.nodes.values()))
        elif isinstance(body, cluster.CreateGroup):
            answer = self.groups.create(body.spec)
        elif isinstance(body, cluster.RemoveGroup):
            self.groups.remove(body.group, "it was removed")
            answer = cluster.Accepted()
        elif isinstance(body, cluster.ListGroups):
            answer = cluster.Groups([record.answer() for record in self.groups.records.values()])
        else:
            answer = cluster.Entries(self.values.carry_out(body))
        if message.request:
            self._send(node, cluster.HeadReply(message.process, message.request, answer))

    def _create(self, body: cluster.CreateActor) -> cluster.Accepted:
        spec = body.spec
        if spec.actor in self.actors:
            return cluster.Accepted()
        if spec.name:
            holder = self.actors.get(self.names.get((spec.namespace, spec.name), ""))
            if holder is not None and holder.state != "DEAD":
                return cluster.Accepted(
                    f"An actor named {spec.name!r} is alive in namespace {spec.namespace!r}; use get_actor(), get_if_exists=True or another name"
                )
        record = ActorRecord(spec)
        if not self._places.feasible(spec):
            if spec.placement.strategy.startswith("PG:"):
                return cluster.Accepted("its placement group is gone: it was removed")
            have = "; ".join(f"{node[:8]}: {describe(view.total)}" for node, view in sorted(self.nodes.items()))
            return cluster.Accepted(
                f"no node can hold it: it asks for {describe(spec.placement.resources)}{labels_text(spec)}, and the nodes have: {have}."
            )
        self.actors[spec.actor] = record
        if spec.name:
            self.names[spec.namespace, spec.name] = spec.actor
        self._save("actor", spec.actor, msgspec.msgpack.encode(spec))
        self._place(record)
        return cluster.Accepted()

    def _watch(self, node: str, process: str, request: int, body: cluster.WatchActor) -> None:
        record = self.actors.get(body.actor)
        if record is None:
            gone = cluster.ActorState(body.actor, "DEAD", reason="the cluster does not know it (any more)")
            self._send(node, cluster.HeadReply(process, request, gone))
        elif (
            record.state == "DEAD"
            or (record.incarnation > body.lost and (body.fate or record.state == "ALIVE") and record.state != "UNSEEN")
            or (body.fate and record.state == "RESTARTING")
        ):
            self._send(node, cluster.HeadReply(process, request, record.answer()))
        else:
            # The node daemon's word about the end may still be on its way.
            record.watchers.append((node, process, -request if body.fate else request))

    def _tell(self, record: ActorRecord) -> None:
        waiting, record.watchers = record.watchers, []
        for node, process, request in waiting:
            if request < 0 or record.state in {"ALIVE", "DEAD"}:
                self._send(node, cluster.HeadReply(process, abs(request), record.answer()))
            else:
                record.watchers.append((node, process, request))

    def _rows(self, kind: str) -> list[cluster.Row]:
        if kind == "nodes":
            return [node_row(view) for view in self.nodes.values()]
        if kind == "actors":
            return [actor_row(record) for record in self.actors.values()]
        return [group_row(record) for record in self.groups.records.values()] if kind == "groups" else []

    # actors

    def _group_changed(self, group: GroupRecord) -> None:
        """The group has its places, and actors that wait for them start; or it is gone, and its actors with it."""
        if group.state == "REMOVED":
            for record in list(self.actors.values()):
                if record.spec.placement.strategy.startswith(f"PG:{group.spec.group}:"):
                    self._kill(record, f"its placement group is gone: {group.reason}", graceful=False)
        else:
            self._place_waiting()

    def _place(self, record: ActorRecord) -> None:
        spec = record.spec
        chosen = self._places.choose(spec)
        if chosen is None:
            return
        record.node = chosen.node
        record.incarnation += 1
        self._save("place", spec.actor, msgspec.msgpack.encode(Place(chosen.node, record.incarnation, record.restarts)))
        record.move("STARTING")
        # Until the node's own word comes, what it has just been given counts as taken.
        if not spec.placement.strategy.startswith("PG:"):
            taken = {name: amount - spec.resources.get(name, 0) for name, amount in chosen.available.items()}
            self.nodes[chosen.node] = msgspec.structs.replace(chosen, available=taken)
        self._send(chosen.node, cluster.StartActor(spec, record.incarnation))

    def _place_waiting(self) -> None:
        for record in self.actors.values():
            if record.state in {"PENDING", "RESTARTING"}:
                self._place(record)

    def started(self, message: cluster.ActorStarted) -> None:
        """The actor's constructor has run, or raised."""
        record = self.actors.get(message.actor)
        if record is None or record.state != "STARTING" or record.incarnation != message.incarnation:
            return
        if message.error:
            record.error = message.error
            self._dead(record, "its constructor raised")
            return
        record.move("ALIVE")
        record.process = message.process
        self._tell(record)
        if record.ending:
            self._send(record.node, cluster.StopActor(record.spec.actor, record.reason, graceful=True))

    def ended(self, message: cluster.ActorEnded) -> None:
        """The actor's process is gone."""
        record = self.actors.get(message.actor)
        if record is not None and record.incarnation == message.incarnation and record.state in {"STARTING", "ALIVE"}:
            self._ended(record, message.reason, intended=message.intended)

    def _ended(self, record: ActorRecord, reason: str, *, intended: bool) -> None:
        record.process = ""
        record.node = ""
        limit = record.spec.max_restarts
        if intended or record.ending or (limit >= 0 and record.restarts >= limit):
            if limit > 0 and not intended and not record.ending:
                reason += f" (restarted {record.restarts} times, which is its max_restarts)"
            self._dead(record, reason)
            return
        record.restarts += 1
        record.move("RESTARTING")
        self._tell(record)
        self._place(record)

    def _kill(self, record: ActorRecord, reason: str, *, graceful: bool) -> None:
        if record.state == "DEAD":
            return
        if graceful and record.state in {"STARTING", "ALIVE"}:
            record.ending = True
            record.reason = reason
            if record.state == "ALIVE":
                self._send(record.node, cluster.StopActor(record.spec.actor, reason, graceful=True))
            return
        if record.node:
            self._send(record.node, cluster.StopActor(record.spec.actor, reason, graceful=False))
        self._dead(record, reason)

    def _dead(self, record: ActorRecord, reason: str) -> None:
        record.move("DEAD")
        record.reason = record.reason if record.ending and record.reason else reason
        spec = record.spec
        if spec.name and self.names.get((spec.namespace, spec.name)) == spec.actor:
            del self.names[spec.namespace, spec.name]
        self._save("actor", spec.actor, None)
        self._save("place", spec.actor, None)
        # The code and arguments are not needed again, and the record stays for those who ask.
        record.spec = msgspec.structs.replace(spec, code=b"", args=b"", slots=[])
        self._tell(record)
        if spec.detached and not self._has_detached(spec.job):
            self.values.forget(spec.job)
        self._buried.append(spec.actor)
        if len(self._buried) > KEPT_DEAD_ACTORS:
            del self.actors[self._buried.popleft()]

    def process_gone(self, message: cluster.ProcessGone) -> None:
        """Actors that the process owned end; with a driver, everything of its job but detached actors does."""
        for record in list(self.actors.values()):
            spec = record.spec
            if (
                record.state != "DEAD"
                and not spec.detached
                and (spec.owner == message.process or (message.driver and spec.job == message.process))
            ):
                self._kill(record, "its owner has ended", graceful=False)
        if self.values.end(message.process) and not self._has_detached(message.process):
            self.values.forget(message.process)
        if message.driver:
            self._known.job_ended(message.process)
            self.groups.owner_gone(message.process)
            for node in list(self.nodes):
                self._send(node, cluster.EndJob(message.process))

    def _has_detached(self, job: str) -> bool:
        """True while a detached actor of the job lives, which may need the job's values."""
        return any(
            record.spec.job == job and record.spec.detached and record.state != "DEAD"
            for record in self.actors.values()
        )

    def validate(self) -> None:
        """Raises AssertionError unless names point to living actors and living actors to living nodes."""
        self.groups.validate()
        for key, actor in self.names.items():
            record = self.actors[actor]
            assert record.state != "DEAD", f"{key} names a dead actor"
            assert (record.spec.namespace, record.spec.name) == key
        for record in self.actors.values():
            if record.state in {"STARTING", "ALIVE"}:
                assert record.node in self.nodes, f"{record.spec.actor} lives on a lost node"
