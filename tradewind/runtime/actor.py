"""Actors: classes whose instances live in a process of their own, and the handles to them."""

from __future__ import annotations

import inspect
import secrets
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, overload

from tradewind.runtime import exceptions, object_ref, serialization, session
from tradewind.runtime.core.dispatch import Call
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.values import Method
from tradewind.runtime.object_ref import ObjectRef
from tradewind.runtime.options import ACTOR_OPTIONS, METHOD_OPTIONS, STREAMING, check_options, requested
from tradewind.runtime.scheduling import by_address, check_bundle, effective, group_text, shape_of
from tradewind.runtime.signatures import Arity, Parameters, parameters_of

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    C = TypeVar("C", default=Any)
else:
    from typing import TypeVar

    C = TypeVar("C")
F = TypeVar("F", bound=Callable[..., Any])
_OWN_METHODS = {name: Method() for name in ("__ray_ready__", "__ray_terminate__", "__ray_call__")}


@overload
def method(function: F, /) -> F: ...
@overload
def method(**options: Any) -> Callable[[F], F]: ...
def method(*bare: Callable[..., Any], **options: Any) -> Any:
    """The decorated actor method has these options, e.g. num_returns=2: `@method` or `@method(num_returns=2)`. Raises ValueError."""
    if bare:
        if len(bare) != 1 or options or not callable(bare[0]):
            raise ValueError("method() takes options by name: @method(num_returns=2).")
        return bare[0]
    check_options(options, METHOD_OPTIONS, "An actor method")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__tradewind_method__ = options  # type: ignore[attr-defined]
        return function

    return decorate


def _with(base: Method, options: Mapping[str, Any]) -> Method:
    """The method's way of being called, with these options on top."""
    returns = options.get("num_returns", base.returns)
    retry = options.get("retry_exceptions", base.retry_exceptions)
    if not isinstance(retry, (bool, bytes)):
        retry = serialization.serialize(tuple(retry or ())).to_bytes() if retry else False
    return Method(
        STREAMING if returns == "streaming" else base.returns if returns is None else returns,
        max(0, options.get("_generator_backpressure_num_objects", base.ahead) or 0),
        options.get("max_task_retries", base.max_task_retries),
        retry,
        options.get("concurrency_group") or base.concurrency_group,
        base.parameters,
    )


class ActorMethod:
    """`handle.method`, whose `.remote()` calls it."""

    __slots__ = ("_call_name", "_handle", "_method", "_name")

    def __init__(self, handle: ActorHandle, name: str, how: Method, call_name: str = "") -> None:
        self._handle = handle
        self._name = name
        self._method = how
        self._call_name = call_name

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """A ref to the call's result, or num_returns refs. Raises PendingCallsLimitExceeded, TypeError for what cannot be pickled."""
        return self._handle._call(  # noqa: SLF001  public names of a handle are the user's methods
            self._name, args, kwargs, self._method, self._call_name
        )

    def options(self, **options: Any) -> ActorMethod:
        """The same method with other options. Raises ValueError for one that does not exist or makes no sense."""
        check_options(options, METHOD_OPTIONS, "An actor method")
        return ActorMethod(
            self._handle, self._name, _with(self._method, options), options.get("name") or self._call_name
        )

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise TypeError(f"{self._name} is a method of an actor; call {self._name}.remote(...).")


class ActorHandle(Generic[C]):
    """Calls the methods of one actor. Strong handles keep the actor alive; those of get_actor() and an actor's own do not."""

    def __init__(
        self,
        actor_id: str,
        class_name: str,
        methods: Mapping[str, Method],
        ordered: bool,
        max_task_retries: int,
        ref: ObjectRef | None,
        max_pending_calls: int = -1,
    ) -> None:
        self._actor_id = actor_id
        self._class_name = class_name
        self._methods = methods
        self._ordered = ordered
        self._max_task_retries = max_task_retries
        self._ref = ref
        self._max_pending_calls = max_pending_calls
        self._bound: object | None = None
        self._target: Any = None
        self._arities: dict[str, Arity] = {}

    def __getattr__(self, name: str) -> ActorMethod:
        how = self.__dict__.get("_methods", {}).get(name) or _OWN_METHODS.get(name)
        if how is None:
            raise AttributeError(f"The actor class {self.__dict__.get('_class_name', '?')} has no method {name!r}.")
        return ActorMethod(self, name, how)

    def _call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], how: Method, call_name: str) -> Any:
        process = object_ref.bound
        if process is None or process is not self._bound:
            process = self._bind()
        arity = self._arities.get(name)
        if arity is None:
            arity = self._arities[name] = Arity(f"{self._class_name}.{name}", how.parameters)
        if kwargs or not arity.least <= len(args) <= arity.most:
            arity.check(args, kwargs)
        return process.actors.call(self._target, name, args, kwargs, how, self._ref, call_name)

    def _bind(self) -> Any:
        process = session.process()
        self._target = process.actors.target(
            self._actor_id,
            self._class_name,
            ordered=self._ordered,
            max_task_retries=self._max_task_retries,
            max_pending_calls=self._max_pending_calls,
        )
        self._bound = process
        return process

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorHandle, (
            self._actor_id,
            self._class_name,
            dict(self._methods),
            self._ordered,
            self._max_task_retries,
            self._ref,
            self._max_pending_calls,
        )

    if not TYPE_CHECKING:

        def __class_getitem__(cls, item):  # noqa: ANN001, ANN204  the checkers have Generic's
            """For annotations: `ActorHandle[Counter]`."""
            return types.GenericAlias(cls, (item,))

    def __dir__(self) -> list[str]:
        return sorted(self._methods)

    def __repr__(self) -> str:
        return f"Actor({self._class_name}, {self._actor_id})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorHandle) and self._actor_id == other._actor_id

    def __hash__(self) -> int:
        return hash(self._actor_id)


