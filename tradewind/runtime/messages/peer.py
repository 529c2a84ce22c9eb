"""Between two processes (drivers, workers): calls, results, and the book-keeping of ownership. Both directions, one family."""

from __future__ import annotations

from tradewind.runtime.messages.conversation import Begin, Received
from tradewind.runtime.messages.values import Ref, Value
from tradewind.runtime.wire import Message


class Define(Message, frozen=True, tag=1):
    """Makes function number fn known on this link, before its first call. A worker keeps the code by digest, whoever sends it."""

    fn: int
    name: str
    digest: bytes
    code: bytes
    resources: dict[str, float]
    # After so many calls of it a worker ends; 0: never.
    max_calls: int = 0
    # The placement group that it runs in, with a "*" behind it when the tasks that it starts belong there too.
    group: str = ""
    # For whose driver all this is, and where that looks for names.
    job: str = ""
    namespace: str = ""


class Task(Message, frozen=True, tag=2):
    """One call. fn: a defined function's number, or a method's name for an actor. slots: top-level arguments that were refs, resolved."""

    id: int
    fn: int | str
    args: Value
    returns: int = 1
    slots: list[tuple[int | str, Value]] | None = None
    accelerators: list[str] | None = None
    # -1: an ordinary call; else a generator whose items are sent one by one, at most so many ahead of the reader (0: any number).
    ahead: int = -1


class Done(Message, frozen=True, tag=3):
    """The result of a call with one return value; refs are the refs inside it, kept alive by the sender until Taken."""

    id: int
    micros: int
    value: Value
    refs: list[Ref] | None = None


class DoneMany(Message, frozen=True, tag=4):
    """The results of a call with several return values, or none."""

    id: int
    micros: int
    values: list[Value]
    refs: list[Ref] | None = None


class Taken(Message, frozen=True, tag=5):
    """The receiver of a value now holds the refs that were inside it."""

    id: int


class HandBack(Message, frozen=True, tag=6):
    """These tasks were not started and will not be here: the worker is blocked, or busy with task `running`."""

    ids: list[int]
    running: int
    blocked: bool


class Resume(Message, frozen=True, tag=7):
    """A worker that was blocked takes tasks again."""


class Cancel(Message, frozen=True, tag=8):
    """The caller no longer wants this call."""

    id: int
    recursive: bool = True


class Borrow(Message, frozen=True, tag=9):
    """The sender holds a ref to the receiver's object. reply: a number to be acknowledged, 0 for none."""

    id: int
    reply: int = 0


class Unborrow(Message, frozen=True, tag=10):
    """The sender holds that ref no longer."""

    id: int


class Acknowledge(Message, frozen=True, tag=11):
    """The Borrow with this number was entered."""

    reply: int


class Fetch(Message, frozen=True, tag=12):
    """The sender wants this object's value as soon as there is one. lost: the stored place that it could not read."""

    id: int
    lost: str = ""


class Resolved(Message, frozen=True, tag=13):
    """The value of the receiver's borrowed object."""

    id: int
    value: Value
    refs: list[Ref] | None = None


class ArgumentLost(Message, frozen=True, tag=14):
    """The call did not begin: the bytes of its argument stored under this name cannot be had."""

    id: int
    name: str
    reason: str


class Item(Message, frozen=True, tag=15):
    """The next item of a streaming call."""

    id: int
    index: int
    value: Value
    refs: list[Ref] | None = None


class Consumed(Message, frozen=True, tag=16):
    """The reader has taken so many items of a streaming call."""

    id: int
    count: int


class Probe(Message, frozen=True, tag=17):
    """Process origin, in its wait `number`, waits for what the path says, and that for this call of the sender (or for the receiver's object)."""

    origin: str
    number: int
    path: list[str]
    call: int
    object: int


PeerMessage = (
    Define
    | Task
    | Done
    | DoneMany
    | Taken
    | HandBack
    | Resume
    | Cancel
    | Borrow
    | Unborrow
    | Acknowledge
    | Fetch
    | Resolved
    | ArgumentLost
    | Item
    | Consumed
    | Probe
    | Begin
    | Received
)
