"""The one seam to every cloud: a narrow async protocol. Each cloud's folder implements it; capabilities beyond it are types of their own.

Nothing here decides. A provider carries out one call, says what the cloud answered, and translates the cloud's error into a `Blocked`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.spec.machine import DiskTier, NetworkTier

InstanceState = Literal["PENDING", "RUNNING", "STOPPED", "TERMINATED"]
LeaveOut = Callable[[str, bool], bool]  # (path below the source, whether it is a directory) -> whether it is not copied
Told = Callable[[int, int], None]  # of a copy: so many bytes more are to come, so many have gone
# "type": the offer's type in its zone (its region, where it has none); "family": the types that share a quota with it, in its region
Scope = Literal["type", "zone", "family", "region", "cloud"]
Kind = Literal["capacity", "quota", "price", "permission", "image", "request", "throttle", "transient", "fatal"]


class LaunchRequest(msgspec.Struct, frozen=True):
    """One instance to buy. `tags` go on every resource from its creation; `max_hourly_usd` bounds the spot price (USD/hour).

    `ssh_public_key` (one OpenSSH line) lets `ssh_user` in with sudo and no password; `user_data` is the cloud-init document that the instance
    runs at its first boot (it carries the host key that is pinned afterwards). `ssh_cidrs` are the networks that may reach port 22.
    `disk_gib` 0 means the provider's default for the image, `disk_tier` None its ordinary disk; `network_tier` "best" the fastest network that the
    machine has. `image` is the cloud's name of what to boot, ""
    ours; `labels` are the person's own and go where the tags go.
    """

    instance_id: str  # ours, chosen before the call
    cluster: str
    rank: int
    offer: Offer
    use_spot: bool
    max_hourly_usd: float
    tags: Mapping[str, str]
    lease_until_unix: float
    ssh_public_key: str = ""
    ssh_user: str = "tradewind"
    user_data: str = ""
    ssh_cidrs: tuple[str, ...] = ("0.0.0.0/0",)
    disk_gib: int = 0
    disk_tier: DiskTier | None = None
    network_tier: NetworkTier | None = None
    image: str = ""
    labels: Mapping[str, str] = {}


class Instance(msgspec.Struct, frozen=True):
    """An instance as its cloud describes it now. `provider_id` is the cloud's name for it, `address` where its peers reach it.

    `public_address` is where we reach it when that is another address; `zone` is where a regional offer came to stand.
    """

    instance_id: str
    provider_id: str
    state: InstanceState
    address: str
    tags: Mapping[str, str]
    reason: str = ""  # why it ended, when the cloud says ("spot reclaim", "killed")
    public_address: str = ""
    zone: str = ""


class Blocked(msgspec.Struct, frozen=True):
    """A refusal, classified: what it covers, why in one sentence, and the Unix second until which trying again is useless."""

    kind: Kind
    scope: Scope
    why: str
    until_unix: float


class ProviderError(Exception):
    """A call to a cloud failed. `classify` of the same provider turns it into a `Blocked`.

    `at_the_door` says of a launch that the cloud turned it away before it heard anything of it, so that nothing was bought.
    """

    def __init__(self, cloud: str, code: str, message: str) -> None:
        super().__init__(cloud, code, message)
        self.at_the_door = False
        self.cloud, self.code, self.message = cloud, code, message

    def __str__(self) -> str:
        return f"{self.cloud} refused: {self.message} ({self.code})"


class RunResult(msgspec.Struct, frozen=True):
    """A command that ran on an instance: its exit code (negative: the signal) and output."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Transport(Protocol):
    """A connection to one instance: SSH on clouds, direct on this machine. Closing it ends nothing that was started detached."""

    async def run(self, argv: Sequence[str], *, env: Mapping[str, str] = {}, timeout_s: float = 60) -> RunResult:
        """Run a command on the instance to its end."""

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str] = {}, log: str) -> None:
        """Start a command that outlives this connection, its output appended to the file `log` on the instance."""

    async def put(
        self, source: str, target: str, *, leave_out: LeaveOut | None = None, told: Told | None = None
    ) -> None:
        """Make the local file or directory `source` stand at `target` on the instance; only what differs is copied, and `told` how far it is.

        `target` is relative to the instance's home unless absolute. What an earlier put placed there and the source has lost, or now leaves
        out, is removed; what jobs made there stays.
        """

    async def open(self, socket_path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a unix socket on the instance."""

    @property
    def home(self) -> str:
        """The instance's home directory."""

    @property
    def python(self) -> str:
        """An interpreter on the instance that can import tradewind ("" until bootstrap has made one)."""

    async def close(self) -> None:
        """Drop the connection."""


class Provider(Protocol):
    """A cloud. Methods raise `ProviderError`; every one may be called again with the same arguments without doing more than once."""

    name: str

    async def check(self) -> str:
        """Say in one sentence what works; raise ProviderError when nothing would."""

    async def launch(self, request: LaunchRequest, token: str) -> Instance:
        """Buy one instance; a second call with the same token returns the first one's instance."""

    async def describe(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every instance that carries all of `tags`, ended ones that the cloud still lists included."""

    async def stop(self, provider_id: str) -> None:
        """Stop without deleting (not every provider can)."""

    async def start(self, provider_id: str) -> None:
        """Start what was stopped."""

    async def terminate(self, provider_id: str) -> None:
        """End the instance and remove all it had; done already is fine."""

    async def connect(self, instance: Instance) -> Transport:
        """A transport to a running instance."""

    async def open_ports(self, provider_ids: Sequence[str], ports: Sequence[int]) -> None:
        """Let the world reach these ports."""

    async def lease(self, provider_id: str, until_unix: float) -> None:
        """Move the cloud's own outer cap on the instance's life, where it has one."""

    def classify(self, error: ProviderError) -> Blocked:
        """What the error covers, and for how long."""


class Watching(Protocol):
    """A provider that hears of an instance's end at once, without polling."""

    async def watch(self, instance: Instance) -> str:
        """Return, as soon as the instance has ended, why it did."""


class Rehearsing(Protocol):
    """A provider whose spot market is played: instances are taken when the caller says so."""

    async def reclaim_at(self, provider_id: str, at_unix: float) -> None:
        """Take the instance, without notice, at that second (Unix time)."""


class Zoned(Protocol):
    """A provider that can say which zones of a regional offer it would try, so that a gang is kept in one."""

    async def zones(self, offer: Offer) -> list[str]:
        """The zones of the offer's region that sell its type to this account, in the order in which to try them; [] if it has no zones."""


class Limited(Protocol):
    """A provider that knows its account's quotas before anything is bought."""

    async def headroom(self, offers: Sequence[Offer], *, use_spot: bool) -> list[int | None]:
        """How many instances of each offer the account's quotas still allow in that market; None where no quota is known to apply."""


class HostKeyed(Protocol):
    """A provider that reads an instance's SSH host keys over the cloud's own API, for images that take none at first boot."""

    async def host_keys(self, provider_id: str) -> list[str]:
        """The instance's host keys as OpenSSH public key lines; [] while it has not published them."""


@runtime_checkable
class Batching(Protocol):
    """A provider that ends many instances with fewer calls than it takes one by one."""

    async def terminate_all(self, provider_ids: Sequence[str]) -> dict[str, ProviderError]:
        """Each of them has ended as by `terminate`, but for those refused: their refusals, by provider id."""


class Sweeping(Protocol):
    """A provider whose launches leave more than instances: what they made besides is found by tag and removed on its own."""

    async def leftovers(self, tags: Mapping[str, str], *, but_of: Collection[str] = ()) -> list[str]:
        """The cloud's names of every resource besides instances that carries all of `tags`, those of the clusters `but_of` left out.

        What it costs in calls does not grow with the number of clusters.
        """

    async def sweep(self, tags: Mapping[str, str]) -> list[str]:
        """Remove every resource that carries all of `tags` and serves no instance; returns the cloud's names of those removed."""
