"""`tradewind jobs ...`: managed jobs. The commands are imported when they run."""

from __future__ import annotations

from tradewind.cli.lazy import LazyGroup

_HERE = "tradewind.cli.commands"

jobs = LazyGroup(
    name="jobs",
    help="Managed jobs: they survive preemption. Each has a cluster of its own that goes when the job ends.",
    aliases={"ls": "queue", "ps": "queue", "run": "launch", "stop": "cancel"},
    table={
        "launch": (f"{_HERE}.jobs_launch:launch", "Run a task, or an array of it, to its end, over losses."),
        "queue": (f"{_HERE}.jobs_look:queue", "The jobs and what each waits for."),
        "status": (f"{_HERE}.jobs_look:status", "One job or array: state, attempts, cost."),
        "logs": (f"{_HERE}.jobs_look:logs", "A job's output over all its attempts."),
        "cancel": (f"{_HERE}.jobs_change:cancel", "End jobs, arrays or all, and their clusters."),
        "pause": (f"{_HERE}.jobs_change:pause", "Give the machines back and go on later."),
        "resume": (f"{_HERE}.jobs_change:resume", "Let paused jobs go on."),
        "retry": (f"{_HERE}.jobs_change:retry", "Try failed or cancelled jobs once more."),
        "top": (f"{_HERE}.jobs_look:top", "Everything at a glance: states, spending, limits."),
        "spend": (f"{_HERE}.jobs_look:spend", "What managed jobs have cost, grouped."),
    },
)
