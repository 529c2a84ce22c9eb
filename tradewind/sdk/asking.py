"""How a call is written once and driven twice: a generator yields what it asks, and is sent the answers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import msgspec

R = TypeVar("R")


class Get(msgspec.Struct, frozen=True):
    """The resource at `path`. Where nothing was ever launched there is no daemon to ask: a `collection` is empty then."""

    path: str
    collection: bool = False


class Post(msgspec.Struct, frozen=True):
    """The answer to `body` at `path`; with `starts` a daemon is started where none runs and nothing was ever launched."""

    path: str
    body: dict[str, Any]
    starts: bool = False


class Pause(msgspec.Struct, frozen=True):
    """Nothing for so many seconds."""

    seconds: float


Ask = Get | Post | Pause
Call = Generator[Ask, Any, R]
