"""Functions that run as tasks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, overload

from tradewind.runtime import object_ref, session
from tradewind.runtime.core.calls import CallOptions
from tradewind.runtime.options import DEFAULT_MAX_RETRIES, TASK_OPTIONS, check_options, requested
from tradewind.runtime.scheduling import by_address, check_bundle, effective, group_text, shape_of
from tradewind.runtime.signatures import Arity, parameters_of

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T_co = TypeVar("T_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)
_ANY = Arity("", None)


class RemoteFunction(Generic[T_co]):
    """A function whose `.remote()` runs it somewhere in the cluster, and gives what the type parameter says: a ref, as a rule.

    Its arguments may be refs in place of values, which no type tells; they are checked when it is called.
    """

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        check_options(options, TASK_OPTIONS, "A task")
        requested(options, 1.0)
        self._function = function
        self._options = dict(options)
        self._bound: object | None = None
        self._scope = ""
        self._call_options: CallOptions | None = None
        self._arity = _ANY
        functools.update_wrapper(self, function)

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        name = self._function.__name__
        raise TypeError(
            f"{name} is a remote function; call {name}.remote(...), or the plain function as {name}.__wrapped__(...)."
        )

    def remote(self, *args: Any, **kwargs: Any) -> T_co:
        """A ref, or num_returns refs, of a call that runs as soon as there is room. Raises TypeError for wrong arguments and what cannot be pickled."""
        process = object_ref.bound
        if process is None or process is not self._bound or process.scope != self._scope:
            process = self._bind()
        arity = self._arity
        if kwargs or not arity.least <= len(args) <= arity.most:
            arity.check(args, kwargs)
        options = self._call_options
        assert options is not None
        return process.calls.submit(options, args, kwargs)  # type: ignore[return-value]  # remote() knows what the options make of it

    def _bind(self) -> Any:
        process = session.process()
        options = self._options
        resources = requested(options, 1.0)
        name = options.get("name") or self._function.__qualname__
        returns = options.get("num_returns")
        if returns is None:
            returns = "streaming" if inspect.isgeneratorfunction(self._function) else 1
        ahead = -1
        dynamic = returns == "dynamic"
        if dynamic or returns == "streaming":
            ahead = 0 if dynamic else max(0, options.get("_generator_backpressure_num_objects") or 0)
        retries = options.get("max_retries")
        strategy = by_address(resources, effective(options, process), process)
        check_bundle(strategy, resources)
        shape = shape_of(resources, strategy, options, process)
        self._call_options = CallOptions(
            process.leasing.group(shape),
            process.calls.function(
                self._function, name, resources, options.get("max_calls") or 0, group_text(strategy)
            ),
            name,
            returns if isinstance(returns, int) else 1,
            DEFAULT_MAX_RETRIES if retries is None else retries,
            options.get("retry_exceptions") or False,
            ahead,
            dynamic,
        )
        if self._arity is _ANY:
            self._arity = Arity(getattr(self._function, "__name__", name), parameters_of(self._function))
        self._bound = process
        self._scope = process.scope
        return process

    @overload
    def options(self, *, num_returns: Any, **options: Any) -> RemoteFunction[Any]: ...
    @overload
    def options(self, **options: Any) -> RemoteFunction[T_co]: ...
    def options(self, **options: Any) -> RemoteFunction[Any]:
        """The same function with other options."""
        made: RemoteFunction[Any] = RemoteFunction(self._function, {**self._options, **options})
        made._arity = self._arity
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {"_function": self._function, "_options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_function"], state["_options"])  # type: ignore[misc]

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFunction, (self._function, self._options)
