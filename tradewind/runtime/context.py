"""Where the calling code runs, and what it was given."""

from __future__ import annotations

import json
from typing import Any

from tradewind.runtime import session
from tradewind.runtime.actor import ActorHandle, handle_of
from tradewind.runtime.messages import cluster
from tradewind.runtime.runtime_env import RuntimeEnv


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

    def get(self) -> dict[str, Any]:
        """Job, node, namespace, and in a task or actor those too."""
        found = {
            "job_id": self.get_job_id(),
            "node_id": self.get_node_id(),
            "namespace": self.namespace,
            "task_id": self.get_task_id(),
            "actor_id": self.get_actor_id(),
        }
        return {name: value for name, value in found.items() if value is not None}

    job_id = property(get_job_id)
    node_id = property(get_node_id)

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

    task_id = property(get_task_id)

    def get_task_name(self) -> str | None:
        """The running call's name: as options say, else the function's, `Class.method` in an actor; None in a driver."""
        executor = self._process.executor
        if executor is None:
            return None
        name = str(executor.current.name)
        return f"{executor.actor.name}.{name}" if executor.actor is not None and "." not in name else name

    def get_task_function_name(self) -> str | None:
        """The module and the name of the running function or method; None in a driver."""
        executor = self._process.executor
        function = executor.functions.running() if executor is not None else None
        return None if function is None else f"{function.__module__}.{function.__qualname__}"

    def get_actor_id(self) -> str | None:
        """The actor that this is; None elsewhere."""
        executor = self._process.executor
        return None if executor is None or executor.actor is None else str(executor.actor.actor)

    actor_id = property(get_actor_id)

    def get_actor_name(self) -> str | None:
        """The name that the actor was given, "" for none; None elsewhere."""
        executor = self._process.executor
        return None if executor is None or executor.actor is None else str(executor.actor.given_name)

    @property
    def current_actor(self) -> ActorHandle:
        """A weak handle to the actor that this is. Raises RuntimeError elsewhere."""
        executor = self._process.executor
        if executor is None or executor.actor is None:
            raise RuntimeError("current_actor is for code that runs in an actor.")
        spec = self._process.head(cluster.DescribeActor(executor.actor.actor)).spec
        if spec is None:
            raise RuntimeError("The actor has ended as far as the cluster knows.")
        return handle_of(spec)

    def get_placement_group_id(self) -> str | None:
        """The placement group that the calling task or actor runs in; None outside of any."""
        executor = self._process.executor
        return (executor.current.group.rstrip("*") or None) if executor is not None else None

    current_placement_group_id = property(get_placement_group_id)

    @property
    def should_capture_child_tasks_in_placement_group(self) -> bool:
        """True when tasks that are started here belong to the same placement group."""
        return bool(self._process.scope)

    @property
    def runtime_env(self) -> RuntimeEnv:
        """The environment that tasks started here inherit: env_vars and, where given, working_dir and py_modules."""
        around = self._process.environment
        if around is None:
            return RuntimeEnv()
        modules = [path for path in around.paths if path != around.cwd]
        return RuntimeEnv(
            env_vars=dict(around.env_vars) or None, working_dir=around.cwd or None, py_modules=modules or None
        )

    def get_runtime_env_string(self) -> str:
        """As runtime_env, as JSON."""
        return json.dumps(self.runtime_env)

    def get_node_labels(self) -> dict[str, str]:
        """The labels of this node."""
        node = self._process.node
        views = self._process.head(cluster.ListNodes()).nodes
        return next((dict(view.labels) for view in views if view.node == node), {})

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

    def get_resource_ids(self) -> dict[str, list[str]]:
        """As get_accelerator_ids."""
        return self.get_accelerator_ids()

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


def get_gpu_ids() -> list[str]:
    """The numbers of the GPUs that the calling task or actor holds; [] in a driver."""
    return get_runtime_context().get_accelerator_ids()["GPU"]
