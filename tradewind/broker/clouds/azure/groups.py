"""The resource group of a cluster in a region: made with its network before the first machine, deleted with everything in it after the last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tradewind.broker.clouds.azure import errors, naming, network
from tradewind.broker.clouds.azure.errors import refusal
from tradewind.broker.clouds.azure.operations import Operations
from tradewind.broker.clouds.azure.session import Session
from tradewind.broker.clouds.blocking import all_done
from tradewind.broker.clouds.tags import carries, cluster_of
from tradewind.broker.provider import ProviderError

BEING_DELETED = "ResourceGroupBeingDeleted"
DELETED_WITHIN_S = 600.0


class Groups:
    """The groups of this subscription that are ours. Everything may be asked for again."""

    def __init__(self, session: Session, operations: Operations) -> None:
        self._session, self._operations = session, operations
        self._locks: dict[str, asyncio.Lock] = {}
        self._made: set[str] = set()
        self._launching: dict[str, int] = {}
        self._ending: dict[str, set[str]] = {}

    def lock(self, group: str) -> asyncio.Lock:
        """Held while a group is made or deleted."""
        return self._locks.setdefault(group, asyncio.Lock())

    async def begin(self, group: str, region: str, shared: Mapping[str, str], ssh_cidrs: Sequence[str]) -> None:
        """The group is there with its network and firewall, and stays until `end` has been called as often as this."""
        self._launching[group] = self._launching.get(group, 0) + 1
        try:
            async with self.lock(group):
                if group not in self._made:
                    await self._make(group, region, shared, ssh_cidrs)
                    self._made.add(group)
        except BaseException:
            self.end(group)
            raise

    def forget(self, group: str) -> None:
        """The group is looked at again before the next launch."""
        self._made.discard(group)

    def end(self, group: str) -> None:
        """A launch is over."""
        self._launching[group] -= 1

    async def _make(self, group: str, region: str, shared: Mapping[str, str], ssh_cidrs: Sequence[str]) -> None:
        await self._put(group, {"location": region, "tags": dict(shared)})
        client = self._session.network()
        try:
            # made by an earlier launch? Writing the firewall again would take away the ports that were opened since
            await self._session.call(lambda: client.network_security_groups.get(group, naming.FIREWALL))
            await self._session.call(lambda: client.virtual_networks.get(group, naming.NETWORK))
        except ProviderError as error:
            if not errors.is_gone(error):
                raise
            begin_firewall = client.network_security_groups.begin_create_or_update
            begin_network = client.virtual_networks.begin_create_or_update
            await all_done(
                self._operations.carry_out(
                    begin_firewall, group, naming.FIREWALL, network.firewall(region, shared, ssh_cidrs)
                ),
                self._operations.carry_out(begin_network, group, naming.NETWORK, network.network(region, shared)),
            )

    async def _put(self, group: str, body: Mapping[str, Any]) -> None:
        """The group is there; one of that name that is still being deleted is waited for."""
        deadline = time.monotonic() + DELETED_WITHIN_S
        while True:
            try:
                await self._session.call(
                    lambda: self._session.resources().resource_groups.create_or_update(group, body)
                )
            except ProviderError as error:
                if error.code != BEING_DELETED or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(self._session.settings.poll_interval_s)
            else:
                return

    async def open(self, group: str, ports: Sequence[int]) -> None:
        """The ports are open to the world on the group's machines, beside those that already were."""
        client = self._session.network()
        async with self.lock(group):
            seen = await self._session.call(lambda: client.network_security_groups.get(group, naming.FIREWALL))
            already = network.open_ports(seen)
            if not already.issuperset(ports):
                rule = network.ports_rule([*already, *ports])
                method = client.security_rules.begin_create_or_update
                await self._operations.carry_out(method, group, naming.FIREWALL, network.PORTS_RULE, rule)

    async def remove_machines(self, group: str, machines: Collection[str]) -> None:
        """These machines are gone with all they had; their group too, if no machine stays in it."""
        ending = self._ending.setdefault(group, set())
        going = {name.lower() for name in machines}
        ending |= going
        try:
            if await self._delete_if_all_end(group, ending):
                return
            await all_done(*(self._delete_machine(group, name) for name in machines))
            await self._delete_if_all_end(group, ending)
        finally:
            ending -= going

    async def _delete_if_all_end(self, group: str, ending: Collection[str]) -> bool:
        """Whether the group is gone: not while machines stay in it, or are launched into it."""
        async with self.lock(group):
            inside = await self._inside(group)
            if inside is None:
                return True
            if self._launching.get(group, 0) > 0 or not {name.lower() for name in inside} <= set(ending):
                return False
            await self._delete(group)
            return True

    async def remove_if_empty(self, group: str) -> bool:
        """The group is gone unless machines are in it; whether it was removed."""
        async with self.lock(group):
            if self._launching.get(group, 0) > 0 or await self.machines(group):
                return False
            await self._delete(group)
            return True

    async def machines(self, group: str) -> list[str]:
        """The names of the group's machines; [] if there is no such group."""
        return await self._inside(group) or []

    async def _inside(self, group: str) -> list[str] | None:
        """The names of the group's machines; None if there is no such group."""
        return await errors.unless_gone(
            self._session.call(lambda: [m.name for m in self._session.compute().virtual_machines.list(group)])
        )

    async def listed(self, tags: Mapping[str, str], but_of: Collection[str] = ()) -> list[str]:
        """The names of our groups that carry all of the tags, those of the clusters `but_of` left out."""
        found = await self._session.call(lambda: list(self._session.resources().resource_groups.list()))
        ours = [(g.name, g.tags or {}) for g in found if g.name.startswith(naming.PREFIX)]
        return sorted(name for name, held in ours if carries(held, tags) and cluster_of(held) not in but_of)

    async def _delete_machine(self, group: str, machine: str) -> None:
        method = self._session.compute().virtual_machines.begin_delete
        await errors.unless_gone(self._operations.carry_out(method, group, machine, force_deletion=True))

    async def _delete(self, group: str) -> None:
        """The group and everything in it is gone. The caller holds the lock."""
        self._made.discard(group)
        try:
            await self._operations.carry_out(self._session.resources().resource_groups.begin_delete, group)
        except ProviderError as error:
            if error.code == BEING_DELETED:
                await self._until_gone(group)
            elif not errors.is_gone(error):
                raise

    async def _until_gone(self, group: str) -> None:
        deadline = time.monotonic() + DELETED_WITHIN_S
        while True:
            try:
                await self._session.call(lambda: self._session.resources().resource_groups.get(group))
            except ProviderError as error:
                if errors.is_gone(error):
                    return
                raise
            if time.monotonic() > deadline:
                raise refusal(
                    "TIME_OUT", f"the resource group {group} was still being deleted after {DELETED_WITHIN_S:.0f} s"
                )
            await asyncio.sleep(self._session.settings.poll_interval_s)
