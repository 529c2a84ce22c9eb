"""ObjectRef: a handle to a value that exists now or later, somewhere in the cluster."""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic

from tradewind.runtime import exceptions, serialization

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

    from typing_extensions import TypeVar

    from tradewind.runtime.core.process import Process

    T_co = TypeVar("T_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)

# The process's own Process, set by init and by a worker's start; None while there is none.
bound: Process | None = None


def bind(process: Process | None) -> None:
    """Refs made, dropped and unpickled from now on belong to this process."""
    global bound  # noqa: PLW0603  one of it a process
    bound = process


# True in a child that a task has forked.
is_forked = False


def forked() -> None:
    """This is a child that a task has forked: it is no worker, and would share its parent's sockets and confuse both."""
    global is_forked  # noqa: PLW0603  one of it a process
    is_forked = True
    bind(None)


class ObjectRef(Generic[T_co]):
    """A counted reference to a value of a type, for type checkers `ObjectRef[int]`. key: the object's number when this process owns it, else (owner, number)."""

    __slots__ = ("__weakref__", "_released", "key")

    def __init__(self, key: int | tuple[str, int], released: Any) -> None:
        """Made by the runtime only, which has counted it already; released is where the key goes when the ref dies."""
        self.key = key
        self._released = released

    def __del__(self) -> None:
        # Runs anywhere, also inside the garbage collector under a lock of ours: so it takes none.
        self._released(self.key)

    def hex(self) -> str:
        """The object's name in the cluster."""
        owner, number = self.named()
        return f"{owner}:{number:x}"

    def binary(self) -> bytes:
        """The object's name as bytes."""
        return self.hex().encode()

    def task_id(self) -> str:
        """The name of the call or put that makes the object."""
        return self.hex()

    def job_id(self) -> str:
        """The driver that this process works for."""
        return str(_required().job)

    def size(self) -> int:
        """Bytes of the object's name."""
        return len(self.binary())

    def is_nil(self) -> bool:
        """False: there is no ref to nothing here."""
        return False

    if not TYPE_CHECKING:

        def __class_getitem__(cls, item):  # noqa: ANN001, ANN204  the checkers have Generic's
            """For annotations: `ObjectRef[int]`; calling one makes nothing slower than the class does."""
            return types.GenericAlias(cls, (item,))

    def named(self) -> tuple[str, int]:
        """(owner, number), which names the object everywhere."""
        key = self.key
        if isinstance(key, tuple):
            return key
        return (bound.address if bound is not None else "", key)

    def future(self) -> concurrent.futures.Future[T_co]:
        """A future that holds the value, or the exception, once there is one."""
        future: concurrent.futures.Future[T_co] = _required().future_of(self)
        return future

    def as_future(self) -> asyncio.Future[Any]:
        """An asyncio future of the running loop."""
        import asyncio

        return asyncio.wrap_future(self.future())

    def __await__(self) -> Generator[Any, None, T_co]:
        return self.as_future().__await__()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRef) and self.named() == other.named()

    def __hash__(self) -> int:
        return hash(self.named())

    def __repr__(self) -> str:
        return f"ObjectRef({self.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        refs = serialization.collector.refs
        if refs is None:
            raise exceptions.OutOfBandObjectRefError(
                "An ObjectRef can only be pickled by the runtime (as an argument, a result or inside put()); "
                "pickled by other means nobody would know that the object is still needed."
            )
        refs.append(self)
        return _received, self.named()


def _received(owner: str, number: int) -> ObjectRef:
    return _required().receive_ref(owner, number)


def _required() -> Process:
    if bound is None:
        raise RuntimeError("The runtime is not running in this process; call init() first.")
    return bound
