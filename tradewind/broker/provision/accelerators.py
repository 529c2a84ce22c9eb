"""Whether an instance has the accelerators that its offer promises, by what its agent found; and what its runtime schedules then. Pure."""

from __future__ import annotations

import re
from collections import Counter

from tradewind.agent.protocol import Accelerators, Device
from tradewind.catalog.offer import Offer

_TPU = re.compile(r"tpu", re.IGNORECASE)
# The catalog's names -> other names by which nvidia-smi may call the same chip.
_ALSO = {
    "A100-80GB": ("A100",),
    "H100-80GB": ("H100",),
    "V100-32GB": ("V100",),
    "A10G": ("A10G", "A10"),
    "T4g": ("T4G",),
}


def missing(offer: Offer, found: Accelerators) -> str:
    """Why the instance is not what was bought, in one sentence; "" when all promised accelerators are there.

    Kinds whose presence cannot be told by these means (Trainium, Gaudi, AMD) are taken on trust.
    """
    wanted = int(offer.accelerator_count)
    if not offer.accelerator or wanted < 1 or not _can_be_told(offer.accelerator):
        return ""
    if len(fitting(offer, found)) >= wanted:
        return ""
    promised = f"{offer.instance_type} should have {wanted} x {offer.accelerator}"
    if told := described(found):
        return f"{promised} and has {told}"
    if _TPU.search(offer.accelerator):
        return f"{promised} and shows no TPU device"
    return f"{promised} and shows none: {found.trouble or 'no device, or its driver is not loaded'}"


def fitting(offer: Offer, found: Accelerators) -> tuple[Device, ...]:
    """Those devices that may be what the offer names."""
    if _TPU.search(offer.accelerator):
        return tuple(device for device in found.devices if device.kind == "tpu")
    return tuple(d for d in found.devices if d.kind == "gpu" and _is_called(d.name, offer.accelerator))


def described(found: Accelerators) -> str:
    """The GPUs as a person reads them: "2 x Tesla T4"; TPU chips by their number."""
    names = Counter(device.name for device in found.devices if device.kind == "gpu")
    chips = sum(device.kind == "tpu" for device in found.devices)
    parts = [f"{count} x {name}" for name, count in names.items()]
    return ", ".join([*parts, *([f"{chips} TPU chip{'s' if chips > 1 else ''}"] if chips else [])])


def runtime_resources(offer: Offer, found: Accelerators | None = None) -> dict[str, float]:
    """What a node of this offer has to schedule, in the runtime's names; memory in bytes. Chips of a TPU are "TPU", as Ray calls them.

    Accelerators are those that were `found`; without that (a rehearsal, or kinds that cannot be told) those that the offer promises.
    """
    resources = {"CPU": float(offer.vcpus or 1)}
    if offer.memory_gib:
        resources["memory"] = float(int(offer.memory_gib * (1 << 30)))
    if offer.accelerator_count:
        count = offer.accelerator_count
        if found is not None and _can_be_told(offer.accelerator) and offer.accelerator_count >= 1:
            count = float(len(fitting(offer, found)))
        resources["TPU" if _TPU.search(offer.accelerator) else "GPU"] = float(count)
        resources[f"accelerator_type:{offer.accelerator}"] = float(count)
    return resources


def _can_be_told(accelerator: str) -> bool:
    return bool(_TPU.search(accelerator)) or _is_nvidia(accelerator)


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
