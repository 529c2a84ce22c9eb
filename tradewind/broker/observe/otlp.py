"""Sends spans to an OpenTelemetry collector by the project's own exporter (extra `otel`). Blocks."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from typing import Any

from tradewind import __version__
from tradewind.broker.observe.traces import Span

MISSING = "traces need OpenTelemetry's exporter: pip install 'tradewind[otel]'"


class ExporterMissing(ImportError):  # noqa: N818  the name says what happened
    """The extra is not installed."""


class Exporter:
    """One collector. Raises ExporterMissing at once when the library is not there."""

    def __init__(self, endpoint: str) -> None:
        try:
            self._trace = importlib.import_module("opentelemetry.trace")
            self._sdk = importlib.import_module("opentelemetry.sdk.trace")
            resources = importlib.import_module("opentelemetry.sdk.resources")
            otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        except ImportError as error:
            raise ExporterMissing(MISSING) from error
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # what it tries again, the observer says once
        self._resource = resources.Resource({"service.name": "tradewind", "service.version": __version__})
        self._exporter = otlp.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=10)

    def send(self, spans: Sequence[Span]) -> bool:
        """Whether the collector has taken them."""
        result = self._exporter.export([self._readable(span) for span in spans])
        return bool(result.name == "SUCCESS")

    def close(self) -> None:
        """Give its connections back."""
        self._exporter.shutdown()

    def _readable(self, span: Span) -> Any:
        trace = self._trace

        def context(span_id: str) -> Any:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            return trace.SpanContext(int(span.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags)

        code = trace.StatusCode.ERROR if span.failed else trace.StatusCode.UNSET
        return self._sdk.ReadableSpan(
            name=span.name,
            context=context(span.span_id),
            parent=context(span.parent_id) if span.parent_id else None,
            resource=self._resource,
            attributes=dict(span.attributes),
            status=trace.Status(code, span.failed or None),
            start_time=int(span.start_unix * 1e9),
            end_time=int(span.end_unix * 1e9),
        )
