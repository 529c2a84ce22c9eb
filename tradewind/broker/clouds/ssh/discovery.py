"""What a machine has, asked once over SSH: processors, memory, architecture, accelerators. Parsing is pure."""

from __future__ import annotations

import re

import msgspec

from tradewind.broker.clouds.ssh.errors import CLOUD, refusal
from tradewind.broker.clouds.ssh.machines import Machine
from tradewind.catalog.offer import Offer

SCRIPT = """
echo "address=$(echo "${SSH_CONNECTION:-}" | cut -d' ' -f3)"
echo "arch=$(uname -m)"
echo "cpus=$(nproc)"
echo "memory_kib=$(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)"
if command -v nvidia-smi >/dev/null 2>&1; then
  nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits 2>/dev/null | sed 's/^/gpu=/'
fi
true
"""
_ARCH = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
# nvidia-smi's names -> the catalog's; the first that matches counts
_ACCELERATORS = (
    (r"A100.*80GB", "A100-80GB"),
    (r"RTX (PRO )?(A?\d{4})( Ti)?( SUPER)?( Ada)?", ""),
    (
        r"\b(GH200|GB200|B300|B200|H200|H100|A100|A40|A30|A16|A10G|A10|A6000|L40S|L40|L4|T4G|T4|V100|P100|P40|P4|M60|K80)\b",
        "",
    ),
)


class Capacity(msgspec.Struct, frozen=True):
    """A machine's own figures; memory in GiB, `accelerator` "" when it has none. `address` is where our connection reached it."""

    arch: str
    vcpus: int
    memory_gib: float
    accelerator: str = ""
    accelerator_count: int = 0
    accelerator_memory_gib: float | None = None
    address: str = ""

    @property
    def shape(self) -> str:
        """The name of the machines like this one, as an instance type: "8cpu-32gb", "16cpu-64gb-2xL4"."""
        accelerators = f"-{self.accelerator_count}x{self.accelerator}" if self.accelerator else ""
        return f"{self.vcpus}cpu-{round(self.memory_gib)}gb{accelerators}"


def parse_capacity(output: str) -> Capacity:
    """What SCRIPT printed. Raises ProviderError when it printed something else."""
    facts: dict[str, list[str]] = {}
    for line in output.splitlines():
        key, _, value = line.partition("=")
        facts.setdefault(key, []).append(value.strip())
    try:
        devices = [line.rsplit(",", 1) for line in facts.get("gpu", [])]
        names = {name.strip() for name, _ in devices}
        return Capacity(
            arch=_ARCH.get(facts["arch"][0], facts["arch"][0]),
            vcpus=int(facts["cpus"][0]),
            memory_gib=round(int(facts["memory_kib"][0]) / (1 << 20), 2),
            accelerator=accelerator_name(devices[0][0].strip()) if len(names) == 1 else "",
            accelerator_count=len(devices) if len(names) == 1 else 0,
            address=facts.get("address", [""])[0],
            accelerator_memory_gib=round(float(devices[0][1]) / 1024, 1) if len(names) == 1 else None,
        )
    except (KeyError, ValueError, IndexError) as error:
        raise refusal("NoMachineWorks", f"the machine answered {output[:200]!r} to the question what it has") from error


def accelerator_name(told: str) -> str:
    """The catalog's name for what nvidia-smi calls a device."""
    for pattern, name in _ACCELERATORS:
        if match := re.search(pattern, told):
            return name or match.group().replace(" ", "")
    return told.removeprefix("NVIDIA ").removeprefix("Tesla ").replace(" ", "-")


def instance_type(machine: Machine, capacity: Capacity) -> str:
    """What the machine is bought as: its shape, and its price where it has one, for in one place a type has one price."""
    return f"{capacity.shape}@{machine.price_usd_h:g}" if machine.price_usd_h else capacity.shape


def offer_of(machine: Machine, capacity: Capacity) -> Offer:
    """The machine as something that can be planned on; equal machines of a pool give equal offers."""
    return Offer(
        cloud=CLOUD,
        region=machine.pool,
        zone="",
        instance_type=instance_type(machine, capacity),
        arch=capacity.arch,
        vcpus=float(capacity.vcpus),
        memory_gib=capacity.memory_gib,
        accelerator=capacity.accelerator,
        accelerator_count=float(capacity.accelerator_count),
        accelerator_memory_gib=capacity.accelerator_memory_gib,
        price_ondemand_usd_h=machine.price_usd_h,
        price_spot_usd_h=None,
        basis="exact",
    )
