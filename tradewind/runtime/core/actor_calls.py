"""Calls to actors: one queue an actor, sent in order over the direct link to its process, whichever process that is just now."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.core.dispatch import Call
from tradewind.runtime.core.failures import load_error, passed_on
from tradewind.runtime.core.pump import Waiter
from tradewind.runtime.core.streams import ObjectRefGenerator
from tradewind.runtime.messages import cluster, peer
from tradewind.runtime.messages.values import Death, Failed, Method
from tradewind.runtime.object_ref import ObjectRef

if TYPE_CHECKING:
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process


class ActorTarget:
    """One actor as this caller knows it."""

    def __init__(
        self,
        calls: ActorCalls,
        actor: str,
        name: str,
        *,
        ordered: bool,
        max_task_retries: int,
        max_pending_calls: int = -1,
    ) -> None:
        self._calls = calls
        self.actor = actor
        self.name = name
        self.ordered = ordered
        self.max_task_retries = max_task_retries
        self.max_pending_calls = max_pending_calls
        self.queue: deque[Call] = deque()
        self.running: dict[int, Call] = {}
        self.peer: Peer | None = None
        self.incarnation = -1
        self.watching = False
        self.dead: cluster.ActorState | None = None
        self.created = True  # False until the head has accepted an actor that this process creates
        self.reason = ""

    def submit(self, call: Call) -> None:
        """The call is sent, or queued behind what it must follow. Under the lock."""
        if self.dead is not None:
            self._calls.fail_dead(self, call)
            return
        if self.ordered:
            if call.unready or self.queue or self.peer is None:
                self.queue.append(call)
                if self.peer is None:
                    self.look()
                return
        elif call.unready:
            return
        elif self.peer is None:
            self.queue.append(call)
            self.look()
            return
        self._send(call)

    def ready(self, call: Call) -> None:
        """The call's arguments are there now. Under the lock."""
        if self.ordered:
            self.drain()
        elif not call.cancelled:
            self.submit(call)

    def drain(self) -> None:
        """What can be sent is sent. Under the lock."""
        queue = self.queue
        while queue and self.peer is not None:
            if queue[0].unready:
                break
            call = queue.popleft()
            if not call.cancelled:
                self._send(call)

    def _send(self, call: Call) -> None:
        target = self.peer
        assert target is not None
        calls = self._calls
        process = calls.process
        slots = None
        if call.slots is not None:
            if process.arguments.await_slots(call, self.ready):
                # An argument was lost since, and is being made again.
                if self.ordered:
                    self.queue.appendleft(call)
                return
            resolved = process.arguments.resolved_slots(call)
            if type(resolved) is Failed:
                process.calls.settle_failed(call, passed_on(resolved, call.name))
                return
            slots = resolved
        idle = not self.running
        call.target = self
        self.running[call.id] = call
        process.post(target, peer.Task(call.id, call.method or "", call.args, call.returns, slots, None, call.ahead))  # type: ignore[arg-type]
        if idle:
            process.flush(target)

    def finished(self, call: Call) -> None:
        """The actor has answered. Under the lock."""
        self.running.pop(call.id, None)
        call.target = None

    def again(self, call: Call) -> None:
        """The call is to be sent once more. Under the lock."""
        self.running.pop(call.id, None)
        call.target = None
        self.submit(call)

    def look(self) -> None:
        """The head is asked where the actor is, once at a time. Under the lock."""
        if not self.watching and self.created and self.dead is None:
            self.watching = True
            self._calls.process.ask_head(cluster.WatchActor(self.actor, self.incarnation), self.found)

    def found(self, answer: cluster.HeadAnswer) -> None:
        """The head has said where the actor is, or that it is dead. Under the lock."""
        self.watching = False
        if isinstance(answer, cluster.Accepted):
            answer = cluster.ActorState(self.actor, "DEAD", reason=answer.error or "it is unknown to the head")
        assert isinstance(answer, cluster.ActorState)
        process = self._calls.process
        if answer.state == "DEAD":
            self.dead = answer
            waiting = [*self.running.values(), *self.queue]
            self.queue.clear()
            self.running.clear()
            for call in waiting:
                if not call.cancelled:
                    self._calls.fail_dead(self, call)
            return
        self.incarnation = answer.incarnation
        target = process.peers.get(answer.process)
        if target.lost:
            self.lost(target.death)
            return
        self.peer = target
        target.actors.append(self)
        self.drain()

    def lost(self, death: Death | None) -> None:
        """The actor's process has ended. Under the lock."""
        self.peer = None
        calls = list(self.running.values())
        self.running.clear()
        again: list[Call] = []
        for call in calls:
            call.target = None
            if call.retries != 0 and not call.cancelled:
                call.retries -= 1
                again.append(call)
            else:
                call.where = death
                self._calls.undecided.append((self, call))
        self.queue.extendleft(reversed(again))
        # The head knows whether the actor comes back; until it has answered nobody can say what the lost calls' error is.
        if again or self.queue or calls:
            self.look_for_fate()

    def look_for_fate(self) -> None:
        """As look; the calls that died with the process get their error with the answer. Under the lock."""
        self._calls.process.ask_head(
            cluster.WatchActor(self.actor, self.incarnation, fate=True), self._calls.decided(self)
        )
        self.look()


