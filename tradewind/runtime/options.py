"""The options of tasks, actors and methods: which there are and what they may be. Ray's names, bounds and defaults."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

# How often a task is run again when its worker dies.
DEFAULT_MAX_RETRIES = 3
# The number of results of a generator that streams them.
STREAMING = -1

Check = Callable[[Any], str]


def _count(lowest: int) -> Check:
    def check(value: Any) -> str:
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= lowest):
            return ""
        return f"a whole number from {lowest}" + (" (-1: without limit)" if lowest < 0 else "")

    return check


def _amount(value: Any) -> str:
    fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)
    return "" if fits else "a number that is not negative"


def _of(kind: type, what: str) -> Check:
    return lambda value: "" if value is None or isinstance(value, kind) else what


def _returns(value: Any) -> str:
    if value is None or (isinstance(value, str) and value in {"dynamic", "streaming"}):
        return ""
    if isinstance(value, int) and value >= 0:
        return ""
    return "a number, zero or more, 'dynamic' or 'streaming'"


def _ahead(value: Any) -> str:
    fits = value is None or (isinstance(value, int) and (value > 0 or value == -1))
    return "" if fits else "a number of items from 1, or -1 for any number"


def _exceptions(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    fits = isinstance(value, (list, tuple)) and all(isinstance(it, type) and issubclass(it, Exception) for it in value)
    return "" if fits else "True, False or a list of exception classes"


def _lifetime(value: Any) -> str:
    return "" if value in {None, "detached", "non_detached"} else "'detached' or 'non_detached'"


def _fallbacks(value: Any) -> str:
    fits = value is None or (
        isinstance(value, (list, tuple))
        and all(isinstance(it, Mapping) and set(it) == {"label_selector"} for it in value)
    )
    return "" if fits else "a list of {'label_selector': {...}}"


def _any(value: Any) -> str:
    del value
    return ""


def _name(value: Any) -> str:
    return "" if value is None or (isinstance(value, str) and value) else "text that is not empty"


_TEXT = _of(str, "text")
_BOOL = _of(bool, "True or False")

_BOTH: dict[str, Check] = {
    "num_cpus": _amount,
    "num_gpus": _amount,
    "memory": _amount,
    "resources": _of(Mapping, "a dict of resources and amounts"),
    "accelerator_type": _TEXT,
    "name": _name,
    "scheduling_strategy": _any,
    "label_selector": _any,
    "fallback_strategy": _fallbacks,
    "placement_group": _any,
    "placement_group_bundle_index": _count(-1),
    "placement_group_capture_child_tasks": _BOOL,
    "runtime_env": _of(Mapping, "a dict"),
    # Every call is listed and timed while it matters; there is nothing to switch off.
    "enable_task_events": _BOOL,
}  # fmt: skip

TASK_OPTIONS: Mapping[str, Check] = {
    **_BOTH,
    "num_returns": _returns,
    "max_retries": _count(-1),
    "retry_exceptions": _exceptions,
    "max_calls": _count(0),
    "_generator_backpressure_num_objects": _ahead,
}

ACTOR_OPTIONS: Mapping[str, Check] = {
    **_BOTH,
    "namespace": _name,
    "lifetime": _lifetime,
    "get_if_exists": _BOOL,
    "max_restarts": _count(-1),
    "max_task_retries": _count(-1),
    "max_concurrency": _count(1),
    "max_pending_calls": _count(-1),
    "concurrency_groups": _of(Mapping, "a dict of group names and sizes"),
    "allow_out_of_order_execution": _BOOL,
}

METHOD_OPTIONS: Mapping[str, Check] = {
    "num_returns": lambda value: "a number, zero or more, or 'streaming'" if value == "dynamic" else _returns(value),
    "name": _TEXT,
    "concurrency_group": _TEXT,
    "max_task_retries": _count(-1),
    "retry_exceptions": _exceptions,
    "_generator_backpressure_num_objects": _ahead,
    "enable_task_events": _BOOL,
}


def check_options(options: Mapping[str, Any], known: Mapping[str, Check], what: str) -> None:
    """Raises ValueError for an option that does not exist, with the nearest that does, and for a value that it cannot have."""
    for name, value in options.items():
        check = known.get(name)
        if check is None:
            near = difflib.get_close_matches(name, known, 1)
            raise ValueError(
                f"{what} has no option {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(known))}.")
            )
        wanted = check(value)
        if wanted:
            raise ValueError(f"{name} is {value!r}; it must be {wanted}.")


def requested(options: Mapping[str, Any], default_cpus: float) -> dict[str, float]:
    """The resources that options ask for. Raises ValueError for amounts that make no sense, TypeError for what is no amount."""
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
        if not isinstance(name, str):
            raise TypeError(f"resources has {name!r}: {amount!r}; names of resources are text.")
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise TypeError(f"The request for {name} is {amount!r}; it must be a number.")
        out[name] = float(amount)
    if options.get("accelerator_type"):
        # A node with accelerators of the kind has one of this, so any number of tasks finds room (as in Ray).
        out[accelerator_resource(options["accelerator_type"])] = 0.001
    for name, amount in out.items():
        if not 0 <= amount < math.inf:
            raise ValueError(f"The request for {name} is {amount:g}; it must be zero or more, and finite.")
        if 0 < amount < 0.0001:
            raise ValueError(f"The request for {name} is {amount:g}; amounts are told apart down to 0.0001.")
    return {name: amount for name, amount in out.items() if amount}


def accelerator_resource(kind: str) -> str:
    """The resource that nodes with accelerators of the kind have."""
    return f"accelerator_type:{kind}"
