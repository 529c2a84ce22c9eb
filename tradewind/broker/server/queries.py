"""What the API is asked in paths and query strings, as values; every slip is a Refusal."""

from __future__ import annotations

from starlette.requests import Request

from tradewind.broker.server.requests import Refusal


def number(request: Request, name: str, default: int | None = None) -> int | None:
    """A whole number from the path or the query. Raises Refusal."""
    text = request.path_params.get(name)
    text = request.query_params.get(name) if text is None else text
    if text is None or text == "":
        return default
    try:
        value = int(text)
    except ValueError:
        raise Refusal(f"{name} must be a whole number, not {str(text)[:80]!r}", "request") from None
    return value if abs(value) < 1 << 62 else 0  # no row has such a number, and SQLite cannot even be asked for it


def flag(request: Request, name: str) -> bool:
    """Whether a flag of the query is set."""
    return request.query_params.get(name, "0") not in {"", "0", "false"}


def rank_of(request: Request, nodes: int) -> int | None:
    """The rank that is asked for, None for all. Raises Refusal."""
    rank = number(request, "rank")
    if rank is not None and not 0 <= rank < nodes:
        raise Refusal(f"there is no rank {rank}: the cluster has {nodes} nodes, counted from 0", "request")
    return rank
