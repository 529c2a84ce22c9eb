"""Whether an instance has the accelerators that its offer promises: what to ask it, and the judgement. Pure."""

from __future__ import annotations

import re
from collections import Counter

from tradewind.catalog.offer import Offer

# One line a device: "gpu <name>" from NVIDIA's own tool, "tpu <device>" for the chips' device files (v2 to v4: accel*, later ones: vfio groups).
SCRIPT = """
if command -v nvidia-smi >/dev/null 2>&1; then
  nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | sed 's/^/gpu /' || true
fi
for device in /dev/accel[0-9]* /dev/vfio/[0-9]*; do
  if [ -e "$device" ]; then echo "tpu $device"; fi
done
"""
_TPU = re.compile(r"tpu", re.IGNORECASE)
# The catalog's names -> other names by which nvidia-smi may call the same chip.
_ALSO = {
    "A100-80GB": ("A100",),
    "H100-80GB": ("H100",),
    "V100-32GB": ("V100",),
    "A10G": ("A10G", "A10"),
    "T4g": ("T4G",),
}


def missing(offer: Offer, output: str) -> str:
    """Why the instance is not what was bought, in one sentence; "" when all promised accelerators are there.

    Kinds whose presence cannot be told by these means (Trainium, Gaudi, AMD) are taken on trust.
    """
    wanted = int(offer.accelerator_count)
    if not offer.accelerator or wanted < 1:
        return ""
    lines = [line.partition(" ") for line in output.splitlines() if line.strip()]
    if _TPU.search(offer.accelerator):
        found = sum(kind == "tpu" for kind, _, _ in lines)
        return "" if found else f"{offer.instance_type} should have {offer.accelerator} and shows no TPU device"
    if not _is_nvidia(offer.accelerator):
        return ""
    names = [name.strip() for kind, _, name in lines if kind == "gpu"]
    fitting = [name for name in names if _is_called(name, offer.accelerator)]
    if len(fitting) >= wanted:
        return ""
    told = ", ".join(f"{count} x {name}" for name, count in Counter(names).items())
    promised = f"{offer.instance_type} should have {wanted} x {offer.accelerator}"
    if not told:
        return f"{promised} and shows none: no device, or its driver is not loaded"
    return f"{promised} and has {told}"


def _is_nvidia(accelerator: str) -> bool:
    return not re.match(
        r"(Trainium|Inferentia|Gaudi|MI\d|Radeon|Alveo|FPGA|Xilinx|Qualcomm)", accelerator, re.IGNORECASE
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_called(told: str, accelerator: str) -> bool:
    """Whether the device that calls itself `told` may be what the catalog calls `accelerator`."""
    heard = _plain(told)
    return any(_plain(name) in heard for name in (accelerator, *_ALSO.get(accelerator, ())))
