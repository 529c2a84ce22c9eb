"""The values that messages share: where an object is, what a call needs, how a process died."""

from __future__ import annotations

import msgspec


class Stored(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """An object in the arena of a node; name is `owner:id` and guards against a reused place."""

    node: str
    offset: int
    size: int
    name: str


class Failed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """A serialized exception in the place of a value."""

    error: bytes


# bytes: a small value, serialized; b"" is None.
Value = bytes | Stored | Failed


class Ref(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An object by its owner process and its number there."""

    owner: str
    id: int


class Environment(msgspec.Struct, frozen=True, array_like=True):
    """What a worker finds around it beyond its node's own: variables, a directory to start in, directories to import from."""

    env_vars: dict[str, str] = {}
    cwd: str = ""
    paths: list[str] = []


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """What one worker must have: resources, and where.

    strategy is "DEFAULT", "SPREAD", "NODE:<node id>" / "NODE?<node id>" (hard / soft affinity), "NEAR:<node id>" (there if it has room
    just now, for the sake of the bytes) or "PG:<group id>:<bundle index>" (-1: any bundle).
    """

    resources: dict[str, float]
    strategy: str = "DEFAULT"
    environment: Environment | None = None


class Death(msgspec.Struct, frozen=True, array_like=True):
    """Why a process is gone, as far as its node daemon knows."""

    process: str
    pid: int
    node: str
    reason: str
    exit_code: int | None = None
    signal: int | None = None
    last_output: list[str] = []
    # It ended by itself between two calls: none that was with it had begun.
    clean: bool = False

    def sentence(self, what: str) -> str:
        """What a person reads: what died, where, how and what it said last."""
        text = f"{what} (pid {self.pid}, node {self.node[:8]}) died: {self.reason}."
        if self.last_output:
            text += " Its last output:\n" + "\n".join("  | " + line for line in self.last_output)
        return text
