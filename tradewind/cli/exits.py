"""Exit codes: stable, documented in docs/cli.md from this table."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
NO_PLAN: Final = 3
UNREACHABLE: Final = 4
INTERNAL: Final = 70
INTERRUPTED: Final = 130

MEANINGS: Final[dict[int, str]] = {
    OK: "done",
    FAILED: "the job failed, or the thing's state does not allow what was asked (no such cluster, not confirmed)",
    BAD_INPUT: "the command line or the task file is wrong; nothing was started or bought",
    NO_PLAN: "nothing on sale, or nothing that can be bought from here, satisfies the request and its limits",
    UNREACHABLE: "the daemon or a cloud cannot be reached or does not answer",
    INTERNAL: "a defect in tradewind; `--debug` shows where",
    INTERRUPTED: "Ctrl-C; what was launched goes on running",
}

# The kinds that the daemon's answers carry, and the code each becomes; any other kind is FAILED.
BY_DAEMON_KIND: Final[dict[str, int]] = {
    "request": BAD_INPUT,
    "catalog": BAD_INPUT,
    "no_plan": NO_PLAN,
    "no_provider": NO_PLAN,
    "store": UNREACHABLE,
    "internal": UNREACHABLE,
}

# Error classes of the other rooms by qualified name: looked up along a raised error's bases, so that no room is imported to ask.
BY_ERROR: Final[dict[str, int]] = {
    "tradewind.spec.errors.SpecError": BAD_INPUT,
    "tradewind.catalog.errors.CatalogError": BAD_INPUT,
    "tradewind.optimizer.errors.InvalidProblem": BAD_INPUT,
    "tradewind.broker.planner.errors.PlanError": BAD_INPUT,
    "tradewind.broker.provider.ProviderError": UNREACHABLE,
    "tradewind.broker.jobs.plans.PlanRefused": NO_PLAN,
    "tradewind.broker.jobs.limits.LimitsError": BAD_INPUT,
    "tradewind.sdk.errors.NotFound": FAILED,
    "tradewind.sdk.errors.Refused": FAILED,
    "tradewind.sdk.errors.BrokerError": FAILED,
}
