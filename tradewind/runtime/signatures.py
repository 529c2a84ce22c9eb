"""Whether a call's arguments fit what it calls, known before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

# A parameter as messages carry it: its name, its inspect kind, whether it may be left out.
Parameters = list[tuple[str, int, bool]]

_KINDS = {
    int(kind): kind
    for kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    )
}
_POSITIONAL = (int(inspect.Parameter.POSITIONAL_ONLY), int(inspect.Parameter.POSITIONAL_OR_KEYWORD))
_MANY = 1 << 30


class _Default:
    """Stands for any default in an error's text."""

    def __repr__(self) -> str:
        return "..."


class Arity:
    """What arguments a function takes. So many positional ones as from least to most and no others are right without a closer look."""

    __slots__ = ("_name", "_parameters", "least", "most")

    def __init__(self, name: str, parameters: Parameters | None) -> None:
        """name: as errors say it. parameters: None for what takes anything, as far as is known."""
        self._name = name
        self._parameters = parameters
        known = parameters or []
        positional = [optional for _, kind, optional in known if kind in _POSITIONAL]
        self.least = positional.count(False)
        self.most = len(positional)
        if parameters is None or any(kind == inspect.Parameter.VAR_POSITIONAL for _, kind, _ in known):
            self.most = _MANY
        if any(kind == inspect.Parameter.KEYWORD_ONLY and not optional for _, kind, optional in known):
            self.most = -1

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raises TypeError when the function would, saying what is wrong."""
        if self._parameters is None:
            return
        default = _Default()
        signature = inspect.Signature(
            [
                inspect.Parameter(name, _KINDS[kind], default=default if optional else inspect.Parameter.empty)
                for name, kind, optional in self._parameters
            ]
        )
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._name}{signature} does not take these arguments: {error}.") from None


def parameters_of(function: Callable[..., Any], *, method: bool = False) -> Parameters | None:
    """What the function takes, without its first parameter for a method; None for what does not tell, as some functions in C."""
    try:
        # What a decorator says that it wraps may take other arguments than the decorator does.
        parameters = list(inspect.signature(function, follow_wrapped=False).parameters.values())
    except (TypeError, ValueError):
        return None
    if method and parameters and int(parameters[0].kind) in _POSITIONAL:
        del parameters[0]
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        (
            parameter.name,
            int(parameter.kind),
            parameter.default is not parameter.empty and parameter.kind not in variadic,
        )
        for parameter in parameters
    ]
