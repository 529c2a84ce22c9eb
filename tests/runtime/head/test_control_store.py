from __future__ import annotations

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradewind.runtime.head.actor_record import TRANSITIONS, ActorRecord, IllegalTransitionError
from tradewind.runtime.head.control_store import ControlStore
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import ActorSpec, NodeView
from tradewind.runtime.messages.values import Shape


def node(name: str, cpus: float = 2) -> NodeView:
    return NodeView(name, "host", "host:1", {"CPU": cpus}, {"CPU": cpus}, {})


def join(name: str, **more: object) -> cluster.Join:
    return cluster.Join(0, b"", node(name), **more)  # type: ignore[arg-type]


def spec(actor: str, **changes: object) -> ActorSpec:
    base = ActorSpec(actor, "C", b"", b"", [], Shape({"CPU": 1}), {"CPU": 1}, "n1/1", "n1/1", namespace="here")
    return msgspec.structs.replace(base, **changes)


class Recorder:
    """A head and what it sends and writes down; `restarted` is its next life."""

    def __init__(self, rows: dict[str, dict[str, bytes]] | None = None) -> None:
        self.sent: list[tuple[str, object]] = []
        self.rows = rows if rows is not None else {kind: {} for kind in ("actor", "value", "group", "place", "node")}
        self.store = ControlStore(lambda to, message: self.sent.append((to, message)), self.save)
        self.store.remember(*({**rows} for rows in self.rows.values()))

    def save(self, kind: str, key: str, data: bytes | None) -> None:
        if data is None:
            self.rows[kind].pop(key, None)
        else:
            self.rows[kind][key] = data

    def restarted(self) -> Recorder:
        return Recorder(self.rows)

    def ask(self, body: object, request: int = 1) -> object:
        before = len(self.sent)
        self.store.question("n1", cluster.Question("n1/1", request, body))
        answers = [
            message.body
            for _, message in self.sent[before:]
            if isinstance(message, cluster.HeadReply) and message.request == request
        ]
        return answers[0] if answers else None

    def started(self) -> list[cluster.StartActor]:
        return [message for _, message in self.sent if isinstance(message, cluster.StartActor)]


def test_an_actor_is_placed_started_watched_restarted_and_buried() -> None:
    head = Recorder()
    head.store.join(join("n1"))
    head.store.join(join("n2"))
    assert head.ask(cluster.CreateActor(spec("a", max_restarts=1))) == cluster.Accepted()
    assert head.ask(cluster.WatchActor("a"), 7) is None
    head.store.started(cluster.ActorStarted("a", 1, "n1/5"))
    assert ("n1", cluster.HeadReply("n1/1", 7, cluster.ActorState("a", "ALIVE", "n1/5", 1))) in head.sent
    head.store.ended(cluster.ActorEnded("a", 1, "signal 9"))
    assert [message.incarnation for message in head.started()] == [1, 2]
    head.store.started(cluster.ActorStarted("a", 2, "n1/6"))
    head.store.ended(cluster.ActorEnded("a", 2, "signal 9"))
    state = head.ask(cluster.WatchActor("a"))
    assert isinstance(state, cluster.ActorState)
    assert state.state == "DEAD"
    assert "max_restarts" in state.reason


def test_a_late_word_about_an_old_life_changes_nothing() -> None:
    head = Recorder()
    head.store.join(join("n1"))
    head.ask(cluster.CreateActor(spec("a", max_restarts=5)))
    head.store.started(cluster.ActorStarted("a", 1, "n1/5"))
    head.store.ended(cluster.ActorEnded("a", 1, "x"))
    head.store.ended(cluster.ActorEnded("a", 1, "x"))
    assert head.store.actors["a"].restarts == 1
    head.store.started(cluster.ActorStarted("a", 1, "n1/5"))
    assert head.store.actors["a"].state == "STARTING"


def test_the_fate_of_a_lost_actor_waits_for_the_node_daemons_word() -> None:
    head = Recorder()
    head.store.join(join("n1"))
    head.ask(cluster.CreateActor(spec("a", max_restarts=1)))
    head.store.started(cluster.ActorStarted("a", 1, "n1/5"))
    assert head.ask(cluster.WatchActor("a", 1, fate=True), 9) is None
    head.store.ended(cluster.ActorEnded("a", 1, "x"))
    (answer,) = [
        message.body for _, message in head.sent if isinstance(message, cluster.HeadReply) and message.request == 9
    ]
    assert answer.state == "RESTARTING"


def test_names_are_unique_among_the_living() -> None:
    head = Recorder()
    head.store.join(join("n1"))
    head.ask(cluster.CreateActor(spec("a", name="bob")))
    refused = head.ask(cluster.CreateActor(spec("b", name="bob")))
    assert isinstance(refused, cluster.Accepted)
    assert "bob" in refused.error
    assert head.ask(cluster.CreateActor(spec("c", name="bob", namespace="there"))) == cluster.Accepted()
    head.ask(cluster.KillActor("a", "no longer wanted"))
    assert head.ask(cluster.CreateActor(spec("d", name="bob"))) == cluster.Accepted()


def test_the_end_of_its_owner_ends_an_actor_but_not_a_detached_one() -> None:
    head = Recorder()
    head.store.join(join("n1"))
    head.ask(cluster.CreateActor(spec("a")))
    head.ask(cluster.CreateActor(spec("b", owner="", detached=True)))
    head.store.process_gone(cluster.ProcessGone("n1/1", driver=True))
    assert head.store.actors["a"].state == "DEAD"
    assert head.store.actors["b"].state != "DEAD"


