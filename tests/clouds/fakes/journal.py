"""What a fake was asked, in order, and the faults it was told to show: from a list, or drawn from a seed. The same seed, the same faults."""

from __future__ import annotations

import fnmatch
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Call:
    """One request that reached the fake and how it was answered."""

    method: str  # the vendor's name of the call: "compute.instances.insert"
    target: str
    status: int
    body: object = None


@dataclass
class Fault:
    """Answer calls whose name matches `method` with `status` and `code`, after letting `skip` pass, at most `times` times.

    `lose_answer` carries the call out and then drops the connection: the caller cannot know that it worked.
    """

    method: str
    status: int = 503
    code: str = "backendError"
    message: str = "the fake was told to fail here"
    skip: int = 0
    times: int = 1
    lose_answer: bool = False


@dataclass
class Journal:
    """Every call, and the faults still to come. Thread-safe."""

    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    crash_after: int | None = None  # the caller dies at its call with this number, 0 being the next
    crash_took_effect: bool = False
    crashed: bool = False
    on_call: Callable[[str], None] | None = None  # sees every call's name before it is carried out
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)

    def fault_for(self, method: str) -> Fault | None:
        """The fault that this call meets, used up by it."""
        with self._lock:
            for fault in self.faults:
                if fnmatch.fnmatchcase(method, fault.method) and fault.times > 0:
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def death(self) -> Literal["", "before", "after"]:
        """Whether the caller is dead when this call should arrive ("before"), or dies once it has taken effect ("after")."""
        with self._lock:
            if self.crashed:
                return "before"
            if self.crash_after is None:
                return ""
            self.crash_after -= 1
            if self.crash_after >= 0:
                return ""
            self.crashed = True
            return "after" if self.crash_took_effect else "before"

    def revive(self) -> bool:
        """Calls arrive again; whether the caller had died."""
        with self._lock:
            crashed, self.crashed, self.crash_after = self.crashed, False, None
            return crashed

    def draw(self, seed: int, methods: list[str], *, faults: int) -> None:
        """Add `faults` faults drawn from the seed over those methods: 429, 500, 503 or an answer that is lost."""
        draw = random.Random(seed)
        for _ in range(faults):
            kind = draw.choice(["throttle", "500", "503", "lost"])
            status, code = {"throttle": (429, "rateLimitExceeded"), "500": (500, "internalError")}.get(
                kind, (503, "backendError")
            )
            self.faults.append(
                Fault(draw.choice(methods), status, code, skip=draw.randrange(3), lose_answer=kind == "lost")
            )

    def names(self) -> list[str]:
        """The names of the calls so far."""
        with self._lock:
            return [call.method for call in self.calls]

    def count(self, method: str) -> int:
        return sum(fnmatch.fnmatchcase(name, method) for name in self.names())
