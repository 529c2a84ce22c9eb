"""The calls of the runtime, named as Ray names them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar, overload

from tradewind.runtime import session
from tradewind.runtime.actor import ActorClass, ActorHandle
from tradewind.runtime.core.streams import ObjectRefGenerator
from tradewind.runtime.messages import cluster
from tradewind.runtime.object_ref import ObjectRef
from tradewind.runtime.remote_function import RemoteFunction
from tradewind.runtime.scheduling import address_resource

C = TypeVar("C")
R = TypeVar("R")
W = TypeVar("W")


def init(
    address: str | None = None,
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    resources: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
    object_store_memory: int | None = None,
    namespace: str | None = None,
    ignore_reinit_error: bool = False,
    log_to_driver: bool | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    include_dashboard: bool | None = None,
    logging_level: Any = None,
    configure_logging: bool = True,
    logging_format: str | None = None,
    logging_config: Any = None,
    dashboard_host: str | None = None,
    dashboard_port: int | None = None,
    local_mode: bool = False,
) -> RuntimeContextInfo:
    """This process is a driver: of the cluster at address or in TRADEWIND_ADDRESS, else of a one-node cluster that ends with it.

    object_store_memory is in bytes. runtime_env may hold env_vars, working_dir and py_modules. The dashboard and logging arguments are accepted
    as Ray's programs pass them and change nothing. Raises RuntimeError when called twice, ConnectionError when nobody answers at the address,
    ValueError for local_mode and for what a node cannot have, TypeError for an argument of the wrong type.
    """
    _check_init(address, namespace, num_cpus, num_gpus, resources, labels, object_store_memory)
    del include_dashboard, dashboard_host, dashboard_port
    del logging_level, logging_format, logging_config, configure_logging
    if local_mode:
        raise ValueError(
            "There is no local_mode; to debug a remote function in this process call it as f.__wrapped__(...)."
        )
    made = session.begin(
        address,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        resources=resources,
        labels=labels,
        object_store_memory=object_store_memory,
        namespace=namespace,
        ignore_reinit_error=ignore_reinit_error,
        runtime_env=runtime_env,
        log_to_driver=log_to_driver is not False,
    )
    return RuntimeContextInfo(node_id=made.process.node, namespace=made.namespace)


def _check_init(
    address: Any, namespace: Any, num_cpus: Any, num_gpus: Any, resources: Any, labels: Any, object_store_memory: Any
) -> None:
    for name, text in (("address", address), ("namespace", namespace)):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"init() was given {name}={text!r}; it must be text.")
    if namespace == "":
        raise ValueError('init() was given namespace=""; leave it out for a namespace of its own.')
    amounts = {"num_cpus": num_cpus, "num_gpus": num_gpus, "object_store_memory": object_store_memory}
    for name, given in (("resources", resources), ("labels", labels)):
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f"init() was given {name}={given!r}; it must be a dict.")
        if not all(isinstance(key, str) for key in given or {}):
            raise TypeError(f"init() was given {name}={given!r}; its names must be text.")
    if not all(isinstance(value, str) for value in (labels or {}).values()):
        raise TypeError(f"init() was given labels={labels!r}; their values must be text.")
    amounts |= {f"resources[{name!r}]": amount for name, amount in (resources or {}).items()}
    for name, amount in amounts.items():
        if amount is None:
            continue
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise TypeError(f"init() was given {name}={amount!r}; it must be a number.")
        if not 0 <= amount < math.inf:
            raise ValueError(f"init() was given {name}={amount!r}; it must be zero or more, and finite.")
    for name in {"CPU", "GPU"} & set(resources or {}):
        raise ValueError(f"init() was given resources with {name!r}; give it as num_{name.lower()}s.")


class RuntimeContextInfo(dict[str, str]):
    """What init() tells: the node and the namespace. Leaves the cluster when used as a context manager."""

    @property
    def address_info(self) -> dict[str, str]:
        """The same, under Ray's name."""
        return dict(self)

    @property
    def dashboard_url(self) -> str:
        """There is no web dashboard: ""."""
        return ""

    def disconnect(self) -> None:
        """As shutdown()."""
        shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        shutdown()


