"""The fields that say how a managed job is run: `job_recovery`, `priority`, `budget`, `secrets`."""

from __future__ import annotations

import re
from typing import NamedTuple

from tradewind.spec.document import Mapping, Mark, Node, Scalar, Sequence
from tradewind.spec.fields import nearest
from tradewind.spec.nodes import (
    check_fields,
    is_null,
    kind_of,
    read_amount,
    read_mapping,
    read_text,
    read_whole_number,
)
from tradewind.spec.storage import ManagedSecret
from tradewind.spec.task import JobRecovery
from tradewind.spec.typed import plain

HIGHEST_PRIORITY = 1000  # SkyPilot's range is -1000 to 1000, the higher first
MOST_RESTARTS = 1_000_000
MOST_NODES = 10_000
_RECOVERY = ("strategy", "max_restarts_on_errors", "recover_on_exit_codes", "min_nodes")
STRATEGY_GROUP = "tradewind.strategies"  # the entry points of installed packages that bring strategies of their own
# SkyPilot's names lead to the strategy that does what they say.
STRATEGIES: dict[str, str] = {
    "eager": "eager",
    "eager_next_region": "eager",
    "failover": "failover",
    "deadline": "deadline",
    "dynamic_node_set": "dynamic_node_set",
    "none": "eager",  # SkyPilot's word for the default
}
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USD = re.compile(r"\$?\s*(\d+(?:\.\d*)?|\.\d+)\s*(?:usd)?", re.IGNORECASE)
_MOST_USD = 1e9
REFERENCE = "secrets:"
_SCOPES = ("personal", "workspace", "global")


def read_job_recovery(node: Node | None, field: str = "resources.job_recovery") -> JobRecovery:
    """A strategy's name, or a map of the strategy and what happens when the program itself fails."""
    if node is None or is_null(node):
        return JobRecovery()
    if isinstance(node, Scalar):
        return JobRecovery(strategy=_strategy(node, field))
    mapping = read_mapping(node, field)
    node.mark.at_launch(lambda: check_fields(mapping, f"{field}.", _RECOVERY), None)
    given = {name: value for name, value in mapping.entries.items() if name != "strategy" or not is_null(value)}
    strategy, restarts, codes, least = (given.get(name) for name in _RECOVERY)
    return JobRecovery(
        strategy="eager" if strategy is None else _strategy(strategy, f"{field}.strategy"),
        max_restarts_on_errors=0
        if restarts is None
        else read_whole_number(restarts, f"{field}.max_restarts_on_errors", least=0, most=MOST_RESTARTS, ours=True),
        recover_on_exit_codes=() if codes is None else _exit_codes(codes, f"{field}.recover_on_exit_codes"),
        min_nodes=None
        if least is None
        else least.mark.at_launch(
            lambda: read_whole_number(least, f"{field}.min_nodes", least=1, most=MOST_NODES), None
        ),
    )


def _strategy(node: Node, field: str) -> str:
    text = read_text(node, field)
    found = STRATEGIES.get(text if text.lower() == "none" else text.lower())
    if found is None:
        from importlib.metadata import entry_points  # takes a while, and only a strategy of one's own needs it

        if text not in entry_points(group=STRATEGY_GROUP).names:
            known = ("eager", "failover", "deadline")
            node.mark.put_off(field, f"{text!r} is none of {', '.join(known)}", nearest(text, known))
        return text
    return found


def _exit_codes(node: Node, field: str) -> tuple[int, ...]:
    items = node.items if isinstance(node, Sequence) else (node,)
    codes = [read_whole_number(item, field, least=0, most=255) for item in items]
    if len(set(codes)) != len(codes):
        raise node.mark.error(field, "names a code twice; keep one")
    return tuple(codes)


def read_priority(node: Node | None, field: str = "resources.priority") -> int:
    """From -1000 to 1000; the higher goes first."""
    if node is None or is_null(node):
        return 0
    return read_whole_number(node, field, least=-HIGHEST_PRIORITY, most=HIGHEST_PRIORITY)


def read_budget(node: Node | None) -> float | None:
    """USD for the whole job: 20, "20 USD" or "$20"."""
    return None if node is None or is_null(node) else read_amount(node, "budget", _usd)


