"""A call's arguments: serialized once, with the top-level refs taken out, whose values are put in when they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradewind.runtime import serialization
from tradewind.runtime.core.arena import INLINE_BYTES
from tradewind.runtime.core.dispatch import Call
from tradewind.runtime.core.objects import WhenReady
from tradewind.runtime.messages.values import Failed, Value
from tradewind.runtime.object_ref import ObjectRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.runtime.core.process import Process


class Arguments:
    """Prepares the arguments of this process's calls."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def prepare(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The call has its arguments: serialized, with top-level refs taken out into slots, and everything that it needs held."""
        slots: list[tuple[int | str, Any]] = []
        for index, value in enumerate(args):
            if type(value) is ObjectRef:
                slots.append((index, value))
        for name, value in kwargs.items():
            if type(value) is ObjectRef:
                slots.append((name, value))
        if slots:
            by_name = {name for name, _ in slots}
            args = tuple(None if index in by_name else value for index, value in enumerate(args))
            kwargs = {name: None if name in by_name else value for name, value in kwargs.items()}
            call.slots = slots
        try:
            serialized = serialization.serialize_arguments(args, kwargs)
        except TypeError as error:
            raise TypeError(f"The arguments of {call.name}() cannot be sent: {error}") from error
        holds = serialized.refs + [ref for _, ref in slots]
        if serialized.size <= INLINE_BYTES:
            call.args = serialized.to_bytes()
        else:
            # Large arguments go into the arena once, as a put would.
            process = self._process
            with process.lock:
                key = process.table.create()
            holds.append(ObjectRef(key, process.release))
            call.args = process.table.entries[key].value = process.arena.write(serialized, f"{process.address}:{key}")
        call.holds = holds or None

    def await_slots(self, call: Call, then: Callable[[Call], None]) -> bool:
        """True when the call must wait for top-level refs; `then` gets it when they are there. Under the lock."""
        objects = self._process.objects
        entries = objects.entries
        pending = 0

        def ready(_value: Value) -> None:
            call.unready -= 1
            if not call.unready:
                then(call)

        for _, ref in call.slots or ():
            key = ref.key if isinstance(ref, ObjectRef) else None
            if key is not None and entries[key].value is None:
                pending += 1
                objects.watch(key, entries[key], WhenReady(ready))
        call.unready += pending
        return pending > 0

    def resolved_slots(self, call: Call) -> list[tuple[int | str, Value]] | Failed:
        """The slots with values in place of refs, or the failure of one of them. Under the lock."""
        entries = self._process.table.entries
        out: list[tuple[int | str, Value]] = []
        for name, ref in call.slots or ():
            value = entries[ref.key].value
            assert value is not None
            if type(value) is Failed:
                return value
            out.append((name, value))
        return out