def shutdown(*, wait_for_processes: bool = True, _exiting_interpreter: bool = False) -> None:
    """This process is no driver any more; a cluster of its own is gone, processes and all. Without a session nothing happens."""
    del wait_for_processes, _exiting_interpreter  # they are always waited for
    session.end()


def is_initialized() -> bool:
    """True when remote calls can be made without another init()."""
    return session.is_initialized()


class MakesRemote(Protocol):
    """What `remote(...)` with options makes of a function or a class."""

    @overload
    def __call__(self, target: type[C], /) -> ActorClass[C]: ...  # type: ignore[overload-overlap]  # a class is a function too
    @overload
    def __call__(self, target: Callable[..., R], /) -> RemoteFunction[ObjectRef[R]]: ...


class MakesMany(Protocol):
    """The same where `num_returns` says how many refs a call gives."""

    def __call__(self, target: Callable[..., Any], /) -> RemoteFunction[Any]: ...


@overload
def remote(target: type[C], /) -> ActorClass[C]: ...  # type: ignore[overload-overlap]  # a class is a function too
@overload
def remote(target: Callable[..., Iterator[Any]], /) -> RemoteFunction[ObjectRefGenerator]: ...  # type: ignore[overload-overlap]  # the narrower of two functions
@overload
def remote(target: Callable[..., R], /) -> RemoteFunction[ObjectRef[R]]: ...
@overload
def remote(*, num_returns: Any, **options: Any) -> MakesMany: ...
@overload
def remote(**options: Any) -> MakesRemote: ...
def remote(*args: Any, **options: Any) -> Any:
    """Makes a function a remote function and a class an actor class: `@remote`, or `@remote(num_cpus=2)`. Raises TypeError for anything else."""
    if args:
        if len(args) != 1 or options:
            raise TypeError("remote() takes a function or class, or options by name: @remote or @remote(num_cpus=2).")
        return _make_remote(args[0], {})
    return lambda target: _make_remote(target, options)


def _make_remote(target: Any, options: Mapping[str, Any]) -> Any:
    if inspect.isclass(target):
        return ActorClass(target, options)
    if callable(target):
        if inspect.iscoroutinefunction(target):
            raise ValueError(
                f"{target.__qualname__} is async; a task must be a plain function, an actor may have async methods."
            )
        return RemoteFunction(target, options)
    raise TypeError(f"remote() was given a {type(target).__name__}; it makes functions and classes remote.")


@overload
def get(object_refs: ObjectRef[R], *, timeout: float | None = None, _use_object_store: bool = False) -> R: ...
@overload
def get(
    object_refs: Sequence[ObjectRef[R]], *, timeout: float | None = None, _use_object_store: bool = False
) -> list[R]: ...
@overload
def get(object_refs: Any, *, timeout: float | None = None, _use_object_store: bool = False) -> Any: ...
def get(object_refs: Any, *, timeout: float | None = None, _use_object_store: bool = False) -> Any:
    """The value of a ref, or the values of a list of them, in its order.

    Raises what the call raised (of the user's class and RayTaskError both), GetTimeoutError after timeout seconds, ValueError for what is neither a
    ref nor a list, TypeError for a list with something else in it.
    """
    refs = object_refs
    process = session.process()
    if type(refs) is ObjectRef:
        return process.objects.get((refs,), timeout)[0]
    if not isinstance(refs, (list, tuple)):
        raise ValueError(f"get() was given a {type(refs).__name__}; it takes an ObjectRef or a list of them.")  # noqa: TRY004  Ray raises so too
    for ref in refs:
        if type(ref) is not ObjectRef:
            raise TypeError(
                f"get() was given a list with a {type(ref).__name__} in it; every item must be an ObjectRef."
            )
    return process.objects.get(refs, timeout) if refs else []


def put(value: R) -> ObjectRef[R]:
    """A ref to a copy of the value that any task or actor can read.

    Raises TypeError for what cannot be pickled and for a ref, ObjectStoreFullError.
    """
    return session.process().objects.put(value)


