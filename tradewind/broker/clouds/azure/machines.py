"""Azure's virtual machines: made, found, stopped, started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tradewind.broker.clouds.azure import errors, machine, naming
from tradewind.broker.clouds.azure.errors import refusal
from tradewind.broker.clouds.azure.images import Image
from tradewind.broker.clouds.azure.operations import WAIT_S, Operations
from tradewind.broker.clouds.azure.session import Session
from tradewind.broker.clouds.blocking import all_done
from tradewind.broker.clouds.tags import carries
from tradewind.broker.clouds.turns import Turns
from tradewind.broker.provider import Instance, ProviderError

# Contributor: may delete the group that it is given for, and nothing outside (learn.microsoft.com/azure/role-based-access-control/built-in-roles).
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"


class Machines:
    """The virtual machines of one subscription."""

    def __init__(self, session: Session, operations: Operations) -> None:
        self._session, self._operations = session, operations
        self._may_assign = True

    async def make(self, group: str, name: str, body: Mapping[str, Any], token: str, image: Image) -> Instance:
        """The machine that this token buys, bought now or before, running, with its drivers.

        Raises:
            ProviderError: Azure refused, at once or while it was made; nothing of the machine is left then.
        """
        method = self._session.compute().virtual_machines.begin_create_or_update
        try:
            # exactly one attempt, and only if there is none of that name
            started = await self._operations.begin(
                method, group, name, body, headers={"If-None-Match": "*"}, retry_total=0
            )
        except ProviderError as error:
            if not errors.is_ambiguous(error) or await self._mine(group, name, token) is None:
                raise
            await self._settled(group, name, token)
        else:
            try:
                await self._operations.done(started)
            except ProviderError as error:
                if error.code != "TIME_OUT":
                    await self.delete(group, name)
                raise
        seen = await self._mine(group, name, token)
        if seen is None:
            raise refusal(
                "VANISHED",
                f"the machine {name} was made and is gone again; if it was spot, it was evicted while starting",
            )
        await all_done(self._install_drivers(group, name, image, seen.location), self._let_it_end_itself(seen))
        return await self.read_in_group(group, seen)

    async def get(self, group: str, name: str) -> Any | None:
        """The machine as Azure describes it; None if there is none of that name."""
        client = self._session.compute()
        return await errors.unless_gone(
            self._session.call(lambda: client.virtual_machines.get(group, name, expand="instanceView"))
        )

    async def find(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every listed machine of ours that carries the tags. Three calls, however many there are."""
        seen = await self._session.call(
            lambda: list(self._session.compute().virtual_machines.list_all(expand="instanceView"))
        )
        ours = [m for m in seen if naming.ID_TAG in (m.tags or {}) and carries(m.tags, tags)]
        if not ours:
            return []
        interfaces, public = await asyncio.gather(
            self._session.call(lambda: list(self._session.network().network_interfaces.list_all())),
            self._session.call(lambda: list(self._session.network().public_ip_addresses.list_all())),
        )
        addresses = machine.Addresses(interfaces, public)
        return [instance for m in ours if (instance := machine.read(m, addresses)) is not None]

    async def read_in_group(self, group: str, seen: Any) -> Instance:
        """The machine as ours, with its addresses. Raises ProviderError if it is none of ours."""
        interfaces, public = await asyncio.gather(
            self._session.call(lambda: list(self._session.network().network_interfaces.list(group))),
            self._session.call(lambda: list(self._session.network().public_ip_addresses.list(group))),
        )
        instance = machine.read(seen, machine.Addresses(interfaces, public))
        if instance is None:
            raise refusal("TOKEN_MISMATCH", f"the machine {seen.name} in {group} was not launched by tradewind")
        return instance

    async def stop(self, group: str, name: str) -> None:
        """The machine is deallocated: its disk is kept and paid for, the machine is not."""
        await self._operations.carry_out(self._session.compute().virtual_machines.begin_deallocate, group, name)

    async def start(self, group: str, name: str) -> None:
        """The machine runs again."""
        await self._operations.carry_out(self._session.compute().virtual_machines.begin_start, group, name)

    async def delete(self, group: str, name: str) -> None:
        """The machine is gone, with its interface, address and disk."""
        method = self._session.compute().virtual_machines.begin_delete
        await errors.unless_gone(self._operations.carry_out(method, group, name, force_deletion=True))

    async def _mine(self, group: str, name: str, token: str) -> Any | None:
        """The machine of that name; None if there is none. Raises ProviderError when another token bought it."""
        seen = await self.get(group, name)
        if seen is not None and (seen.tags or {}).get(naming.TOKEN_TAG) != naming.token_mark(token):
            raise refusal("TOKEN_MISMATCH", f"a machine {name} stands in {group} and was launched with another token")
        return seen

    async def _settled(self, group: str, name: str, token: str) -> None:
        """The machine that an earlier call bought is made. Raises ProviderError, and leaves nothing, if its making failed."""
        late = refusal("TIME_OUT", f"the machine {name} was still being made after {WAIT_S:.0f} s")
        async for _ in Turns(self._session.settings.poll_interval_s, within_s=WAIT_S, late=late):
            seen = await self._mine(group, name, token)
            if seen is None:
                return
            if (failure := machine.failure_of(seen)) is not None:
                await self.delete(group, name)
                raise refusal(*failure)
            if str(seen.properties.provisioning_state) not in ("Creating", "Updating"):
                return

    async def _install_drivers(self, group: str, name: str, image: Image, region: str) -> None:
        """The accelerator's drivers are installed, where the image comes without. Nothing of the machine is left if that fails."""
        if not image.driver:
            return
        method = self._session.compute().virtual_machine_extensions.begin_create_or_update
        try:
            await self._operations.carry_out(method, group, name, image.driver, machine.driver_extension(image, region))
        except ProviderError:
            await self.delete(group, name)
            raise

    async def _let_it_end_itself(self, seen: Any) -> None:
        """The machine's identity may delete its own group, if we may allow that: a lease that runs out ends it without us."""
        identity = seen.identity
        if identity is None or not identity.principal_id or not self._may_assign:
            return
        scope = seen.id.partition("/providers/")[0]
        role = f"{self._session.scope()}/providers/Microsoft.Authorization/roleDefinitions/{CONTRIBUTOR}"

        def assign() -> None:
            from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters

            parameters = RoleAssignmentCreateParameters(
                role_definition_id=role, principal_id=identity.principal_id, principal_type="ServicePrincipal"
            )
            name = naming.assignment_name(scope, identity.principal_id)
            self._session.access().role_assignments.create(scope, name, parameters)

        try:
            await self._session.call(assign)
        except ProviderError as error:
            if error.code == "RoleAssignmentExists":
                return
            if errors.classify(error, 0).kind != "permission":
                raise
            self._may_assign = False  # `tradewind check azure` says so, and what that costs
