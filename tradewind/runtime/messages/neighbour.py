"""Between two node daemons."""

from __future__ import annotations

from tradewind.runtime.messages.conversation import Begin, Received
from tradewind.runtime.messages.values import Death, Shape, Stored
from tradewind.runtime.wire import Message


class Greet(Message, frozen=True, tag=1):
    """First message on a link between daemons."""

    protocol: int
    token: bytes
    node: str
    # As in NodeView.
    life: int = 0


class AskWorker(Message, frozen=True, tag=2):
    """A worker of this shape for a process of the sender's node; answered by OfferWorker."""

    request: int
    shape: Shape
    job: str
    process: str
    job_node: str
    sys_path: list[str]


class OfferWorker(Message, frozen=True, tag=3):
    """lease 0: not now."""

    request: int
    lease: int
    process: str = ""
    pid: int = 0
    accelerators: list[str] | None = None


class DropLease(Message, frozen=True, tag=4):
    lease: int


class AskDeath(Message, frozen=True, tag=5):
    process: str


class TellDeath(Message, frozen=True, tag=6):
    death: Death


class Pull(Message, frozen=True, tag=7):
    """Bytes [start, start + length) of a stored object, please."""

    request: int
    stored: Stored
    start: int
    length: int


class Chunk(Message, frozen=True, tag=8):
    """data b"" with a reason: the object is not there."""

    request: int
    start: int
    data: bytes
    reason: str = ""


class FreeThere(Message, frozen=True, tag=9):
    stored: Stored


class Lines(Message, frozen=True, tag=10):
    job: str
    lines: list[str]
    error: bool


class KillThere(Message, frozen=True, tag=11):
    process: str
    reason: str


class YieldLease(Message, frozen=True, tag=12):
    """The worker of this lease is wanted back when its call is done."""

    lease: int


class DropCopy(Message, frozen=True, tag=13):
    """The object is no more: a copy of it is of no use either."""

    name: str


class ExpectLink(Message, frozen=True, tag=14):
    """A process of the sender's node is about to come to the receiver's port with this number; answered by LinkExpected."""

    number: bytes
    to_process: str
    from_process: str


class LinkExpected(Message, frozen=True, tag=15):
    """expected False: the process is gone."""

    number: bytes
    expected: bool


NodeToNode = (
    Greet
    | AskWorker
    | OfferWorker
    | DropLease
    | AskDeath
    | TellDeath
    | Pull
    | Chunk
    | FreeThere
    | Lines
    | KillThere
    | YieldLease
    | DropCopy
    | ExpectLink
    | LinkExpected
    | Begin
    | Received
)