class ActorCalls:
    """The actors that this process calls, and those that it has created."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.targets: dict[str, ActorTarget] = {}
        self.undecided: list[tuple[ActorTarget, Call]] = []

    def target(
        self, actor: str, name: str, *, ordered: bool, max_task_retries: int, max_pending_calls: int = -1
    ) -> ActorTarget:
        """The actor's one queue in this process."""
        found = self.targets.get(actor)
        if found is None:
            found = self.targets.setdefault(
                actor,
                ActorTarget(
                    self,
                    actor,
                    name,
                    ordered=ordered,
                    max_task_retries=max_task_retries,
                    max_pending_calls=max_pending_calls,
                ),
            )
        return found

    def call(
        self,
        target: ActorTarget,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        how: Method,
        holds: ObjectRef | None,
        name: str = "",
    ) -> ObjectRef | list[ObjectRef] | ObjectRefGenerator | None:
        """The ref, or refs, of a method call. Raises PendingCallsLimitExceeded, TypeError for what cannot be pickled."""
        process = self.process
        returns, ahead = abs(how.returns), how.ahead if how.returns < 0 else -1
        if 0 < target.max_pending_calls <= len(target.queue) + len(target.running):
            raise exceptions.PendingCallsLimitExceeded(
                f"{target.max_pending_calls} calls of this process to actor {target.name} have no answer yet, which is its max_pending_calls; "
                "get() some of them before making more."
            )
        call = Call(0, None, b"", returns)
        call.method = f"{method}@{how.concurrency_group}" if how.concurrency_group else method
        call.name = name or f"{target.name}.{method}"
        call.retries = target.max_task_retries if how.max_task_retries is None else how.max_task_retries
        if how.retry_exceptions:
            given = how.retry_exceptions
            call.retry_exceptions = True if isinstance(given, bool) else serialization.deserialize(given)
        if args or kwargs:
            process.arguments.prepare(call, args, kwargs)
        if holds is not None:
            # The actor outlives the handle until the calls made with it are answered.
            call.holds = [*(call.holds or ()), holds]
        with process.lock:
            if process.released:
                process.drain()
            call.id = process.table.create(max(returns, 1))
            process.calls.open[call.id] = call
            stream = None
            if ahead >= 0:
                call.ahead = ahead
                stream = process.streams.begin(call)
            if call.slots is not None:
                process.arguments.await_slots(call, target.ready)
            target.submit(call)
        if stream is not None:
            return ObjectRefGenerator(process, stream, ObjectRef(call.id, process.release))
        if returns == 1:
            return ObjectRef(call.id, process.release)
        refs = [ObjectRef(call.id + index, process.release) for index in range(max(returns, 1))]
        return refs if returns else None

    def withdrawn(self, call: Call) -> None:
        """The call was cancelled before it was sent: what stands behind it waits for it no longer. Under the lock."""
        for target in self.targets.values():
            if call in target.queue:
                target.queue.remove(call)
                target.drain()
                return

    def create(self, spec: cluster.ActorSpec, slots_call: Call, target: ActorTarget, *, get_if_exists: bool) -> bool:
        """The head is asked for a new actor as soon as the constructor's arguments are there; calls made meanwhile wait.

        False when somebody else has taken its name since, as far as that is known without waiting for the arguments.
        """
        process = self.process
        target.created = False
        answered = Waiter()
        taken = False

        def go(call: Call) -> None:
            resolved = process.arguments.resolved_slots(call)
            if type(resolved) is Failed:
                target.dead = cluster.ActorState(
                    spec.actor, "DEAD", reason="an argument of its constructor failed", error=resolved.error
                )
                waiting = list(target.queue)
                target.queue.clear()
                for waiter in waiting:
                    self.fail_dead(target, waiter)
                return
            assert isinstance(resolved, list)
            import msgspec

            ready = msgspec.structs.replace(spec, slots=resolved, args=call.args)
            process.ask_head(cluster.CreateActor(ready, get_if_exists), created)

        def created(answer: cluster.HeadAnswer) -> None:
            nonlocal taken
            target.created = True
            assert isinstance(answer, cluster.Accepted)
            taken = answer.error.startswith("An actor named")
            answered.finish()
            if answer.error:
                target.watching = True
                target.found(cluster.ActorState(spec.actor, "DEAD", reason=answer.error))
            elif target.queue:
                target.look()

        with process.lock:
            if slots_call.slots is None or not process.arguments.await_slots(slots_call, go):
                go(slots_call)
            process.flush_all()
        if spec.name and not slots_call.unready and target.dead is None:
            process.pump.wait(answered)
        return not taken

    def decided(self, target: ActorTarget) -> Any:
        """What to do when the head has said what becomes of the actor."""

        def settle(answer: cluster.HeadAnswer) -> None:
            mine = [call for owner, call in self.undecided if owner is target]
            self.undecided = [(owner, call) for owner, call in self.undecided if owner is not target]
            final = isinstance(answer, cluster.ActorState) and answer.state == "DEAD"
            for call in mine:
                if final:
                    assert isinstance(answer, cluster.ActorState)
                    target.dead = target.dead or answer
                    self.fail_dead(target, call)
                    continue
                death = call.where
                why = (
                    death.sentence(f"The process of actor {target.name}")
                    if isinstance(death, Death)
                    else f"The process of actor {target.name} died."
                )
                what = (
                    f"{call.name}() may have run or not; nothing more is heard of it."
                    if isinstance(death, Death) and death.unreachable
                    else f"{call.name}() was running when its actor's process died; the actor is being restarted."
                )
                self.process.calls.fail(call, exceptions.ActorUnavailableError(f"{what} {why}", target.actor))

        return settle

    def fail_dead(self, target: ActorTarget, call: Call) -> None:
        """The call ends with what killed the actor. Under the lock."""
        state = target.dead
        assert state is not None
        if state.error:
            cause = load_error(Failed(state.error))
            if isinstance(cause, exceptions.RayTaskError):
                text = f"The actor {target.name} died in its constructor: {cause}"
            else:
                text = f"The actor {target.name} died: {cause}"
            error: exceptions.RayActorError = exceptions.ActorDiedError(
                text, target.actor, isinstance(cause, exceptions.RayTaskError)
            )
        elif state.reason.startswith("no node"):
            error = exceptions.ActorUnschedulableError(
                f"The actor {target.name} can never start: {state.reason}", target.actor
            )
        else:
            removed = "its placement group is gone" in state.reason
            kind = exceptions.ActorPlacementGroupRemoved if removed else exceptions.ActorDiedError
            error = kind(f"The actor {target.name} is dead: {state.reason}", target.actor)
        self.process.calls.fail(call, error)

    def lose_peer(self, target: Peer) -> None:
        """The process behind some actors has ended. Under the lock."""
        actors = list(target.actors)
        target.actors.clear()
        for actor in actors:
            if actor.peer is target:
                actor.lost(target.death)

    def out_of_scope(self, actor: str) -> None:
        """The last handle is gone: the actor ends when its calls are done. Under the lock."""
        # Asked, so that it is asked again should the head be away.
        question = cluster.KillActor(actor, "its last handle went out of scope", no_restart=True, graceful=True)
        self.process.ask_head(question, lambda _answer: None)
