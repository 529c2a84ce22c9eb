"""Labels of nodes and what calls ask of them. Pure.

Ray's grammar for label selectors: `value`, `!value`, `in(a, b)`, `!in(a, b)`. A node that lacks the label does not have the value, so it satisfies
the negative forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tradewind.runtime.messages.values import Condition

# The label that every node has.
NODE_ID = "ray.io/node-id"

# As Kubernetes has it: at most 63 of these, a letter or digit at both ends.
_VALUE = r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
_SELECTOR = re.compile(rf"(!?)(?:({_VALUE})?|in\(({_VALUE}(?:, ?{_VALUE})*)\))")


def conditions(selector: Mapping[str, Any] | None) -> list[Condition]:
    """What a label selector asks for. Raises TypeError for what is no mapping of text to text, ValueError for a value that is no selector."""
    if selector is None:
        return []
    if not isinstance(selector, Mapping):
        raise TypeError(
            f"label_selector is a {type(selector).__name__}; it must be a dict of labels and what they must be."
        )
    out: list[Condition] = []
    for key, text in selector.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"label_selector has {key!r}: {text!r}; labels and what they must be are text.")
        found = _SELECTOR.fullmatch(text)
        if found is None:
            raise ValueError(
                f"label_selector[{key!r}] is {text!r}; it must be a value, '!value', 'in(a, b)' or '!in(a, b)'."
            )
        no, single, several = found.groups()
        values = several.replace(" ", "").split(",") if several else [single or ""]
        out.append(Condition(key, "not in" if no else "in", values))
    return out


def matches(wanted: Iterable[Condition], labels: Mapping[str, str]) -> bool:
    """True when a node with these labels is as wanted."""
    return all(_holds(condition, labels) for condition in wanted)


def _holds(condition: Condition, labels: Mapping[str, str]) -> bool:
    there = condition.key in labels
    if condition.operator == "exists":
        return there
    if condition.operator == "missing":
        return not there
    return (there and labels[condition.key] in condition.values) == (condition.operator == "in")


def described(wanted: Iterable[Condition]) -> str:
    """The conditions as a person reads them."""
    return ", ".join(
        f"{condition.key} {condition.operator} {', '.join(condition.values)}".strip() for condition in wanted
    )
