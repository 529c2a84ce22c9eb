"""Where a submission comes from: the trace that it belongs to, and when it was asked for."""

from __future__ import annotations

import os
import sys
from typing import Any


def trace_context(clicked_unix: float) -> dict[str, Any]:
    """The fields of a submission: the current OpenTelemetry span if the program has one, else the TRACEPARENT that it was started with."""
    found: dict[str, Any] = {"clicked_unix": clicked_unix}
    traceparent = _current_span() or os.environ.get("TRACEPARENT", "")
    return found | ({"traceparent": traceparent} if traceparent else {})


def _current_span() -> str:
    trace = sys.modules.get("opentelemetry.trace")  # a program that has not imported it has no span
    if trace is None:
        return ""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def process_started_unix(now_unix: float) -> float:
    """When this process was started, Unix seconds: proc(5), field 22 of stat, in ticks since boot. `now_unix` where it cannot be told."""
    import time

    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now_unix
    return now_unix - max(0.0, age_s)