class ActorClassInheritanceException(TypeError):  # noqa: N818  Ray's name
    """A class was derived from an actor class."""


class ActorClass(Generic[C]):
    """A class whose `.remote()` starts an instance as an actor."""

    def __init__(self, kind: type[C], options: Mapping[str, Any]) -> None:
        check_options(options, ACTOR_OPTIONS, "An actor")
        requested(options, 0.0)
        if options.get("get_if_exists") and not options.get("name"):
            raise ValueError("get_if_exists needs the actor's name: options(name=..., get_if_exists=True).")
        self._kind = kind
        self._options = dict(options)
        self.__name__ = kind.__name__
        self.__doc__ = kind.__doc__
        self.__wrapped__ = kind
        self._code: bytes | None = None
        self._code_for: object | None = None

    def __getattr__(self, name: str) -> Any:
        # What the class itself has, a constant for instance; its methods are the handles'.
        kind = self.__dict__.get("_kind")
        if kind is None or name.startswith("__"):
            raise AttributeError(name)
        return getattr(kind, name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise ActorClassInheritanceException(
            f"A class cannot be derived from the actor class {self.__name__}; derive it from the plain class, which is "
            f"{self.__name__}.__wrapped__, and make that an actor class in turn."
        )

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise TypeError(f"{self.__name__} is an actor class; start one with {self.__name__}.remote(...).")

    def options(self, **options: Any) -> ActorClass[C]:
        """The same class with other options."""
        return ActorClass(self._kind, {**self._options, **options})

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorClass, (self._kind, self._options)

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle[C]:
        """A handle to an actor that is being started. Raises ValueError when its name is taken, TypeError for what cannot be pickled."""
        process = session.process()
        options = self._options
        Arity(self.__name__, parameters_of(self._kind)).check(args, kwargs)
        name = options.get("name") or ""
        namespace = options.get("namespace") or process.namespace
        lifetime = options.get("lifetime")
        if name:
            existing = process.head(cluster.FindActor(name, namespace)).spec
            if existing is not None:
                if options.get("get_if_exists"):
                    return handle_of(existing)
                raise exceptions.ActorAlreadyExistsError(
                    f"An actor named {name!r} is alive in namespace {namespace!r}; use get_actor(), get_if_exists=True or another name."
                )
        call = Call(0, None, b"", 1)
        call.name = f"{self.__name__}.__init__"
        call.method = "__init__"
        process.arguments.prepare(call, args, kwargs)
        spec = self._spec(process, name, namespace, detached=lifetime == "detached")
        with process.lock:
            key = process.table.create()
            process.table.entries[key].value = b""
            if not spec.detached:
                process.table.entries[key].on_free = lambda: process.actors.out_of_scope(spec.actor)
            # The constructor's arguments are needed again when the actor is restarted.
            process.table.entries[key].inner = call.holds
        ref = ObjectRef(key, process.release)
        handle = handle_of(spec, ref)
        target = process.actors.target(
            spec.actor,
            spec.class_name,
            ordered=spec.ordered,
            max_task_retries=spec.max_task_retries,
            max_pending_calls=spec.max_pending_calls,
        )
        if not process.actors.create(spec, call, target, get_if_exists=bool(options.get("get_if_exists"))):
            # Somebody else was faster.
            return self.remote(*args, **kwargs)
        return handle

    def _spec(self, process: Any, name: str, namespace: str, *, detached: bool) -> cluster.ActorSpec:
        options = self._options
        if self._code is None or self._code_for is not process:
            if process.by_value:
                serialization.carry_modules_by_value()
            serialized = serialization.serialize(self._kind)
            process.forever.extend(serialized.refs)
            self._code = serialized.to_bytes()
            self._code_for = process
        members = dict(inspect.getmembers(self._kind, callable))
        methods = {
            key: _with(
                Method(
                    STREAMING if inspect.isgeneratorfunction(member) or inspect.isasyncgenfunction(member) else 1,
                    parameters=_parameters(self._kind, key, member),
                ),
                getattr(member, "__tradewind_method__", {}),
            )
            for key, member in members.items()
            if not key.startswith("__") or _is_own(self._kind, key)
        }
        is_async = any(
            inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member) for member in members.values()
        )
        groups = _groups(self._kind.__name__, options.get("concurrency_groups"), members)
        held = requested(options, 0.0)
        if options.get("num_cpus") is None and any(
            options.get(name) for name in ("num_gpus", "resources", "accelerator_type")
        ):
            held = requested(options, 1.0)
        placed = held if held or options.get("num_cpus") is not None else {"CPU": 1.0}
        if options.get("num_cpus") is None and "CPU" not in placed:
            placed = {**placed, "CPU": 1.0}
        strategy = by_address(placed, effective(options, process), process)
        held = {name: amount for name, amount in held.items() if not name.startswith("node:") or name in placed}
        check_bundle(strategy, placed)
        return cluster.ActorSpec(
            actor=secrets.token_hex(8),
            class_name=self._kind.__name__,
            code=self._code,
            args=b"",
            slots=[],
            placement=shape_of(placed, strategy, options, process),
            resources=held,
            owner="" if detached else process.address,
            job=process.job,
            name=name,
            namespace=namespace,
            max_restarts=options.get("max_restarts") or 0,
            max_task_retries=options.get("max_task_retries") or 0,
            max_concurrency=options.get("max_concurrency") or 1,
            ordered=not is_async
            and not groups
            and (options.get("max_concurrency") or 1) == 1
            and not options.get("allow_out_of_order_execution"),
            methods=methods,
            detached=detached,
            concurrency_groups=groups,
            group=group_text(strategy),
            job_namespace=process.namespace,
            max_pending_calls=options.get("max_pending_calls") or -1,
        )


