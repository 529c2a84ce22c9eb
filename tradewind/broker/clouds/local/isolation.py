"""How far machines on this computer can be held apart, tried for real: what is missing is named, with what brings it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Literal

import msgspec

from tradewind.broker.capabilities import Finding
from tradewind.broker.clouds.local import cgroup

Isolation = Literal["namespaces", "processes"]
Wanted = Literal["auto", "namespaces", "processes"]

_SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"
_PACKAGES = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux"}
# everything that a machine needs of the kernel, inside a network that ends with the command
_TRIAL = "ip link add trial0 type bridge && ip link add trial1 type veth peer name trial2"


class Means(msgspec.Struct, frozen=True):
    """What there is on this computer: why something is missing, in a few words, or "" where it is there."""

    no_namespaces: str
    no_limits: str
    no_login: str

    def findings(self) -> tuple[Finding, ...]:
        """The same, one finding for each; all well, for machines are made without what is missing."""
        parts = (
            ("machines: network and PID namespaces", self.no_namespaces, "plain processes instead"),
            ("machines: limits by cgroups", self.no_limits, "none"),
            ("machines: their own sshd", self.no_login, "none"),
        )
        return tuple(
            Finding(what=what, ok=True, why=f"{instead}: {why}" if why else "") for what, why, instead in parts
        )

    def sentence(self) -> str:
        """What a machine of `tradewind local up` is here."""
        kind = f"plain processes ({self.no_namespaces})" if self.no_namespaces else "network and PID namespaces"
        limits = f"no limits ({self.no_limits})" if self.no_limits else "limits by cgroups"
        login = f"no sshd ({self.no_login})" if self.no_login else "an sshd each"
        return f"`tradewind local up` makes them with {kind}, {limits}, {login}"


def program(name: str) -> str:
    """The program's path, also where only root's PATH has it; "" when it is not installed."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + _SBIN) or ""


def means() -> Means:
    """What works here, found by trying (some tens of milliseconds). Leaves nothing behind."""
    return Means(no_namespaces=_why_no_namespaces(), no_limits=cgroup.why_not(), no_login=why_no_login())


def why_no_login() -> str:
    """Why machines get no sshd; "" when they do."""
    return "" if program("sshd") else "no sshd: apt-get install openssh-server"


def _why_no_namespaces() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in _PACKAGES if not program(name)]
    if missing:
        return f"no {', '.join(missing)}: apt-get install {' '.join(sorted({_PACKAGES[name] for name in missing}))}"
    trial = [program("unshare"), "--mount", "--uts", "--pid", "--fork", "--net", "sh", "-c", _TRIAL]
    environment = {"PATH": os.environ.get("PATH", os.defpath) + _SBIN}
    try:
        done = subprocess.run(
            trial, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"namespaces cannot be tried: {error}"
    if done.returncode == 0:
        return ""
    said = " ".join(done.stderr.decode(errors="replace").split())[:200]
    return f"this system allows no namespaces: {said or f'exit code {done.returncode}'}"
