"""The accelerators that this machine really has: NVIDIA's own tool is asked, and the device files of TPUs are counted. Parsing is pure."""

from __future__ import annotations

import glob
import shutil
import subprocess
from collections.abc import Iterable

from tradewind.agent.protocol import Accelerators, Device

# docs.nvidia.com/deploy/nvidia-smi: one line a device, memory in MiB; on MIG-less parts and integrated ones a figure may be "[N/A]".
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
_TIMEOUT_S = 25.0  # the first call after boot loads the driver, which takes seconds on machines with eight devices
# Chips of Cloud TPU: v2 to v4 show as accel devices, later ones as vfio groups.
_TPU_FILES = ("/dev/accel[0-9]*", "/dev/vfio/[0-9]*")


def find() -> Accelerators:
    """What is there now. Blocks for as long as the driver takes, 25 s at most."""
    devices, trouble = _nvidia()
    tpus = tuple(Device(kind="tpu", name=path) for pattern in _TPU_FILES for path in sorted(glob.glob(pattern)))
    return Accelerators(devices=(*devices, *tpus), trouble=trouble)


def _nvidia() -> tuple[tuple[Device, ...], str]:
    if shutil.which(_QUERY[0]) is None:
        return (), ""
    try:
        told = subprocess.run(
            _QUERY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return (), f"nvidia-smi gave no answer in {_TIMEOUT_S:g} s"
    except OSError as error:
        return (), f"nvidia-smi cannot be run: {error.strerror}"
    if told.returncode != 0:
        said = " ".join(f"{told.stdout} {told.stderr}".split())[:300]
        return (), f"nvidia-smi failed: {said or f'exit code {told.returncode}'}"
    return tuple(parse(told.stdout.splitlines())), ""


def parse(lines: Iterable[str]) -> Iterable[Device]:
    """The devices in the answer of nvidia-smi."""
    for line in lines:
        name, _, memory = line.rpartition(",")
        if name.strip():
            yield Device(kind="gpu", name=name.strip(), memory_gib=_gib(memory))


def _gib(mib: str) -> float | None:
    try:
        return round(float(mib) / 1024, 1)
    except ValueError:
        return None
