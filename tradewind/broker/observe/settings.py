"""What a person wants seen from outside: `observe.yaml` in the data directory, read anew whenever it has changed."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from tradewind.broker.observe.hooks import Hook

FILE_NAME = "observe.yaml"


class ObserveError(ValueError):
    """`observe.yaml` cannot be used; one sentence."""


class Traces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Send spans to an OpenTelemetry collector: the base URL of its OTLP/HTTP receiver, such as http://localhost:4318."""

    endpoint: str


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Serve the figures on this TCP port, over TLS, to whoever shows the token that lies in the data directory."""

    port: int
    host: str = "127.0.0.1"


class Observe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it; nothing is sent or served where nothing is asked for."""

    hooks: tuple[Hook, ...] = ()
    traces: Traces | None = None
    metrics: Metrics | None = None


def parse_observe(text: str, path: str = FILE_NAME) -> Observe:
    """What the YAML says.

    Raises:
        ObserveError: it is not such a file, or an address in it is none.
    """
    import yaml

    try:
        found = msgspec.convert(yaml.safe_load(text) or {}, Observe)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        said = str(error).replace("\n", " ")
        raise ObserveError(f"{path}: {said}; it may hold hooks, traces and metrics") from error
    urls = [hook.url for hook in found.hooks] + ([found.traces.endpoint] if found.traces else [])
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ObserveError(f"{path}: {url!r} is no http:// or https:// address")
    if found.metrics is not None and not 0 <= found.metrics.port < 65536:
        raise ObserveError(f"{path}: metrics.port must be a number up to 65535, not {found.metrics.port}")
    return found
