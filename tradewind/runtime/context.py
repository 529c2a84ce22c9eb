"""Where the calling code runs, and what it was given."""

from __future__ import annotations

from typing import Any

from tradewind.runtime import session


class RuntimeContext:
    """The calling driver, task or actor."""

    def __init__(self, process: Any) -> None:
        self._process = process

    def get_node_id(self) -> str:
        """The node's name in the cluster."""
        return str(self._process.node)

    def get_job_id(self) -> str:
        """The driver that all this work is for."""
        return str(self._process.job)

    def get_worker_id(self) -> str:
        """This process's name in the cluster."""
        return str(self._process.address)

    @property
    def namespace(self) -> str:
        """Where names of actors are looked up."""
        return str(self._process.namespace)

    def get_task_id(self) -> str | None:
        """The running call's name; None in a driver."""
        executor = self._process.executor
        if executor is None or executor.current.task is None:
            return None
        return f"{executor.current.sender.address}:{executor.current.task.id:x}"

    def get_task_name(self) -> str | None:
        """The running function's name; None in a driver."""
        executor = self._process.executor
        return None if executor is None else executor.current.name

    def get_actor_id(self) -> str | None:
        """The actor that this is; None elsewhere."""
        executor = self._process.executor
        return None if executor is None or executor.actor is None else str(executor.actor.actor)

    def get_actor_name(self) -> str | None:
        """The actor's class; None elsewhere."""
        executor = self._process.executor
        return None if executor is None or executor.actor is None else str(executor.actor.name)

    def get_assigned_resources(self) -> dict[str, float]:
        """What the running task or actor holds; {} in a driver."""
        executor = self._process.executor
        return {} if executor is None else dict(executor.current.resources)

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        """The numbers of the accelerators held."""
        executor = self._process.executor
        if executor is None:
            return {"GPU": []}
        held = (
            executor.actor.accelerators
            if executor.actor is not None
            else executor.current.task.accelerators
            if executor.current.task
            else None
        )
        return {"GPU": list(held or [])}

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """True in an actor that has been restarted."""
        executor = self._process.executor
        return executor is not None and executor.actor is not None and executor.actor.restarts > 0

    def is_canceled(self) -> bool:
        """True when the running call's caller has cancelled it."""
        executor = self._process.executor
        return (
            executor is not None
            and executor.current.task is not None
            and executor.is_cancelled(executor.current.task.id)
        )


def get_runtime_context() -> RuntimeContext:
    """The context of the calling code; init() is called when there is no cluster yet."""
    return RuntimeContext(session.process())
