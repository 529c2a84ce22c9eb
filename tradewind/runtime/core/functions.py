"""What a call that has arrived runs: the function or method that it names, and its arguments."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.core.failures import load_error
from tradewind.runtime.core.replies import ActorExit, ArgumentLostError
from tradewind.runtime.messages import peer
from tradewind.runtime.messages.values import Failed, Stored, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.runtime.core.execution import Executor
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process

_KEPT_FUNCTIONS = 1024


class _Running:
    """What is running."""

    def __init__(self) -> None:
        self.task: peer.Task | None = None
        self.sender: Peer | None = None
        self.name = ""
        self.resources: dict[str, float] = {}
        self.group = ""


class Current(_Running, threading.local):
    """What this thread is running."""


class CoroutineCurrent:
    """As Current, for calls that share a thread: each coroutine, and what it starts, has its own."""

    _own: ContextVar[_Running | None] = ContextVar("tradewind-current", default=None)

    def begin(self) -> None:
        """The running coroutine is a call of its own."""
        self._own.set(_Running())

    def _mine(self) -> _Running:
        found = self._own.get()
        if found is None:
            found = _Running()
            self._own.set(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mine(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._mine(), name, value)


class Functions:
    """The functions that this worker has run, and the actor's instance if it is one."""

    def __init__(self, process: Process, executor: Executor) -> None:
        self._process = process
        self._executor = executor
        self._functions: OrderedDict[bytes, Any] = OrderedDict()
        self.instance: Any = None

    def function_of(self, sender: Peer, task: peer.Task) -> Callable[..., Any]:
        """The function or method that the call names."""
        fn = task.fn
        current = self._executor.current
        process = self._process
        if self._executor.setup_error:
            raise exceptions.RuntimeEnvSetupError(self._executor.setup_error)
        if type(fn) is str:
            actor = self._executor.actor
            if actor is None:
                raise exceptions.RaySystemError("A method call arrived at a worker that is no actor.")
            current.name = fn.partition("@")[0]
            current.resources = actor.resources
            current.group = actor.group
            if fn == "__ray_ready__":
                return _ready
            if fn == "__ray_terminate__":
                return _terminate
            if fn == "__ray_call__":
                return functools.partial(_call_with, self.instance)
            method: Callable[..., Any] = getattr(self.instance, current.name)
            return method
        define = sender.functions[fn]  # type: ignore[index]
        current.name = define.name
        current.resources = define.resources
        group = define.group
        if group != current.group:
            self.enter(group)
        if define.job != process.job or define.namespace != process.namespace:
            process.job, process.namespace = define.job, define.namespace
        if define.max_calls:
            self._executor.count(define)
        function = self._functions.get(define.digest)
        if function is None:
            function = serialization.deserialize(define.code)
            self._functions[define.digest] = function
            if len(self._functions) > _KEPT_FUNCTIONS:
                self._functions.popitem(last=False)
        return function  # type: ignore[no-any-return]

    def running(self) -> Callable[..., Any] | None:
        """What this thread's call runs, None when there is none."""
        current = self._executor.current
        if current.task is None or current.sender is None:
            return None
        if self._executor.actor is not None:
            return getattr(self.instance, current.name, None)
        define = current.sender.functions.get(current.task.fn)  # type: ignore[arg-type]
        return self._functions.get(define.digest) if define is not None else None

    def enter(self, group: str) -> None:
        """What runs now is part of the placement group."""
        self._executor.current.group = group
        self._process.scope = group if group.endswith("*") else ""

    def arguments_of(self, sender: Peer, task: peer.Task) -> tuple[Any, dict[str, Any]]:
        """The call's (args, kwargs)."""
        self._executor.current.sender = sender
        return self.arguments(task.args, task.slots)

    def arguments(self, packed: Value, slots: list[tuple[int | str, Value]] | None) -> tuple[Any, dict[str, Any]]:
        """(args, kwargs) with the slots' values in their places. Raises what a failed slot holds."""
        args, kwargs = self._value(packed) if packed else ((), {})
        if slots:
            args = list(args)
            for name, value in slots:
                if isinstance(name, int):
                    args[name] = self._value(value)
                else:
                    kwargs[name] = self._value(value)
        return args, kwargs

    def _value(self, value: Value) -> Any:
        if isinstance(value, Stored):
            try:
                return self._process.arena.read(value, owned=False)
            except exceptions.ObjectLostError as error:
                raise ArgumentLostError(str(error), value.name) from error
        if isinstance(value, Failed):
            raise load_error(value)
        return serialization.deserialize(value)


def _ready() -> None:
    """What `actor.__ray_ready__.remote()` runs."""


def _call_with(instance: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `actor.__ray_call__.remote(function, ...)` runs: the function gets the actor's instance first."""
    return function(instance, *args, **kwargs)


def _terminate() -> None:
    raise ActorExit
