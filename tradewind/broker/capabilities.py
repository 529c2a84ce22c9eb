"""What some providers can say beyond `Provider`: why they would not work, how a reclaim is announced, what an instance printed while booting.

The capabilities that a launch itself needs (zones, quotas, leftovers) stand beside `Provider`. Who can what is asked with isinstance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from tradewind.broker.provider import Instance


class Finding(msgspec.Struct, frozen=True):
    """One thing a check looked at: whether it works, the permission that is missing by the cloud's name, and the command that mends it."""

    what: str
    ok: bool
    why: str = ""
    permission: str = ""
    mend: str = ""


class NoticeSource(msgspec.Struct, frozen=True):
    """How an instance asks its own metadata service whether it is about to be taken: what to fetch, and the parser that reads the answer.

    With `token_url`, a PUT there with `token_request_headers` gives a token that goes into header `token_header` of every request.
    `parser` names the pure function (status, body, now in Unix seconds) -> seconds left or None.
    """

    urls: tuple[str, ...]
    headers: Mapping[str, str]
    parser: str
    interval_s: float
    token_url: str = ""
    token_request_headers: Mapping[str, str] = {}
    token_header: str = ""


class Login(msgspec.Struct, frozen=True):
    """How a person logs in to an instance: `host_key` alone is accepted there, as one line of known_hosts without the host.

    Without a host key the person's known_hosts decides; user and file "" and port 0 are what their own SSH configuration says. `home` is where
    the instance's files are, below the login user's home; "" when it is that one.
    """

    host: str
    port: int
    user: str
    identity_file: str
    host_key: str
    home: str = ""


@runtime_checkable
class Entered(Protocol):
    """A provider whose instances have an sshd that boot scripts of ours did not make."""

    async def login(self, provider_id: str) -> Login:
        """Where its sshd is. Raises ProviderError where this instance has none."""


@runtime_checkable
class Unstoppable(Protocol):
    """A provider some of whose instances cannot be stopped and started again."""

    def why_not_stop(self, *, use_spot: bool) -> str:
        """The reason, as a clause, for an instance of that market; "" when it can be. Calls nobody."""


@runtime_checkable
class Lending(Protocol):
    """A provider of machines that belong to a person and are lent: no one but the machine itself can say what runs on it, and none costs."""

    async def write_off(self, provider_id: str) -> None:
        """The instance's machine is not asked for it any more; its lease has run out, so that whoever takes the machine next clears what is left."""


@runtime_checkable
class Lined(Protocol):
    """A provider with connections of its own to the instances' machines."""

    def lines_to(self, provider_id: str) -> int:
        """How many it has to the instance's machine now, besides those that `connect` handed out."""


@runtime_checkable
class Hearing(Protocol):
    """A cloud that tells whether it let anything of a call in."""

    @property
    def heard(self) -> int:
        """How many calls it did anything with but turn away who made them, since the provider was made."""


@runtime_checkable
class Regional(Protocol):
    """A cloud that is asked region by region; naming the regions saves a call to each of the others."""

    async def describe_in(self, regions: Sequence[str], tags: Mapping[str, str]) -> list[Instance]:
        """As `describe`, in these regions only."""


@runtime_checkable
class Checking(Protocol):
    """A cloud that can say which permission is missing."""

    async def report(self) -> tuple[Finding, ...]:
        """Everything that was looked at, good or bad; raises nothing."""


@runtime_checkable
class Console(Protocol):
    """A cloud that keeps what an instance prints while it boots."""

    async def console(self, provider_id: str) -> str:
        """The last of it (at most 64 KiB); "" while there is none."""


@runtime_checkable
class Noticing(Protocol):
    """A cloud that warns an instance before taking it."""

    notice_source: NoticeSource


@runtime_checkable
class Explaining(Protocol):
    """A cloud that remembers why an instance ended after it has stopped listing it."""

    async def why_ended(self, provider_id: str) -> str:
        """One sentence, with the time where the cloud says it; "" when it does not know."""
