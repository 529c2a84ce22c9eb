"""What runs on a worker: one call of a step, and a fan-out over a list that has just come to be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tradewind.pipelines.graph import replaced

# Values stand in containers, and the runtime waits only for refs that are arguments themselves: so results come as arguments, and their
# places in `args` and `kwargs` are filled in here.


STEP_ATTRIBUTE = "_tradewind_step"


class Label(NamedTuple):
    """Whose call it is."""

    pipeline: str
    step: str


def step_of(error: BaseException) -> str:
    """The step that raised it, "" if that was not to be written on it."""
    return str(getattr(error, STEP_ATTRIBUTE, ""))


def call(
    function: Callable[..., Any],
    label: Label,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *results: Any,
) -> Any:
    """The function's result, the results of other steps filled in. What it raises carries the step's name as a note."""
    try:
        return function(*replaced(args, results), **replaced(dict(kwargs), results))
    except Exception as error:
        error.add_note(f"raised by step {label.step} of pipeline {label.pipeline}")
        with contextlib.suppress(AttributeError, TypeError):
            setattr(error, STEP_ATTRIBUTE, label.step)
        raise


def fan_out(
    remote: Any,
    label: Label,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *results: Any,
) -> list[Any]:
    """The results of a call for each item of `args`' lists, in order; the calls run side by side."""
    from tradewind import runtime

    lists = replaced(args, results)
    same = replaced(dict(kwargs), results)
    shared = {name: runtime.put(value) for name, value in same.items()}
    refs = [
        remote.remote(
            Label(label.pipeline, f"{label.step}[{i}]"),
            items,
            dict.fromkeys(shared),
            tuple(shared),
            *shared.values(),
        )
        for i, items in enumerate(zip(*lists, strict=True))
    ]
    try:
        return list(runtime.get(refs))
    except runtime.exceptions.RayTaskError as error:
        raise error.cause from None  # one wrapping is enough


def call_named(
    function: Callable[..., Any],
    label: Label,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    names: tuple[str, ...],
    *values: Any,
) -> Any:
    """`call`, the values going by their names."""
    return call(function, label, args, {**kwargs, **dict(zip(names, values, strict=True))})
