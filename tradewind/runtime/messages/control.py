"""Between a process and its node daemon, over the one stream that may also carry file descriptors (`fds` says how many)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from tradewind.runtime.messages.cluster import HeadAnswer, HeadQuestion, Row
from tradewind.runtime.messages.values import Death, Shape, Stored, Value
from tradewind.runtime.wire import Message

PROTOCOL = 2


# process -> node daemon
class Hello(Message, frozen=True, tag=1):
    """A driver joins. sys_path and cwd are what its workers start with, when the node has no working directory of its own."""

    protocol: int
    python: str
    pid: int
    cwd: str
    sys_path: list[str]
    main: str


class RequestLease(Message, frozen=True, tag=2):
    """`count` workers of this shape are wanted in all for this request number; a later message with the same number changes the count."""

    request: int
    shape: Shape
    count: int


class ReturnLease(Message, frozen=True, tag=3):
    lease: int


class Blocked(Message, frozen=True, tag=4):
    """The sender's task waits for something; its CPUs may be used by others."""


class Unblocked(Message, frozen=True, tag=5):
    """The sender's task runs again, at once, even if that means more than there is for a moment."""


class Connect(Message, frozen=True, tag=6):
    """Answered by Connected, Died or Unreachable. again: there was a link, and it broke."""

    process: str
    again: bool = False


class WhyDied(Message, frozen=True, tag=7):
    """Answered by Died as soon as the reason is known."""

    process: str


class TakeExtent(Message, frozen=True, tag=8):
    """Answered by Extent."""

    request: int
    size: int


class GiveExtent(Message, frozen=True, tag=9):
    offset: int
    size: int


class Seal(Message, frozen=True, tag=10):
    """The bytes at this place of the sender's extent are now an object."""

    stored: Stored


class Free(Message, frozen=True, tag=11):
    """No ref is left: the object's bytes may go as soon as no process reads them."""

    stored: Stored


class Open(Message, frozen=True, tag=12):
    """Answered by Opened: the object is in this node's arena and stays while the sender has it open."""

    request: int
    stored: Stored


class Close(Message, frozen=True, tag=13):
    name: str


class KillProcess(Message, frozen=True, tag=14):
    process: str
    reason: str


class Ask(Message, frozen=True, tag=15):
    """A question for the head, answered by Answer with the same number (0: no answer wanted)."""

    request: int
    body: HeadQuestion


class ActorReady(Message, frozen=True, tag=16):
    """The actor's constructor has run; error is its exception, serialized, or b""."""

    actor: str
    error: bytes = b""


class ExitIntended(Message, frozen=True, tag=17):
    """The sender ends now because its user code asked for it."""

    reason: str


class Evicted(Message, frozen=True, tag=18):
    """Answers Evict. granted: the sender reads the object through Open from now on."""

    name: str
    granted: bool


class Described(Message, frozen=True, tag=19):
    """Answers Describe."""

    number: int
    rows: list[Row]


ToNode = (
    Hello
    | RequestLease
    | ReturnLease
    | Blocked
    | Unblocked
    | Connect
    | WhyDied
    | TakeExtent
    | GiveExtent
    | Seal
    | Free
    | Open
    | Close
    | KillProcess
    | Ask
    | ActorReady
    | ExitIntended
    | Evicted
    | Described
)


# node daemon -> process
class Welcome(Message, frozen=True, tag=1):
    """The first message to any process. With the arena's descriptor."""

    fds: ClassVar[int] = 1
    process: str
    node: str
    job: str
    arena_bytes: int
    shared_filesystem: bool


class Granted(Message, frozen=True, tag=2):
    """A lease on a worker; the link to it was or will be delivered as Connected."""

    request: int
    lease: int
    process: str
    pid: int
    node: str
    accelerators: list[str] | None = None


class Refused(Message, frozen=True, tag=3):
    """No node can ever fulfil this request."""

    request: int
    reason: str


class Revoke(Message, frozen=True, tag=4):
    """Somebody waits: idle leases should go back at once."""


# What the receiver is on a link: nothing special on one inside the node, else a side of a TLS handshake that is still to be made.
PLAIN, TLS_CLIENT, TLS_SERVER = range(3)


class Connected(Message, frozen=True, tag=5):
    """A link to this process. With its descriptor."""

    fds: ClassVar[int] = 1
    process: str
    role: int = PLAIN


class AlreadyConnected(Message, frozen=True, tag=6):
    process: str


class Died(Message, frozen=True, tag=7):
    death: Death


class Extent(Message, frozen=True, tag=8):
    """offset -1: the arena is full, and reason says of what."""

    request: int
    offset: int
    size: int
    reason: str = ""


class Opened(Message, frozen=True, tag=9):
    """offset -1: the object could not be had, for this reason. full: it exists, and there is no room to read it in."""

    request: int
    offset: int
    reason: str = ""
    full: bool = False


class Answer(Message, frozen=True, tag=10):
    request: int
    body: HeadAnswer


class Output(Message, frozen=True, tag=11):
    """Lines that workers of this driver printed."""

    lines: list[str]
    error: bool


class NodeLost(Message, frozen=True, tag=12):
    node: str
    reason: str


class BecomeActor(Message, frozen=True, tag=13):
    """The receiver is now this actor."""

    actor: str
    name: str
    code: bytes
    args: Value
    slots: list[tuple[int | str, Value]]
    max_concurrency: int
    resources: dict[str, float]
    accelerators: list[str] | None
    job: str
    restarts: int
    concurrency_groups: dict[str, int] = msgspec.field(default_factory=dict)
    group: str = ""  # as in peer.Define
    namespace: str = ""  # as in peer.Define
    given_name: str = ""


class Exit(Message, frozen=True, tag=14):
    """The receiver ends when what it has been sent before is done, and nobody needs its objects if that is said."""

    reason: str
    when_unneeded: bool = False


class Evict(Message, frozen=True, tag=15):
    """May the receiver's object leave memory? Answered by Evicted."""

    name: str


class Describe(Message, frozen=True, tag=16):
    """The receiver's rows of this kind, please."""

    number: int
    kind: str


class Yield(Message, frozen=True, tag=17):
    """Another job's turn: the lease should go back when what its worker was sent is done."""

    lease: int


class LinkKeys(Message, frozen=True, tag=18):
    """What proves to processes of other nodes that the receiver is one of the cluster; before the first link to one of them.

    PEM; the certificate's name is server_name, which is no node's: with it nobody passes for a node daemon or the head.
    """

    server_name: str
    authority: bytes
    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"LinkKeys({self.server_name!r}, ...)"


class CutOff(Message, frozen=True, tag=19):
    """The others took this node for dead: no link to a process of another node is good any more."""

    reason: str


class Unreachable(Message, frozen=True, tag=20):
    """No link to the process could be made for a long time, though its node is a member of the cluster."""

    process: str
    reason: str


FromNode = (
    Welcome
    | Granted
    | Refused
    | Revoke
    | Connected
    | AlreadyConnected
    | Died
    | Extent
    | Opened
    | Answer
    | Output
    | NodeLost
    | BecomeActor
    | Exit
    | Evict
    | Describe
    | Yield
    | LinkKeys
    | CutOff
    | Unreachable
)