def _usd(text: str) -> float:
    match = _USD.fullmatch(text.strip())
    amount = float(match[1]) if match else float(text) if _is_number(text) else 0.0
    if not 0 < amount <= _MOST_USD:
        raise ValueError(f"{text[:40]!r} is no amount of money above 0; write 20 or 20 USD")
    return amount


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9.]+e[+-]?[0-9]+", text, re.IGNORECASE) is not None


class Secrets(NamedTuple):
    """`names` whose values are given when the job is submitted, those whose values the file itself `inline`s (which are not kept), and those `held` by a server."""

    names: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    held: tuple[ManagedSecret, ...] = ()


def read_secrets(node: Node | None) -> Secrets:
    """A list of names as SkyPilot writes them (`secrets:NAME`, `secrets:personal.NAME`), or a map of names to values or to nothing."""
    if node is None:
        return Secrets()
    if isinstance(node, Mapping):
        named = [_in_map(name, value, node.key_marks[name]) for name, value in node.entries.items()]
    elif isinstance(node, Sequence):
        named = [(_in_list(item), item.mark, False) for item in node.items]
    else:
        raise node.mark.error("secrets", f"must be a list of names, not {kind_of(node)}")
    held = tuple(dict.fromkeys(_held(name) for name, _, inline in named if not inline and _scope(name)))
    here = [each for each in named if each[2] or not _scope(each[0])]
    for name, mark, _ in here:
        if not _ENV_NAME.fullmatch(name):
            mark.put_off(f"secrets.{name}", "is no name for a variable: letters, digits and _ only")
    return Secrets(
        tuple(dict.fromkeys(name for name, _, inline in here if not inline)),
        tuple(dict.fromkeys(name for name, _, inline in here if inline)),
        held,
    )


def _in_map(name: str, value: Node, mark: Mark) -> tuple[str, Mark, bool]:
    if name.startswith(REFERENCE) and not is_null(value):
        raise mark.error(
            f"secrets.{name}", f"is held elsewhere and can have no value here; remove one, or the `{REFERENCE}`"
        )
    return name.removeprefix(REFERENCE), mark, not is_null(value)


def _in_list(item: Node) -> str:
    """The name that `secrets:NAME` is for; a flag names it alone."""
    name = str(plain(item, "secrets"))
    if not name.startswith(REFERENCE):
        raise item.mark.error(
            "secrets",
            f"{name[:60]!r} is no item of this list; write {REFERENCE}{name[:60]}, or a map: {{{name[:60]}: null}}",
        )
    return name.removeprefix(REFERENCE)


def _scope(name: str) -> str:
    """Whose a secret is that a server holds; "" where the name does not say."""
    head, dot, _ = name.partition(".")
    return head if dot and head in _SCOPES else ""


def _held(name: str, mount_path: str | None = None) -> ManagedSecret:
    scope = _scope(name)
    return ManagedSecret(name.removeprefix(f"{scope}.") if scope else name, mount_path, scope or None)


def read_managed_secrets(node: Node | None) -> tuple[ManagedSecret, ...]:
    """A list of names, or of a name with the file that it is written to."""
    if node is None:
        return ()
    if not isinstance(node, Sequence):
        raise node.mark.error("managed_secrets", f"must be a list of names, not {kind_of(node)}")
    return tuple(
        secret for index, item in enumerate(node.items) for secret in _managed_secret(item, f"managed_secrets[{index}]")
    )


def _managed_secret(item: Node, field: str) -> tuple[ManagedSecret, ...]:
    if not isinstance(item, Mapping):
        return (_held(read_text(item, field).removeprefix(REFERENCE)),)
    if len(item.entries) > 1:
        raise item.mark.error(field, "must be one name with its mount_path")
    found = []
    for name, value in item.entries.items():
        inner = read_mapping(value, f"{field}.{name}")
        check_fields(inner, f"{field}.{name}.", ("mount_path",))
        path = inner.entries.get("mount_path")
        where = None if path is None else read_text(path, f"{field}.{name}.mount_path")
        found.append(_held(name.removeprefix(REFERENCE), where))
    return tuple(found)
