"""What `import tradewind` offers, and what it costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

import tradewind as tw

NAMES = [
    "Array", "BrokerError", "CatalogError", "CloudCheck", "Cluster", "Cost", "Event", "Instance", "Job", "Launched", "LimitsError",
    "ManagedJob", "NoPlan", "NotFound", "Offer", "OfferFilter", "Overrides", "Plan", "PlanError", "Refused", "Resources", "Run",
    "SpecError", "StepFailed", "Summary", "Task", "TooDear", "Unreachable", "Verdict", "Why", "__version__", "accelerators", "aio", "api",
    "autostop", "cancel", "catalog", "check", "config", "cost_report", "doctor", "down", "events", "exec", "explain", "explain_error",
    "follow", "jobs", "launch", "local", "logs", "offers", "pareto", "pipeline", "plan", "ports", "queue", "reap", "rsync_command",
    "runtime", "schema", "ssh_command", "start", "status", "step", "stop", "validate", "wait", "why",
]  # fmt: skip
JOBS = [
    "array", "array_jobs", "bill", "cancel", "cancel_array", "launch", "launch_array", "launch_graph", "logs", "pause", "queue", "resume",
    "retry", "spend", "status", "top", "wait",
]  # fmt: skip
ON_A_LOOP = {
    "accelerators", "api", "autostop", "cancel", "catalog", "check", "config", "cost_report", "doctor", "down", "events", "exec", "explain",
    "explain_error", "follow", "jobs", "launch", "local", "logs", "offers", "pareto", "plan", "ports", "queue", "reap", "rsync_command",
    "schema", "ssh_command", "start", "status", "stop", "validate", "wait", "why",
}  # fmt: skip
HEAVY = ("msgspec", "yaml", "numpy", "pulp", "highspy", "sqlalchemy", "asyncio", "click", "rich", "grpc", "cloudpickle")


def test_the_names_are_these() -> None:
    assert tw.__all__ == NAMES
    assert all(getattr(tw, name) is not None for name in NAMES)
    assert set(NAMES) <= set(dir(tw))


def test_the_jobs_names_are_these_and_the_loop_has_them_too() -> None:
    assert tw.jobs.__all__ == JOBS
    assert tw.aio.jobs.__all__ == JOBS
    assert set(tw.aio.__all__) == ON_A_LOOP


def test_every_public_call_is_documented_with_what_it_raises() -> None:
    for module in (tw, tw.jobs, tw.api, tw.config, tw.local):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value):
                assert (value.__doc__ or "").strip(), name


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, json, tradewind; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    bare = subprocess.run(
        [sys.executable, "-c", code.replace(", tradewind", "")], capture_output=True, text=True, check=True
    ).stdout
    assert set(loaded) - set(json.loads(bare)) == {"tradewind"}
    assert not set(loaded) & set(HEAVY)


def test_importing_takes_under_50_ms() -> None:
    code = "import time; a = time.perf_counter(); import tradewind; print(time.perf_counter() - a)"
    took = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert statistics.median(took) < 0.05


def test_decorating_functions_loads_neither_solver_nor_runtime() -> None:
    code = "import sys, json, tradewind as tw; tw.step, tw.pipeline; print(json.dumps(sorted(sys.modules)))"
    began = time.perf_counter()
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert time.perf_counter() - began < 5
    assert not {"yaml", "numpy", "pulp", "highspy", "sqlalchemy", "asyncio", "grpc"} & set(loaded)
