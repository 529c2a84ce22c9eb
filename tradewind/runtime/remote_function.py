"""Functions that run as tasks, and the options of tasks and actors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tradewind.runtime import object_ref, session
from tradewind.runtime.core.calls import CallOptions
from tradewind.runtime.messages.values import Shape
from tradewind.runtime.runtime_env import environment_of
from tradewind.runtime.scheduling import check_bundle, effective, group_text, strategy_text

TASK_OPTIONS = frozenset(
    {"num_cpus", "num_gpus", "memory", "resources", "num_returns", "max_retries", "retry_exceptions", "name", "scheduling_strategy", "max_calls", "runtime_env", "_generator_backpressure_num_objects"}
)  # fmt: skip
DEFAULT_MAX_RETRIES = 3


def check_options(options: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Raises ValueError for an option that does not exist, with the nearest that does."""
    for name in options:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            raise ValueError(
                f"{what} has no option {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(known))}.")
            )


def requested(options: Mapping[str, Any], default_cpus: float) -> dict[str, float]:
    """The resources that options ask for."""
    cpus = options.get("num_cpus")
    out: dict[str, float] = {"CPU": float(default_cpus if cpus is None else cpus)}
    if options.get("num_gpus"):
        out["GPU"] = float(options["num_gpus"])
    if options.get("memory"):
        out["memory"] = float(options["memory"])
    for name, amount in (options.get("resources") or {}).items():
        if name in {"CPU", "GPU", "memory"}:
            raise ValueError(
                f"resources={{{name!r}: ...}} is given as num_cpus, num_gpus or memory, not as a custom resource."
            )
        out[name] = float(amount)
    for name, amount in out.items():
        if amount < 0:
            raise ValueError(f"The request for {name} is {amount:g}; it cannot be negative.")
    return {name: amount for name, amount in out.items() if amount}


def _max_calls(options: Mapping[str, Any]) -> int:
    given = options.get("max_calls") or 0
    if not isinstance(given, int) or given < 0:
        raise ValueError(f"max_calls is {given!r}; it must be a number of calls, 0 for no limit.")
    return given


class RemoteFunction:
    """A function whose `.remote()` runs it somewhere in the cluster."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        check_options(options, TASK_OPTIONS, "A task")
        self._function = function
        self._options = dict(options)
        self._bound: object | None = None
        self._scope = ""
        self._call_options: CallOptions | None = None
        functools.update_wrapper(self, function)

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        name = self._function.__name__
        raise TypeError(
            f"{name} is a remote function; call {name}.remote(...), or the plain function as {name}.__wrapped__(...)."
        )

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """A ref, or num_returns refs, of a call that runs as soon as there is room. Raises TypeError for what cannot be pickled."""
        process = object_ref.bound
        if process is None or process is not self._bound or process.scope != self._scope:
            process = self._bind()
        options = self._call_options
        assert options is not None
        return process.calls.submit(options, args, kwargs)

    def _bind(self) -> Any:
        process = session.process()
        options = self._options
        resources = requested(options, 1.0)
        name = options.get("name") or self._function.__qualname__
        returns = options.get("num_returns", "streaming" if inspect.isgeneratorfunction(self._function) else 1)
        ahead = -1
        dynamic = returns == "dynamic"
        if dynamic or returns == "streaming":
            returns, ahead = 1, 0 if dynamic else max(0, int(options.get("_generator_backpressure_num_objects") or 0))
        if not isinstance(returns, int) or returns < 0:
            raise ValueError(
                f"num_returns is {returns!r}; it must be a number, zero or more, 'dynamic' or 'streaming'."
            )
        retries = options.get("max_retries", DEFAULT_MAX_RETRIES)
        strategy = effective(options.get("scheduling_strategy"), process)
        check_bundle(strategy, resources)
        around = environment_of(options.get("runtime_env"), process.environment, process.packages)
        shape = Shape(resources, strategy_text(strategy), around)
        self._call_options = CallOptions(
            process.leasing.group(shape),
            process.calls.function(self._function, name, resources, _max_calls(options), group_text(strategy)),
            name,
            returns,
            retries,
            options.get("retry_exceptions", False),
            ahead,
            dynamic,
        )
        self._bound = process
        self._scope = process.scope
        return process

    def options(self, **options: Any) -> RemoteFunction:
        """The same function with other options."""
        return RemoteFunction(self._function, {**self._options, **options})

    def __getstate__(self) -> dict[str, Any]:
        return {"_function": self._function, "_options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_function"], state["_options"])  # type: ignore[misc]

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFunction, (self._function, self._options)
