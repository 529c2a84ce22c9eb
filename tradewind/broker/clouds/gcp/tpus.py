"""Single-host TPU VMs of Cloud TPU: made, found, stopped, started, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.broker.clouds.gcp import errors, images, machine, naming
from tradewind.broker.clouds.gcp.errors import refusal
from tradewind.broker.clouds.gcp.operations import WAIT_S, Operations
from tradewind.broker.clouds.gcp.session import CALL_TIMEOUT_S, Session
from tradewind.broker.clouds.tags import carries
from tradewind.broker.clouds.turns import Turns
from tradewind.broker.provider import Instance, LaunchRequest, ProviderError


class Tpus:
    """The TPU nodes of one project. An account that never enabled the API has none."""

    def __init__(self, session: Session, operations: Operations) -> None:
        self._session, self._operations = session, operations
        self._disabled = False

    async def make(self, request: LaunchRequest, token: str, name: str, zone: str) -> Instance:
        """The node that this token buys, bought now or before.

        Raises:
            ProviderError: Cloud TPU refused, at once or when the operation failed; nothing of the node is left then.
        """
        node = images.tpu_node(request.offer)
        if isinstance(node, str):
            raise refusal("UNSUPPORTED_SLICE", node)
        if request.image or request.disk_gib or request.disk_tier:
            raise refusal(
                "NOT_AS_ASKED", "TPU VMs have Google's disk and image; remove disk_size, disk_tier and image_id"
            )
        self._disabled = False
        resource = machine.tpu_resource(request, token, name, node, self._session.settings)

        def create() -> Any:
            from google.cloud import tpu_v2

            ask = tpu_v2.CreateNodeRequest(parent=self._place(zone), node_id=name, node=resource)
            return self._session.tpus().create_node(ask, retry=None, timeout=CALL_TIMEOUT_S).operation

        try:
            operation = await self._session.call(create)
        except ProviderError as error:
            if not (errors.exists_already(error) or errors.is_ambiguous(error)):
                raise
            # Cloud TPU has no request id: the name, which is made from ours, is what makes a launch happen once
            if (found := await self._settled(zone, name, token)) is not None:
                return found
            raise
        try:
            await self._operations.done_tpu(operation)
        except ProviderError as error:
            if error.code != "TIME_OUT" and await self._mine(zone, name, token) is not None:
                await self.delete(zone, name)
            raise
        made = await self._mine(zone, name, token)
        if made is None:
            raise refusal("VANISHED", f"the TPU node {name} in {zone} was made and is gone again")
        return made

    async def get(self, zone: str, name: str) -> Any | None:
        """The node as Cloud TPU describes it; None if there is none of that name."""
        return await errors.unless_gone(
            self._session.call(
                lambda: self._session.tpus().get_node(
                    name=self._path(zone, name), retry=self._session.retry(), timeout=CALL_TIMEOUT_S
                )
            )
        )

    async def find(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every listed node of ours that carries the tags. Cloud TPU's lists take no filter: the whole project's nodes are read."""
        if self._disabled:
            return []
        try:
            seen = await self._session.call(
                lambda: list(
                    self._session.tpus().list_nodes(
                        parent=self._place("-"), retry=self._session.retry(), timeout=CALL_TIMEOUT_S
                    )
                )
            )
        except ProviderError as error:
            if error.code not in ("SERVICE_DISABLED", "accessNotConfigured"):
                raise
            self._disabled = True
            return []
        found = [machine.read_node(node) for node in seen]
        return [instance for instance in found if instance is not None and carries(instance.tags, tags)]

    async def stop(self, zone: str, name: str) -> None:
        """The node is stopped and keeps its disk."""
        if (seen := await self.get(zone, name)) is not None and seen.state.name in ("STOPPED", "STOPPING"):
            return
        await self._order("stop_node", {"name": self._path(zone, name)})

    async def start(self, zone: str, name: str) -> None:
        """The node runs again."""
        if (seen := await self.get(zone, name)) is not None and seen.state.name in ("READY", "STARTING"):
            return
        await self._order("start_node", {"name": self._path(zone, name)})

    async def delete(self, zone: str, name: str) -> None:
        """The node is gone."""
        await errors.unless_gone(self._order("delete_node", {"name": self._path(zone, name)}))

    async def host_keys(self, zone: str, name: str) -> list[str]:
        """What the guest agent published under hostkeys/; [] while it has not."""
        found = await self._session.call(
            lambda: self._session.tpus().get_guest_attributes(
                {"name": self._path(zone, name), "query_path": "hostkeys/"},
                retry=self._session.retry(),
                timeout=CALL_TIMEOUT_S,
            )
        )
        return [f"{item.key} {item.value}" for worker in found.guest_attributes for item in worker.query_value.items]

    async def _settled(self, zone: str, name: str, token: str) -> Instance | None:
        """The node of that name once it is no longer being made, so that a second call learns of a late refusal as the first one does."""
        late = refusal("TIME_OUT", f"the TPU node {name} in {zone} was still being made after {WAIT_S:.0f} s")
        async for _ in Turns(self._session.settings.poll_interval_s, within_s=WAIT_S, late=late):
            found = await self._mine(zone, name, token)
            if found is None or found.state != "PENDING":
                return found
        raise late

    async def _mine(self, zone: str, name: str, token: str) -> Instance | None:
        seen = await self.get(zone, name)
        if seen is None:
            return None
        if machine.token_of_node(seen) != naming.token_mark(token):
            raise refusal("TOKEN_MISMATCH", f"a TPU node {name} stands in {zone} and was launched with another token")
        return machine.read_node(seen)

    async def _order(self, method: str, ask: Mapping[str, Any]) -> None:
        operation = await self._session.call(
            lambda: (
                getattr(self._session.tpus(), method)(
                    ask, retry=self._session.retry(), timeout=CALL_TIMEOUT_S
                ).operation
            )
        )
        await self._operations.done_tpu(operation)

    def _place(self, zone: str) -> str:
        return f"projects/{self._session.project}/locations/{zone}"

    def _path(self, zone: str, name: str) -> str:
        return f"{self._place(zone)}/nodes/{name}"
