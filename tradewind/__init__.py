"""tradewind: the cheapest machine that fits, a cluster on it, and nothing left behind.

`import tradewind as tw`: the command line's calls (`tw.plan`, `tw.launch`, `tw.status`, `tw.jobs`, ...), on an event loop under `tw.aio`,
and pipelines (`tw.step`, `tw.pipeline`). Public names are lazy: importing the package loads nothing heavy.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # typing's own would cost its import; checkers read this one alike
if TYPE_CHECKING:
    from typing import Any

    from tradewind import catalog, runtime
    from tradewind.broker.jobs.limits import LimitsError
    from tradewind.broker.planner.errors import PlanError
    from tradewind.catalog.errors import CatalogError
    from tradewind.catalog.filter import OfferFilter
    from tradewind.catalog.offer import Offer
    from tradewind.optimizer.plan import Plan
    from tradewind.pipelines.errors import StepFailed
    from tradewind.pipelines.pipeline import pipeline
    from tradewind.pipelines.run import Run
    from tradewind.pipelines.step import step
    from tradewind.sdk import aio, config, jobs, local
    from tradewind.sdk import service as api
    from tradewind.sdk.checking import CloudCheck, check, explain_error
    from tradewind.sdk.clusters import (
        autostop,
        cancel,
        cost_report,
        down,
        events,
        exec,  # noqa: A004  the command's name
        follow,
        launch,
        logs,
        ports,
        queue,
        reap,
        rsync_command,
        ssh_command,
        start,
        status,
        stop,
        wait,
        why,
    )
    from tradewind.sdk.errors import BrokerError, NoPlan, NotFound, Refused, TooDear, Unreachable
    from tradewind.sdk.planning import accelerators, doctor, explain, offers, pareto, plan
    from tradewind.sdk.resources import Resources
    from tradewind.sdk.task import Task
    from tradewind.sdk.validation import Verdict, schema, validate
    from tradewind.sdk.views import Array, Cluster, Cost, Event, Instance, Job, Launched, ManagedJob, Summary, Why
    from tradewind.spec.errors import SpecError
    from tradewind.spec.overrides import Overrides

_HOMES = {
    "broker.jobs.limits": ("LimitsError",),
    "broker.planner.errors": ("PlanError",),
    "catalog.errors": ("CatalogError",),
    "catalog.filter": ("OfferFilter",),
    "catalog.offer": ("Offer",),
    "optimizer.plan": ("Plan",),
    "pipelines.errors": ("StepFailed",),
    "pipelines.pipeline": ("pipeline",),
    "pipelines.run": ("Run",),
    "pipelines.step": ("step",),
    "sdk.checking": ("CloudCheck", "check", "explain_error"),
    "sdk.clusters": (
        "autostop",
        "cancel",
        "cost_report",
        "down",
        "events",
        "exec",
        "follow",
        "launch",
        "logs",
        "ports",
        "queue",
        "reap",
        "rsync_command",
        "ssh_command",
        "start",
        "status",
        "stop",
        "wait",
        "why",
    ),
    "sdk.errors": ("BrokerError", "NoPlan", "NotFound", "Refused", "TooDear", "Unreachable"),
    "sdk.planning": ("accelerators", "doctor", "explain", "offers", "pareto", "plan"),
    "sdk.resources": ("Resources",),
    "sdk.task": ("Task",),
    "sdk.validation": ("Verdict", "schema", "validate"),
    "sdk.views": ("Array", "Cluster", "Cost", "Event", "Instance", "Job", "Launched", "ManagedJob", "Summary", "Why"),
    "spec.errors": ("SpecError",),
    "spec.overrides": ("Overrides",),
}
_MODULES = {
    "aio": "sdk.aio",
    "api": "sdk.service",
    "catalog": "catalog",
    "config": "sdk.config",
    "jobs": "sdk.jobs",
    "local": "sdk.local",
    "runtime": "runtime",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Array",
    "BrokerError",
    "CatalogError",
    "CloudCheck",
    "Cluster",
    "Cost",
    "Event",
    "Instance",
    "Job",
    "Launched",
    "LimitsError",
    "ManagedJob",
    "NoPlan",
    "NotFound",
    "Offer",
    "OfferFilter",
    "Overrides",
    "Plan",
    "PlanError",
    "Refused",
    "Resources",
    "Run",
    "SpecError",
    "StepFailed",
    "Summary",
    "Task",
    "TooDear",
    "Unreachable",
    "Verdict",
    "Why",
    "__version__",
    "accelerators",
    "aio",
    "api",
    "autostop",
    "cancel",
    "catalog",
    "check",
    "config",
    "cost_report",
    "doctor",
    "down",
    "events",
    "exec",
    "explain",
    "explain_error",
    "follow",
    "jobs",
    "launch",
    "local",
    "logs",
    "offers",
    "pareto",
    "pipeline",
    "plan",
    "ports",
    "queue",
    "reap",
    "rsync_command",
    "runtime",
    "schema",
    "ssh_command",
    "start",
    "status",
    "step",
    "stop",
    "validate",
    "wait",
    "why",
]


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    module = _MODULES.get(name)
    if module is not None:
        value = import_module(f"tradewind.{module}")
    else:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module 'tradewind' has no attribute {name!r}")
        value = getattr(import_module(f"tradewind.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
