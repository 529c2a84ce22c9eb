"""The machine's own view of the lease, and turning the machine off from within.

A local instance has a host that is asked to die. A machine that tradewind's first boot prepared has a lease file, kept by a guard that powers the
machine off once the second in it has passed and no agent runs; powered off after its lease, it ends for good. Any other machine belongs to somebody:
there the agent only exits.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess

from tradewind.agent.own_log import note

HOST_SOCKET = "TRADEWIND_HOST_SOCKET"
LEASE_FILE = (
    "/var/lib/tradewind/lease"  # the Unix second, in decimal; written first by the broker's first-boot document
)


def note_lease(until_unix: float) -> None:
    """The machine's guard knows the lease, where there is a guard."""
    if HOST_SOCKET in os.environ or not os.path.exists(LEASE_FILE):
        return
    try:
        with open(LEASE_FILE + ".partial", "w", encoding="ascii") as file:
            file.write(f"{until_unix:.0f}\n")
        os.replace(LEASE_FILE + ".partial", LEASE_FILE)
    except OSError as error:
        note(f"the lease could not be noted in {LEASE_FILE}: {error}")


def end_instance(why: str) -> None:
    """Nothing of this instance lives for long after this call, where this agent may end its machine."""
    if path := os.environ.get(HOST_SOCKET, ""):
        _end_host(path, why)
    elif os.path.exists(LEASE_FILE):
        note_lease(
            1.0
        )  # long past: should the next line fail, the guard acts within its half minute, and off is for good
        try:
            subprocess.run(["sudo", "-n", "systemctl", "poweroff"], stdin=subprocess.DEVNULL, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            note(f"the machine could not be powered off; its guard will: {error}")


def _end_host(path: str, why: str) -> None:
    try:
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as host:
            host.settimeout(5)
            try:
                host.connect(
                    f"/proc/self/fd/{directory}/{os.path.basename(path)}"
                )  # its own path may be over 108 bytes
            finally:
                os.close(directory)
            host.sendall(json.dumps({"op": "end", "reason": why}).encode() + b"\n")
            host.recv(4096)
    except OSError as error:
        note(f"the instance could not be ended: {error}")