def test_a_restarted_head_tells_who_was_lost_meanwhile_and_fences_who_was_lost_before() -> None:
    first = Recorder()
    for name in ("n1", "n2", "n3"):
        first.store.join(join(name))
    first.store.lose("n3", "power")
    head = first.restarted()
    head.store.join(join("n1", again=True, knows=["n2", "n3"]))
    assert ("n1", cluster.LostNode("n3", "power")) in head.sent, "it may not have heard"
    assert not [1 for _, message in head.sent if isinstance(message, cluster.LostNode) and message.node == "n2"]
    head.store.join(join("n3", again=True))
    assert ("n3", cluster.LostNode("n3", "power", life=1)) in head.sent, "others do its work since"
    assert head.store.nodes["n3"].life == 1, "everybody knows that it is another life"
    head.store.give_up_unseen()
    lost = [to for to, message in head.sent if isinstance(message, cluster.LostNode) and message.node == "n2"]
    assert lost == ["n1", "n3"], "it died while nobody could notice"
    head.store.join(join("n2"))
    assert [to for to, message in head.sent if isinstance(message, cluster.LostNode)][-1] == "n2"


def test_an_actor_that_left_while_the_head_was_away_is_not_started_again() -> None:
    for intended in (True, False):
        first = Recorder()
        first.store.join(join("n1"))
        first.ask(cluster.CreateActor(spec("a", max_restarts=-1)))
        first.store.started(cluster.ActorStarted("a", 1, "n1/5"))
        head = first.restarted()
        head.store.join(
            join("n1", again=True, processes=["n1/1"], ended=[cluster.ActorEnded("a", 1, "it left", intended)])
        )
        assert head.store.actors["a"].state == ("DEAD" if intended else "STARTING")


def test_a_driver_that_ended_while_the_head_was_away_ends_its_job_everywhere() -> None:
    first = Recorder()
    for name in ("n1", "n2"):
        first.store.join(join(name))
    head = first.restarted()
    head.store.join(join("n1", again=True, drivers=["n1/1"]))
    head.store.join(join("n2", again=True))
    assert {to for to, message in head.sent if message == cluster.EndJob("n1/1")} == {"n1", "n2"}


def test_what_no_node_can_hold_is_refused() -> None:
    head = Recorder()
    head.store.join(join("n1"))
    refused = head.ask(cluster.CreateActor(spec("a", placement=Shape({"CPU": 64}))))
    assert isinstance(refused, cluster.Accepted)
    assert refused.error.startswith("no node can hold it")
    assert "64 CPU" in refused.error


def test_an_illegal_move_raises_and_changes_nothing() -> None:
    record = ActorRecord(spec("a"), state="DEAD")
    with pytest.raises(IllegalTransitionError):
        record.move("ALIVE")
    assert record.state == "DEAD"
    assert TRANSITIONS["DEAD"] == frozenset()


class HeadMachine(RuleBasedStateMachine):
    """Nodes join and vanish, actors come, start, crash, are killed; words arrive late or twice."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Recorder()
        self.head.store.join(join("n1"))
        self.count = 0

    @rule(restarts=st.integers(-1, 2), name=st.sampled_from(["", "x", "y"]))
    def create(self, restarts: int, name: str) -> None:
        self.count += 1
        self.head.ask(cluster.CreateActor(spec(f"a{self.count}", max_restarts=restarts, name=name)))

    @rule(name=st.sampled_from(["n1", "n2", "n3"]))
    def join(self, name: str) -> None:
        self.head.store.lose(name, "it joined again")
        self.head.store.join(join(name))

    @rule(name=st.sampled_from(["n1", "n2", "n3"]))
    def lose(self, name: str) -> None:
        self.head.store.lose(name, "power")

    @precondition(lambda self: self.head.started())
    @rule(data=st.data(), error=st.booleans())
    def start(self, data: st.DataObject, error: bool) -> None:
        message = data.draw(st.sampled_from(self.head.started()))
        self.head.store.started(
            cluster.ActorStarted(message.spec.actor, message.incarnation, "n1/9", b"error" if error else b"")
        )

    @precondition(lambda self: self.head.started())
    @rule(data=st.data(), intended=st.booleans())
    def end(self, data: st.DataObject, intended: bool) -> None:
        message = data.draw(st.sampled_from(self.head.started()))
        self.head.store.ended(cluster.ActorEnded(message.spec.actor, message.incarnation, "crash", intended))

    @precondition(lambda self: self.count)
    @rule(data=st.data(), graceful=st.booleans())
    def kill(self, data: st.DataObject, graceful: bool) -> None:
        number = data.draw(st.integers(1, self.count))
        self.head.ask(cluster.KillActor(f"a{number}", "killed", graceful=graceful))

    @invariant()
    def the_book_is_sound(self) -> None:
        self.head.store.validate()
        for record in self.head.store.actors.values():
            limit = record.spec.max_restarts
            assert limit < 0 or record.restarts <= limit

    def teardown(self) -> None:
        for number in range(1, self.count + 1):
            self.head.ask(cluster.WatchActor(f"a{number}"), 1000 + number)
            self.head.ask(cluster.KillActor(f"a{number}", "the end"))
        answered = {message.request for _, message in self.head.sent if isinstance(message, cluster.HeadReply)}
        assert all(1000 + number in answered for number in range(1, self.count + 1)), "somebody waits for ever"


TestHead = HeadMachine.TestCase