def _is_own(kind: type, name: str) -> bool:
    """True for a method with underscores around its name that a user's class defines and that can be called from outside."""
    return name != "__init__" and inspect.isfunction(inspect.getattr_static(kind, name, None))


def _parameters(kind: type, name: str, member: Any) -> Parameters | None:
    is_method = inspect.isfunction(member) and not isinstance(inspect.getattr_static(kind, name, None), staticmethod)
    return parameters_of(member, method=is_method)


def _groups(name: str, given: Any, members: Mapping[str, Any]) -> dict[str, int]:
    """The concurrency groups. Raises ValueError for a size below one and for a method whose group does not exist."""
    groups = dict(given or {})
    for group, size in groups.items():
        if not isinstance(size, int) or size < 1:
            raise ValueError(
                f"The concurrency group {group!r} of {name} has size {size!r}; it must be a number from 1."
            )
    for key, member in members.items():
        group = getattr(member, "__tradewind_method__", {}).get("concurrency_group")
        if group and group not in groups:
            raise ValueError(
                f"{name}.{key} is of concurrency group {group!r}, and {name} has {sorted(groups) or 'none'}."
            )
    return groups


def handle_of(spec: cluster.ActorSpec, ref: ObjectRef | None = None) -> ActorHandle:
    """A handle to the actor, weak without the ref that keeps it alive."""
    return ActorHandle(
        spec.actor, spec.class_name, spec.methods, spec.ordered, spec.max_task_retries, ref, spec.max_pending_calls
    )


def get_actor(name: str, namespace: str | None = None) -> ActorHandle:
    """A handle to the living actor of that name. Raises ValueError when there is none."""
    if not name:
        raise ValueError("get_actor() was given no name.")
    process = session.process()
    where = namespace or process.namespace
    spec = process.head(cluster.FindActor(name, where)).spec
    if spec is None:
        raise ValueError(
            f"No actor named {name!r} is alive in namespace {where!r}; it may have ended, or live in another namespace."
        )
    return handle_of(spec)


def exit_actor() -> None:
    """Ends the actor that calls it, after this call and without a restart. Raises TypeError outside an actor."""
    process = object_ref.bound
    if process is None or process.executor is None or process.executor.actor is None:
        raise TypeError("exit_actor() was called outside an actor.")
    from tradewind.runtime.core.replies import ActorExit

    raise ActorExit
