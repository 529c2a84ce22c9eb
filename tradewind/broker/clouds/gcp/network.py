"""The firewall of a cluster: SSH from the given networks, everything among its nodes, nothing else. Names are made from its network tag."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tradewind.broker.clouds.blocking import all_done
from tradewind.broker.clouds.gcp import errors, naming
from tradewind.broker.clouds.gcp.operations import Operations
from tradewind.broker.clouds.gcp.session import CALL_TIMEOUT_S, Session
from tradewind.broker.provider import ProviderError

TRUSTED_S = 300.0  # somebody may have removed rules by hand; making them again costs three refused calls
RULES = ("ssh", "peers", "ports", "closed")


def rules(tag: str, network: str, shared: Mapping[str, str], ssh_cidrs: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rules of a cluster, in compute_v1's field names.

    `closed` shuts what a default network opens to every machine of the project (default-allow-internal, at priority 65534).
    """
    base = {
        "network": f"global/networks/{network}",
        "direction": "INGRESS",
        "target_tags": [tag],
        "description": naming.write_tags(shared),
    }
    yield {
        **base,
        "name": f"{tag}-ssh",
        "priority": 1000,
        "source_ranges": list(ssh_cidrs),
        "allowed": [{"I_p_protocol": "tcp", "ports": ["22"]}],
    }
    yield {
        **base,
        "name": f"{tag}-peers",
        "priority": 1000,
        "source_tags": [tag],
        "allowed": [{"I_p_protocol": protocol} for protocol in ("tcp", "udp", "icmp")],
    }
    yield {
        **base,
        "name": f"{tag}-closed",
        "priority": 1100,
        "source_ranges": ["0.0.0.0/0"],
        "denied": [{"I_p_protocol": "all"}],
    }


def ports_rule(tag: str, network: str, description: str, ports: Sequence[int]) -> dict[str, Any]:
    """The rule that lets the world reach these ports."""
    return {
        "name": f"{tag}-ports",
        "network": f"global/networks/{network}",
        "direction": "INGRESS",
        "target_tags": [tag],
        "description": description,
        "priority": 1000,
        "source_ranges": ["0.0.0.0/0"],
        "allowed": [{"I_p_protocol": "tcp", "ports": [str(port) for port in sorted(set(ports))]}],
    }


class Firewall:
    """The clusters' rules, made before their first instance and removed after their last. Everything may be asked for again."""

    def __init__(self, session: Session, operations: Operations) -> None:
        self._session, self._operations = session, operations
        self._locks: dict[str, asyncio.Lock] = {}
        self._made: dict[str, float] = {}  # when, by this process's monotonic clock
        self._launching: dict[str, int] = {}
        self._launched: dict[str, float] = {}  # when a launch began or ended last

    @staticmethod
    def now() -> float:
        """This moment, for `launched_since`."""
        return time.monotonic()

    def lock(self, tag: str) -> asyncio.Lock:
        """Held while a cluster's rules change."""
        return self._locks.setdefault(tag, asyncio.Lock())

    def in_use(self, tag: str) -> bool:
        """Whether a launch into the cluster is under way here."""
        return self._launching.get(tag, 0) > 0

    def launched_since(self, tag: str, moment: float) -> bool:
        """Whether a launch into the cluster is under way here, or was at that moment or later."""
        return self._launching.get(tag, 0) > 0 or self._launched.get(tag, float("-inf")) >= moment

    async def begin(self, tag: str, shared: Mapping[str, str], ssh_cidrs: Sequence[str]) -> None:
        """The cluster's rules are there, and stay until `end` has been called as often as this."""
        self._launching[tag] = self._launching.get(tag, 0) + 1
        self._launched[tag] = self.now()
        try:
            async with self.lock(tag):
                if time.monotonic() - self._made.get(tag, float("-inf")) > TRUSTED_S:
                    wanted = rules(tag, self._session.settings.network, shared, ssh_cidrs)
                    await all_done(*(self._insert(rule) for rule in wanted))
                    self._made[tag] = time.monotonic()
        except BaseException:
            self.end(tag)
            raise

    def end(self, tag: str) -> None:
        """A launch is over."""
        self._launching[tag] -= 1
        self._launched[tag] = self.now()

    async def open(self, tag: str, ports: Sequence[int]) -> None:
        """The ports are open to the world on the cluster's instances, beside those that already were."""
        name, client = f"{tag}-ports", self._session.compute
        async with self.lock(tag):
            seen = {rule.name: rule for rule in await self.listed() if naming.tag_of(rule.name) == tag}
            if name in seen:
                already = {int(port) for allowed in seen[name].allowed for port in allowed.ports}
                if already.issuperset(ports):
                    return
                rule = ports_rule(tag, self._session.settings.network, seen[name].description, [*already, *ports])
                operation = await self._session.call(
                    lambda: client("FirewallsClient").patch_unary(
                        project=self._session.project,
                        firewall=name,
                        firewall_resource=rule,
                        retry=None,
                        timeout=CALL_TIMEOUT_S,
                    )
                )
                await self._operations.done(operation)
                return
            description = next((rule.description for rule in seen.values()), "{}")
            await self._insert(ports_rule(tag, self._session.settings.network, description, ports))

    async def listed(self) -> list[Any]:
        """Every rule in the project whose name is of our making."""
        project, retry = self._session.project, self._session.retry
        found = await self._session.call(
            lambda: list(
                self._session.compute("FirewallsClient").list(project=project, retry=retry(), timeout=CALL_TIMEOUT_S)
            )
        )
        return [rule for rule in found if naming.tag_of(rule.name)]

    async def remove(self, tag: str, names: Sequence[str] | None = None) -> list[str]:
        """The cluster's rules are gone; returns the names of those that were there. The caller holds the lock."""
        self._made.pop(tag, None)
        asked = names if names is not None else [f"{tag}-{rule}" for rule in RULES]
        gone = await asyncio.gather(*(self._delete(name) for name in asked))
        return [name for name, was_there in zip(asked, gone, strict=True) if was_there]

    async def _insert(self, rule: Mapping[str, Any]) -> None:
        try:
            operation = await self._session.call(
                lambda: self._session.compute("FirewallsClient").insert_unary(
                    project=self._session.project,
                    firewall_resource=rule,
                    retry=self._session.retry(),
                    timeout=CALL_TIMEOUT_S,
                )
            )
            await self._operations.done(operation)
        except ProviderError as error:
            if not errors.exists_already(error):
                raise

    async def _delete(self, name: str) -> bool:
        try:
            operation = await self._session.call(
                lambda: self._session.compute("FirewallsClient").delete_unary(
                    project=self._session.project, firewall=name, retry=self._session.retry(), timeout=CALL_TIMEOUT_S
                )
            )
            await self._operations.done(operation)
        except ProviderError as error:
            if not errors.is_gone(error):
                raise
            return False
        return True
