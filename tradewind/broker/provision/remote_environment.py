"""A Python environment with tradewind on an instance, made over a transport, and the agent started in it.

The wheel is pure Python, so no installer is needed to place it: only what it depends on may have to be fetched. In this order:
1. an interpreter of the image (3.11 or newer) that has every dependency already, as a baked image does: nothing is fetched;
2. uv, when the instance has it, from its cache or the package index;
3. the interpreter's own venv and pip;
4. uv fetched by its installer, which also brings an interpreter where the image's is too old (needs the internet).
The environment lies in `~/.tradewind/env`; a stamp holds the wheel's digest, so that a second call is one round trip.
"""

from __future__ import annotations

import asyncio
import json
import posixpath
import re
import shlex
from typing import Protocol

from tradewind.broker.provider import ProviderError, RunResult, Transport
from tradewind.broker.provision.wheel import Wheel, build_wheel, write_wheel

ENVIRONMENT = ".tradewind/env"
WHEELS = ".tradewind/wheels"
INSTALL_TIMEOUT_S = 900.0
PYTHON_VERSION = "3.12"  # what uv fetches where the image has none that will do
AGENT_LOG = "logs/agent.log"

# Says on one line whether this interpreter will do: "old", "bare", or "full" when every requirement is met.
PROBE = """
import json, sys
if sys.version_info < (3, 11):
    print("old"); sys.exit()
from importlib import metadata
import operator, re
# a bound of any other kind counts as not met: the installer then decides
compare = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq, "!=": operator.ne}
def numbers(version):
    found = [int(re.match("[0-9]*", part).group() or 0) for part in version.split(".")]
    return found + [0] * (6 - len(found))
for name, bounds in json.loads(sys.argv[1]):
    try:
        have = numbers(metadata.version(name))
        met = all(sign in compare and compare[sign](have, numbers(version)) for sign, version in bounds)
    except metadata.PackageNotFoundError:
        met = False
    if not met:
        print("bare"); sys.exit()
print("full")
"""
_UNPACK = "import sys, sysconfig, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sysconfig.get_path('purelib'))"
_CHECK = "import tradewind.agent, msgspec, cryptography"


class ShellTransport(Transport, Protocol):
    """A transport that also runs scripts and can look again at what bootstrap made."""

    @property
    def login_home(self) -> str:
        """The login user's home, where the environment lies: instances of one machine share it."""

    async def script(self, script: str, *, timeout_s: float = 60, what: str = "a script") -> RunResult:
        """Run a shell script to its end."""

    async def refresh(self) -> None:
        """`home` and `python` are as they are now."""

    def error(self, code: str, message: str) -> ProviderError:
        """A refusal in the name of the instance's cloud."""


async def prepare_environment(transport: ShellTransport, wheel: Wheel, cache_dir: str) -> str:
    """The path of an interpreter on the instance that runs this very tradewind; `transport.python` says the same.

    Raises:
        ProviderError: "NoPython", "Install" (with the last lines of the installer), "DiskFull", or what the transport raises.
    """
    environment = posixpath.join(transport.login_home, ENVIRONMENT)
    if await _stamp(transport, environment) == wheel.digest:
        return transport.python
    remote = posixpath.join(transport.login_home, WHEELS, wheel.digest[:16], wheel.file_name)
    await transport.put(write_wheel(wheel, cache_dir), remote)
    script = _install_script(environment, remote, wheel)
    done = await transport.script(script, timeout_s=INSTALL_TIMEOUT_S, what="making the environment")
    if done.exit_code != 0:
        raise _failure(transport, done)
    await transport.refresh()
    return transport.python


class EnvironmentMaker:
    """`prepare_environment` with this process's own wheel, built once: what a connector's `prepare` is."""

    def __init__(self, cache_dir: str) -> None:
        self._cache_dir = cache_dir
        self._building: asyncio.Task[Wheel] | None = None

    async def __call__(self, transport: ShellTransport) -> str:
        """As `prepare_environment`. Raises ProviderError."""
        if self._building is None:
            self._building = asyncio.create_task(asyncio.to_thread(build_wheel))
        return await prepare_environment(transport, await asyncio.shield(self._building), self._cache_dir)


async def start_agent(transport: Transport, instance_id: str, *, alone: bool = False) -> None:
    """An agent is being started: by systemd where it runs the machine (and starts it again if it dies), else `alone`. Raises ProviderError."""
    argv = [transport.python, "-P", "-m", "tradewind.agent", "--home", transport.home, "--instance-id", instance_id]
    if alone:
        await transport.start(argv, log=AGENT_LOG)
        return
    log = posixpath.join(transport.home, AGENT_LOG)
    unit = (
        "sudo -n systemd-run --quiet --collect --unit=tradewind-agent --uid=$(id -u) --gid=$(id -g) "
        f"-p Restart=on-failure -p RestartSec=1 -p WorkingDirectory={shlex.quote(transport.home)} -p StandardOutput=append:{shlex.quote(log)} "
        f"-p StandardError=append:{shlex.quote(log)} -E HOME={shlex.quote(transport.home)} {shlex.join(argv)}"
    )
    under_systemd = f"test -d /run/systemd/system && mkdir -p -m 0700 {shlex.quote(posixpath.dirname(log))} && {unit}"
    done = await transport.run(["sh", "-c", under_systemd], timeout_s=30)
    if done.exit_code != 0:
        await transport.start(argv, log=AGENT_LOG)


