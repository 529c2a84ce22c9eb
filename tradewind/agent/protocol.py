"""The wire between broker and agent: frames, requests, replies and agent events. The only module of the agent that the broker imports.

A connection is a byte stream that already stands for an authenticated peer: the agent's unix socket (0600, peer's uid checked), reached
directly on this machine or through an SSH connection. A frame is a 4-byte little-endian length and that many bytes of MessagePack. The broker
sends `Call` frames; the agent answers each with one `Reply` of the same id, except that `Subscribe` and `ReadLog` (with `follow`) stream
`Item` frames of that id before their `Reply`. Ids are chosen by the caller; calls on one connection run concurrently.

Every order is idempotent by the ids it carries (job_id + phase, cluster + incarnation): sent twice it is done once.
"""

from __future__ import annotations

import posixpath
import struct
from typing import Literal

import msgspec

PROTOCOL_VERSION = 1
MAX_FRAME_BYTES = 64 << 20
HEADER = struct.Struct("<I")

Phase = Literal["setup", "run"]
JobState = Literal["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "LOST"]


def agent_socket_path(home: str) -> str:
    """Where the agent of an instance with that home directory listens.

    It may be longer than the 108 bytes that unix(7) allows; both sides then reach it through its directory's descriptor.
    """
    return posixpath.join(home, ".tradewind", "agent", "agent.sock")


# -- orders ---------------------------------------------------------------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, tag=True):
    """First call on a connection. Answered by `Welcome`; a version that differs is refused with an error that says both."""

    protocol_version: int
    tradewind_version: str


class Configure(msgspec.Struct, frozen=True, tag=True):
    """Tell the agent its place in the cluster. `lease_until_unix` is the second (Unix time) at which it ends its own instance.

    `accelerator` and `accelerator_count` are what the offer promises here (logical ones, and only printed, in a rehearsal).
    """

    cluster: str
    rank: int
    node_ips: tuple[str, ...]
    lease_until_unix: float
    accelerator: str = ""
    accelerator_count: float = 0


class StartRuntimeHead(msgspec.Struct, frozen=True, tag=True):
    """Start the runtime's head here (rank 0 only); answered by `RuntimeHead`. A running head of the same incarnation is kept."""

    incarnation: str


class StartRuntimeNode(msgspec.Struct, frozen=True, tag=True):
    """Start a node daemon that joins `head_address`; answered by `RuntimeNode`. `resources` in the runtime's names, memory in bytes."""

    incarnation: str
    head_address: str
    credentials: bytes
    resources: dict[str, float]


class StopRuntime(msgspec.Struct, frozen=True, tag=True):
    """End head and node daemon on this instance, whatever their incarnation. Answered by `Done`."""


class Hook(msgspec.Struct, frozen=True):
    """Shell that runs in the job's environment before its machine goes, for at most `timeout_s` seconds."""

    script: str
    timeout_s: float = 60.0


class StartJob(msgspec.Struct, frozen=True, tag=True):
    """Run one phase of a job on this node as `bash -c script` in the work directory.

    Answered by `Done` once it has started, or after 10 s while a large checkpoint is still coming back. A job's id is used once: after a
    recovery the job goes on under another id with the same `checkpoint_uri`.

    Its end arrives as a `JobEnded` event. `secret_envs` are set like `envs` but never logged or written. `checkpoint_uri` "" means the job
    keeps no checkpoints; else what is stored there for this rank is restored before the run phase starts and synced while it runs.
    `preemption_hooks` run, one after the other, once the cloud has said that it takes the machine.
    """

    job_id: str
    phase: Phase
    script: str
    envs: dict[str, str] = {}
    secret_envs: dict[str, str] = {}
    checkpoint_uri: str = ""
    preemption_hooks: tuple[Hook, ...] = ()


class RunHooks(msgspec.Struct, frozen=True, tag=True):
    """Run these, one after the other, before the machine is stopped or ended. Answered by `Done` once they have ended, however they did."""

    hooks: tuple[Hook, ...]
    envs: dict[str, str] = {}


class CancelJob(msgspec.Struct, frozen=True, tag=True):
    """SIGTERM to every process of the job, SIGKILL after `grace_s` seconds. Answered by `Done` when none is left."""

    job_id: str
    grace_s: float = 5.0


class ListJobs(msgspec.Struct, frozen=True, tag=True):
    """Answered by `Jobs`; with `usage` also by what the running ones use."""

    usage: bool = False


class ReadLog(msgspec.Struct, frozen=True, tag=True):
    """Stream a job's log from byte `offset` as `LogChunk` items, then `LogEnd`.

    With `follow` that comes once the job has ended and all is read, or after `max_bytes`, whichever is first: the reader asks again from the next
    offset when it has dealt with those, so that neither side ever holds more.
    """

    job_id: str
    offset: int = 0
    follow: bool = False
    max_bytes: int = 1 << 20


class StopStream(msgspec.Struct, frozen=True, tag=True):
    """End the `Subscribe` or `ReadLog` of that call id on this connection. Answered by `Done`; the stopped call gets no reply."""

    call_id: int


class Subscribe(msgspec.Struct, frozen=True, tag=True):
    """Stream every `AgentEvent` with seq > `after_seq`, past and future, until the connection closes."""

    after_seq: int = 0


class SyncCheckpoints(msgspec.Struct, frozen=True, tag=True):
    """Copy every complete checkpoint of the job to its store now. Answered by `Done`."""

    job_id: str


class RenewLease(msgspec.Struct, frozen=True, tag=True):
    """Move the lease; answered by `Done`."""

    until_unix: float


class WatchNotices(msgspec.Struct, frozen=True, tag=True):
    """Ask this machine's metadata service every `interval_s` seconds whether the cloud is about to take it. Answered by `Done`.

    Each of `urls` is fetched with `headers`; with `token_url`, a PUT there with `token_request_headers` gives a token that goes into header
    `token_header`. `parser` ("tradewind.broker.clouds.<cloud>.notices:function") names the pure function of (status, body, now in Unix
    seconds) that says how many seconds are left, or None. An announcement is told once, as `Notice`.

    When at most `drain_s` seconds are left, every run phase gets SIGTERM, its hooks run beside that, and what it has kept is synced a last time;
    it ends as LOST. A machine that is still there `overdue_s` seconds after its time says `RuntimeLost`, so that its jobs are started again.
    """

    urls: tuple[str, ...]
    parser: str
    headers: dict[str, str] = {}
    interval_s: float = 5.0
    token_url: str = ""
    token_request_headers: dict[str, str] = {}
    token_header: str = ""
    drain_s: float = 120.0
    overdue_s: float = 60.0


class FindAccelerators(msgspec.Struct, frozen=True, tag=True):
    """Look what accelerators the machine really has. Answered by `Accelerators`."""


class EndInstance(msgspec.Struct, frozen=True, tag=True):
    """Sync checkpoints, end all jobs and the runtime, answer `Done`, exit. The provider then removes the instance."""


Order = (
    Hello
    | Configure
    | StartRuntimeHead
    | StartRuntimeNode
    | StopRuntime
    | StartJob
    | RunHooks
    | CancelJob
    | ListJobs
    | ReadLog
    | StopStream
    | Subscribe
    | SyncCheckpoints
    | RenewLease
    | WatchNotices
    | FindAccelerators
    | EndInstance
)

# -- answers --------------------------------------------------------------------------------------------------------------------------


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """Who answers: instance id, agent process id and start, the lease it holds, the newest event's seq."""

    protocol_version: int
    tradewind_version: str
    instance_id: str
    pid: int
    started_unix: float
    lease_until_unix: float
    last_seq: int


class RuntimeHead(msgspec.Struct, frozen=True, tag=True):
    """The head listens at `address` ("host:port"); `credentials` let nodes join (secret: kept in memory, never in a row or log)."""

    address: str
    credentials: bytes


class RuntimeNode(msgspec.Struct, frozen=True, tag=True):
    """The node daemon's local address ("unix:/path"), exported to jobs as TRADEWIND_ADDRESS."""

    address: str


class Device(msgspec.Struct, frozen=True):
    """One accelerator: its maker's name for it, or for a TPU chip its device file. Memory in GiB, None where it is not told."""

    kind: Literal["gpu", "tpu"]
    name: str
    memory_gib: float | None = None


class Accelerators(msgspec.Struct, frozen=True, tag=True):
    """The devices that answer, and in one clause why there may be others that do not."""

    devices: tuple[Device, ...]
    trouble: str = ""


class JobInfo(msgspec.Struct, frozen=True):
    """One phase of a job on this node. `exit_code` is set when it exited, `signal` when one ended it; times are Unix seconds.

    `checkpoint_uri` is the store of the run phase's checkpoints, "" when it keeps none.
    """

    job_id: str
    phase: Phase
    state: JobState
    exit_code: int | None = None
    signal: int | None = None
    started_unix: float = 0.0
    ended_unix: float | None = None
    log_bytes: int = 0
    checkpoint_uri: str = ""


class Usage(msgspec.Struct, frozen=True):
    """What a job's processes on this node use.

    `cpus`: cores in the mean since the sample before (0 at the first). `memory_gib`: resident, GiB. `accelerators`: of each GPU of the
    node the share of time in which it computes, 0 to 1.
    """

    cpus: float
    memory_gib: float
    processes: int
    accelerators: tuple[float, ...] = ()


class Jobs(msgspec.Struct, frozen=True, tag=True):
    """Every phase of every job; by job id what the running ones use, when that was asked for."""

    jobs: tuple[JobInfo, ...]
    usage: dict[str, Usage] = {}


class LogChunk(msgspec.Struct, frozen=True, tag=True):
    """Bytes of a log starting at `offset`."""

    offset: int
    data: bytes


class LogEnd(msgspec.Struct, frozen=True, tag=True):
    """Sent up to byte `offset`; `ended` says that the job is over and nothing more will come."""

    offset: int
    ended: bool


class Done(msgspec.Struct, frozen=True, tag=True):
    """The order has been carried out."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The order was not carried out: one sentence, and a word that programs branch on; "room" is a full disk, which may pass."""

    message: str
    kind: Literal["version", "request", "state", "internal", "room"] = "request"


Answer = Welcome | RuntimeHead | RuntimeNode | Accelerators | Jobs | LogEnd | Done | Refused

# -- events: past facts, numbered from 1, kept by the agent until its instance ends ----------------------------------------------------


class JobStarted(msgspec.Struct, frozen=True, tag=True):
    job_id: str
    phase: Phase


class JobEnded(msgspec.Struct, frozen=True, tag=True):
    """A phase ended. `last_lines` is the tail of its output (at most 2 KiB) when it failed; `why` it was lost, where the agent knows."""

    job_id: str
    phase: Phase
    state: JobState
    exit_code: int | None = None
    signal: int | None = None
    last_lines: str = ""
    why: str = ""


class RuntimeLost(msgspec.Struct, frozen=True, tag=True):
    """The head or node daemon on this instance died: which, and how."""

    process: Literal["head", "node"]
    why: str


class CheckpointSynced(msgspec.Struct, frozen=True, tag=True):
    """A complete checkpoint (its name within the job's directory) now lies in the store."""

    job_id: str
    name: str
    bytes: int


class Restored(msgspec.Struct, frozen=True, tag=True):
    """Before the run phase: this many checkpoint entries came back from the store; the newest one's name ("" when there were none)."""

    job_id: str
    entries: int
    newest: str


class Notice(msgspec.Struct, frozen=True, tag=True):
    """The cloud says it will take this instance in `seconds_left`."""

    seconds_left: float


class LeaseExpired(msgspec.Struct, frozen=True, tag=True):
    """Nobody renewed the lease: the agent is ending its instance."""


AgentFact = JobStarted | JobEnded | RuntimeLost | CheckpointSynced | Restored | Notice | LeaseExpired


class AgentEvent(msgspec.Struct, frozen=True, tag=True):
    """A numbered fact with the Unix second it happened."""

    seq: int
    unix: float
    fact: AgentFact


# -- frames ---------------------------------------------------------------------------------------------------------------------------


class Call(msgspec.Struct, frozen=True, tag=True, array_like=True):
    id: int
    order: Order


class Item(msgspec.Struct, frozen=True, tag=True, array_like=True):
    id: int
    body: LogChunk | AgentEvent


class Reply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    id: int
    answer: Answer


_encoder = msgspec.msgpack.Encoder()
_call_decoder = msgspec.msgpack.Decoder(Call)
_answer_decoder: msgspec.msgpack.Decoder[Item | Reply] = msgspec.msgpack.Decoder(Item | Reply)


def encode_frame(frame: Call | Item | Reply) -> bytes:
    """The frame's bytes, header included.

    Raises:
        ValueError: the frame is larger than MAX_FRAME_BYTES.
    """
    body = _encoder.encode(frame)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return HEADER.pack(len(body)) + body


def decode_call(body: bytes) -> Call:
    """A frame body sent by the broker. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _call_decoder.decode(body)


def decode_answer(body: bytes) -> Item | Reply:
    """A frame body sent by the agent. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _answer_decoder.decode(body)
