from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

from tradewind.runtime.messages import control, neighbour
from tradewind.runtime.node.direct_links import DirectLinks
from tradewind.runtime.simulated_network import Network, SimulatedLoop


class Node:
    """A daemon of which only what links need is there."""

    def __init__(self) -> None:
        self.network = Network(lambda _count: 0)
        self.sent: list[Any] = []
        self.told: list[Any] = []
        self.asked_why: list[str] = []
        # What a dial brings: nothing, until a test says otherwise.
        self.socket: socket.socket | None = None
        daemon: Any = SimpleNamespace(
            loop=SimulatedLoop(self.network),
            neighbours=SimpleNamespace(send=lambda _node, message: self.sent.append(message)),
            deaths=SimpleNamespace(why=lambda _asker, address: self.asked_why.append(address)),
            tell=lambda _address, message: self.told.append(message),
            processes={"here/1": None},
        )
        self.links = DirectLinks(daemon, cast("Any", None), lambda _node, connected: connected(self.socket))

    def answer(self, *, expected: bool) -> None:
        """The other node answers the last question."""
        self.links.on_expected("there", neighbour.LinkExpected(self.sent[-1].number, expected))


def test_a_node_that_cannot_be_dialled_is_tried_again_until_it_is_given_up() -> None:
    node = Node()
    node.links.want("there", "there/1", "here/1")
    tries = 0
    while not node.told:
        if len(node.sent) > tries:
            tries = len(node.sent)
            node.answer(expected=True)
        assert node.network.pass_time(), "it ends"
    assert node.network.clock == 30
    assert tries > 10
    (said,) = node.told
    assert isinstance(said, control.Unreachable)
    assert said.process == "there/1"
    assert "30 s" in said.reason
    assert node.asked_why == [], "a way that is closed is no death"


def test_the_loss_of_the_node_ends_every_wait_for_a_link_to_it() -> None:
    node = Node()
    node.links.want("there", "there/1", "here/1")
    node.links.lose("elsewhere")
    assert node.asked_why == []
    node.links.lose("there")
    assert node.asked_why == ["there/1"]
    while node.network.pass_time():
        pass
    assert node.told == [], "it is known to be lost, and not only unreachable"


def test_a_process_that_is_gone_there_is_asked_for_once() -> None:
    node = Node()
    node.links.want("there", "there/1", "here/1")
    node.answer(expected=False)
    node.answer(expected=False)
    assert node.asked_why == ["there/1"]


def test_numbers_of_a_lost_node_are_good_for_nothing() -> None:
    node = Node()
    number = bytes(16)
    node.links.on_expect("there", neighbour.ExpectLink(number, "here/1", "there/1"))
    assert node.sent == [neighbour.LinkExpected(number, True)]
    node.links.lose("there")
    assert not node.links._expected  # noqa: SLF001