async def _stamp(transport: ShellTransport, environment: str) -> str:
    if not transport.python:
        return ""
    return (await transport.run(["cat", posixpath.join(environment, "complete")])).stdout.decode().strip()


def _install_script(environment: str, wheel_path: str, wheel: Wheel) -> str:
    wanted = shlex.quote(json.dumps([[r.name, r.bounds] for r in wheel.requirements]))
    # Environments cannot be moved (scripts name their interpreter), so each wheel has its own and `env` is a link that is switched.
    env, new = shlex.quote(environment), shlex.quote(f"{environment}-{wheel.digest[:12]}")
    return f"""
set -u
PATH="$HOME/.local/bin:$PATH"
say() {{ echo "$@" >&2; }}
full= bare= asked=:
for python in ${{TRADEWIND_PYTHON:-}} python3 python3.13 python3.12 python3.11; do
  path=$(command -v "$python" 2>/dev/null) || continue
  path=$(readlink -f "$path")
  case $asked in *":$path:"*) continue;; esac  # python3 is a link to another of them as a rule
  asked=$asked$path:
  case $("$python" -c {shlex.quote(PROBE)} {wanted} 2>/dev/null) in
    full) full=$python; break;;
    bare) bare=${{bare:-$python}};;
  esac
done
rm -rf {new}
if [ -n "$full" ]; then
  "$full" -m venv --without-pip --system-site-packages {new} || exit 20
  {new}/bin/python -c {shlex.quote(_UNPACK)} {shlex.quote(wheel_path)} || exit 21
else
  uv=$(command -v uv || true)
  if [ -n "$uv" ] && [ -n "$bare" ]; then
    "$uv" venv --quiet --python "$bare" {new} && "$uv" pip install --quiet --python {new}/bin/python {shlex.quote(wheel_path)} || exit 22
  elif [ -n "$bare" ] && "$bare" -c 'import ensurepip' 2>/dev/null; then
    "$bare" -m venv {new} || exit 27
    {new}/bin/python -m pip install --quiet --disable-pip-version-check --no-input --retries 2 {shlex.quote(wheel_path)} || exit 23
  else
    command -v curl >/dev/null 2>&1 || {{ say "no Python 3.11 or newer with venv, no uv and no curl to fetch it with"; exit 24; }}
    curl -LsSf --max-time 120 https://astral.sh/uv/install.sh | env UV_INSTALL_DIR="$HOME/.local/bin" UV_NO_MODIFY_PATH=1 sh >/dev/null || exit 25
    "$HOME/.local/bin/uv" venv --quiet --python "${{bare:-{PYTHON_VERSION}}}" {new} \\
      && "$HOME/.local/bin/uv" pip install --quiet --python {new}/bin/python {shlex.quote(wheel_path)} || exit 22
  fi
fi
{new}/bin/python -P -c {shlex.quote(_CHECK)} || exit 26
printf %s {wheel.digest} >{new}/complete || exit 20
ln -sfn {new} {env}.link && mv -T {env}.link {env} || exit 20
"""


_WHERE = {
    20: "the environment could not be written",
    21: "the wheel could not be unpacked",
    22: "uv could not install tradewind's dependencies",
    23: "pip could not install tradewind's dependencies",
    24: "the image has no usable Python",
    25: "uv could not be fetched from astral.sh",
    27: "the image's venv module does not work",
    26: "the new environment cannot import tradewind",
}


# How pip (urllib3), uv (reqwest) and curl say that nobody could be reached.
_NO_WAY_OUT = (
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|Max retries exceeded|Failed to establish a new connection"
    r"|dns error|error sending request|Connection refused|Could not (resolve|connect)|Network is unreachable|timed out"
)


def _failure(transport: ShellTransport, done: RunResult) -> ProviderError:
    said = " ".join(done.stderr.decode(errors="replace").split())
    why = _WHERE.get(done.exit_code, f"making the environment ended with exit code {done.exit_code}")
    if "No space left on device" in said or "os error 28" in said:
        return transport.error("DiskFull", f"the instance's disk is full: {why}; ask for more with disk_size")
    if done.exit_code in {22, 23, 25} and re.search(_NO_WAY_OUT, said):
        where = "astral.sh" if done.exit_code == 25 else "its package index"
        advice = "give it a way there, or an image that has tradewind's dependencies (image_id)"
        return transport.error("Install", f"the instance does not reach {where}: {why}; {advice}")
    code = "NoPython" if done.exit_code in {24, 25, 27} else "Install"
    return transport.error(code, f"{why}: {said[-600:]}" if said else why)
