"""Machines bought for their accelerators: the right ones are scheduled, missing or wrong ones fail the launch with the reason and leave nothing."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.estate import COLUMNS
from clouds.fakes.aws.machines import MachineRoom
from clouds.fakes.aws.world import AwsWorld, offer
from clouds.lab.namespaces import open_lab
from clouds.person import Person

T4 = offer(
    instance_type="g4dn.xlarge", vcpus=4.0, memory_gib=16.0, accelerator="T4", accelerator_count=1.0,
    accelerator_memory_gib=16.0, price_ondemand_usd_h=0.526,
)  # fmt: skip
SEEN = """from tradewind import runtime as ray
ray.init()
print({name: count for name, count in ray.cluster_resources().items() if "GPU" in name or "accelerator" in name})
"""


def nvidia_smi(*devices: str) -> dict[str, tuple[str, int]]:
    """An image whose nvidia-smi prints what the real one prints for these (docs.nvidia.com/deploy/nvidia-smi, --query-gpu)."""
    lines = "".join(f"{device}\n" for device in devices)
    asked = "--query-gpu=name,memory.total --format=csv,noheader,nounits"
    script = f"#!/bin/sh\n[ \"$*\" = '{asked}' ] || exit 2\ncat <<'END'\n{lines}END\n"
    return {"/usr/bin/nvidia-smi": (script, 0o755)}


@pytest.fixture
def room(world: AwsWorld, tmp_path: pathlib.Path) -> Iterator[MachineRoom]:
    with open_lab(tmp_path / "lab") as lab, MachineRoom(lab, world) as room:
        yield room


@pytest.fixture
def person(world: AwsWorld, tmp_path: pathlib.Path) -> Iterator[Person]:
    settings = f"aws:\n  endpoint_url: {world.endpoint}\n  regions: [us-east-1]\n  poll_interval_s: 0.05\n"
    keys = {"AWS_ACCESS_KEY_ID": "AKIATESTING", "AWS_SECRET_ACCESS_KEY": "testing"}
    with Person(tmp_path / "person", settings=settings, task="run: python seen.py\n", **keys) as person:
        (person.home / "work" / "seen.py").write_text(SEEN)
        cells = (getattr(T4, name) for name in COLUMNS)
        row = ",".join("" if cell is None else str(cell) for cell in cells)
        (person.home / "offers.csv").write_text(",".join(COLUMNS) + f"\n{row}\n")
        yield person


@pytest.mark.end_to_end
@pytest.mark.timeout(150)
def test_right_missing_and_wrong(room: MachineRoom, world: AwsWorld, person: Person) -> None:
    world.account.vcpu_quotas["L-DB2E81BA"] = 64.0
    launch = ("launch", "--infra", "aws", "--gpus", "T4:1", "--catalog", "offers.csv", "-y", "task.yaml", "-c")
    room.image = nvidia_smi("Tesla T4, 15360")
    said = person.says(*launch, "right")
    assert "'GPU': 1.0" in said
    assert "'accelerator_type:T4': 1.0" in said
    assert "node 0 has 1 x Tesla T4" in person.says("events", "right")
    person.says("down", "right", "-y")
    for name, image, reason in (
        ("missing", {}, "g4dn.xlarge should have 1 x T4 and shows none: no device, or its driver is not loaded"),
        ("wrong", nvidia_smi("NVIDIA A10G, 23028"), "g4dn.xlarge should have 1 x T4 and has 1 x NVIDIA A10G"),
    ):
        room.image = image
        bought = len(world.account.launches)
        assert reason in person.says(*launch, name, exit_code=1)
        assert "FAILED" in person.says("status")
        assert len(world.account.launches) == bought + 1  # another of its kind is not tried
        person.says("down", name, "-y")
        assert world.held() == []
