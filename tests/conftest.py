"""What holds for every test: nothing it started may outlive it, and no real cloud account is ever seen."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

GRACE_S = 10.0  # how long what a test ended may take to be gone; a leak never goes, so only failures pay it
CREDENTIALS = ("AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_", "TRADEWIND_", "SKYPILOT_")

# Every command line, daemon and agent that a test starts is a process of its own: compiling all that each imports, anew each time, doubles the suite.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")

# A shell's background job starts with SIGINT ignored, and so would every child: what Ctrl-C does could not be tested.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _threads() -> set[str]:
    return {f"{t.name} ({t.ident})" for t in threading.enumerate() if t.is_alive()}


def _processes() -> set[str]:
    """Live children of this process, zombies left out: those are reaped by whoever holds their handle."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
                children = file.read().split()
        except OSError:
            continue
        for pid in children:
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    state = file.read().rpartition(")")[2].split()[0]
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if state != "Z":
                found.add(f"{pid} {command[:120]}")
    return found


def _descriptors() -> set[str]:
    """Open sockets, pipes, memory files and files under a temporary directory; libraries' own one-time files are not counted."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if target.startswith(("socket:", "pipe:", "/memfd:", "/tmp/")) or "[pidfd]" in target:
            found.add(f"{fd} -> {target}")
    return found


def _leaks(before: tuple[set[str], set[str], set[str]]) -> list[str]:
    after = _threads(), _processes(), _descriptors()
    return [
        f"{what}: {item}"
        for what, old, new in zip(("thread", "process", "descriptor"), before, after, strict=True)
        for item in sorted(new - old)
    ]


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread, a process or a descriptor behind."""
    before = _threads(), _processes(), _descriptors()
    yield
    deadline = time.monotonic() + GRACE_S
    while leaks := _leaks(before):
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + "; ".join(leaks))
        gc.collect()  # may take seconds on a busy machine: what it freed is looked at again, however late it is
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide every cloud credential, setting and record of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith(CREDENTIALS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path_factory.getbasetemp() / "no-data"))
