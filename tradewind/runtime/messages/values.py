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


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """What a label of a node must be. operator: "in" or "not in" (the values), "exists" or "missing"."""

    key: str
    operator: str
    values: list[str] = []


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """What one worker must have: resources, and where.

    strategy is "DEFAULT", "SPREAD", "NODE:<node id>" / "NODE?<node id>" (hard / soft affinity), "NEAR:<node id>" (there if it has room
    just now, for the sake of the bytes) or "PG:<group id>:<bundle index>" (-1: any bundle).
    """

    resources: dict[str, float]
    strategy: str = "DEFAULT"
    environment: Environment | None = None
    # Which nodes may be it, and which are preferred, by their labels.
    hard: list[Condition] = []
    soft: list[Condition] = []
    # What stands in for hard, in this order, when no node is as hard says.
    fallbacks: list[list[Condition]] = []

    @property
    def alternatives(self) -> list[list[Condition]]:
        """What a node's labels must be: the first that any node meets counts, the last if none does."""
        return [self.hard, *self.fallbacks]


class Method(msgspec.Struct, frozen=True, array_like=True):
    """How calls of one of an actor's methods are made, unless the call says otherwise."""

    # Results; options.STREAMING for one that streams them.
    returns: int = 1
    # How many items of a stream may lie unread; 0 for any number.
    ahead: int = 0
    # None: as the actor's.
    max_task_retries: int | None = None
    # The exceptions after which the call is made again: all of them, or a pickled tuple of classes; b"" for none.
    retry_exceptions: bool | bytes = False
    concurrency_group: str = ""
    # Its arguments as signatures.Parameters; None when nobody knows.
    parameters: list[tuple[str, int, bool]] | None = None


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
    # It may well live: what is gone is the way to it.
    unreachable: bool = False

    def sentence(self, what: str) -> str:
        """What a person reads: what died, where, how and what it said last."""
        if self.unreachable:
            return f"{what} (node {self.node[:8]}) cannot be reached: {self.reason}."
        text = f"{what} (pid {self.pid}, node {self.node[:8]}) died: {self.reason}."
        if self.last_output:
            text += " Its last output:\n" + "\n".join("  | " + line for line in self.last_output)
        return text