def wait(
    ray_waitables: Sequence[W], *, num_returns: int = 1, timeout: float | None = None, fetch_local: bool = True
) -> tuple[list[W], list[W]]:
    """(ready, not ready), as soon as num_returns are ready or timeout seconds have passed.

    With fetch_local a value is ready once its bytes are on this node. A generator among the refs is ready when its next item is, or its end.
    Raises ValueError for a list with a ref twice, a num_returns that is not between 1 and its length, and a negative timeout.
    """
    refs = ray_waitables
    if isinstance(refs, (ObjectRef, ObjectRefGenerator)):
        raise TypeError("wait() takes a list of refs, not a single one.")
    if not isinstance(refs, (list, tuple)):
        raise TypeError(f"wait() was given a {type(refs).__name__}; it takes a list of refs.")
    listed = list(refs)
    for ref in listed:
        if not isinstance(ref, (ObjectRef, ObjectRefGenerator)):
            raise TypeError(
                f"wait() was given a list with a {type(ref).__name__} in it; every item must be an ObjectRef."
            )
    if not listed:
        return [], []
    if timeout is not None and timeout < 0:
        raise ValueError(f"timeout is {timeout:g}; it cannot be negative.")
    if len({ref.key if type(ref) is ObjectRef else id(ref) for ref in listed}) != len(listed):
        raise ValueError("wait() was given the same ref twice.")
    if not 1 <= num_returns <= len(listed):
        raise ValueError(f"num_returns is {num_returns}; it must be between 1 and the number of refs ({len(listed)}).")
    return session.process().waiting.wait(listed, int(num_returns), timeout, fetch_local=fetch_local)


def kill(actor: ActorHandle, *, no_restart: bool = True) -> None:
    """The actor is being ended at once; with no_restart=False it may come back as its max_restarts says."""
    if not isinstance(actor, ActorHandle):
        raise ValueError(f"kill() takes an actor handle, not a {type(actor).__name__}; use cancel() for a task.")  # noqa: TRY004  Ray raises so too
    session.process().head(cluster.KillActor(actor._actor_id, "it was killed with kill()", no_restart))  # noqa: SLF001  public names of a handle are the user's methods


def cancel(ray_waitable: ObjectRef | ObjectRefGenerator, *, force: bool = False, recursive: bool = True) -> None:
    """The call's result is TaskCancelledError unless it has one already; a running task gets KeyboardInterrupt, with force its worker is killed."""
    ref = ray_waitable
    if isinstance(ref, ObjectRefGenerator):
        ref = ref.completed()
    if not isinstance(ref, ObjectRef):
        raise TypeError(f"cancel() takes an ObjectRef, not a {type(ref).__name__}; use kill() for an actor.")
    session.process().calls.cancel(ref, force=force, recursive=recursive)


def nodes() -> list[dict[str, Any]]:
    """Every living node: NodeID, Alive, NodeManagerAddress, NodeManagerHostname, NodeName, Resources, Labels."""
    return [
        {
            "NodeID": view.node,
            "Alive": view.alive,
            "alive": view.alive,
            "NodeManagerAddress": address_resource(view.host).removeprefix("node:"),
            "NodeManagerHostname": view.host,
            "NodeName": view.host,
            "Resources": dict(view.total),
            "Labels": dict(view.labels),
        }
        for view in _views()
    ]


def cluster_resources() -> dict[str, float]:
    """What all nodes have together, and 1 of `node:<address>` for each."""
    return _sum([{**view.total, address_resource(view.host): 1.0} for view in _views()])


def available_resources() -> dict[str, float]:
    """What of it is free, as far as the nodes have told."""
    return {name: amount for name, amount in _sum([view.available for view in _views()]).items() if amount > 0}


def _views() -> list[cluster.NodeView]:
    answer = session.process().head(cluster.ListNodes())
    return list(answer.nodes)


def _sum(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    out: dict[str, float] = {}
    for part in parts:
        for name, amount in part.items():
            out[name] = round(out.get(name, 0.0) + amount, 4)
    return out


def put_named(key: str, value: bytes) -> None:
    """The cluster remembers value under key, until somebody deletes it."""
    session.process().head(cluster.KeyValue("put", key, value))


def get_named(key: str) -> bytes | None:
    """What put_named left under key, or None."""
    entries: dict[str, bytes] = session.process().head(cluster.KeyValue("get", key)).entries
    return entries.get(key)


__all__: list[str] = [
    "available_resources",
    "cancel",
    "cluster_resources",
    "get",
    "init",
    "is_initialized",
    "kill",
    "nodes",
    "put",
    "remote",
    "shutdown",
    "wait",
]
