"""A TPU VM through the command line and a real daemon: its chips are counted, told and scheduled; too few of them fail the launch."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.estate import Estate, open_estate
from clouds.fakes.tpu_room import TpuRoom, devices
from clouds.gcp.world import offer
from clouds.lab.namespaces import open_lab
from clouds.shell import Shell
from tradewind.broker.provision.ssh_keys import KeyRing

V6E = offer(
    "tpu-v6e-4", accelerator="tpu-v6e", accelerator_count=4.0, accelerator_memory_gib=32.0, zone="us-east5-b",
    region="us-east5", vcpus=180.0, memory_gib=720.0, price_ondemand_usd_h=2.7, price_spot_usd_h=None,
)  # fmt: skip
SEEN = """from tradewind import runtime as ray
ray.init()

@ray.remote(resources={"TPU": 4})
def on_chips():
    return "ran where the chips are"

print({name: count for name, count in ray.cluster_resources().items() if "PU" in name and name != "CPU" or "accelerator" in name})
print(ray.get(on_chips.remote()))
"""


@pytest.fixture
def estate(tmp_path: pathlib.Path) -> Iterator[Estate]:
    with open_lab(tmp_path / "lab") as lab, open_estate(tmp_path, lab) as estate:
        estate.write_catalog((V6E,))
        yield estate


@pytest.fixture
def room(estate: Estate, tmp_path: pathlib.Path) -> Iterator[TpuRoom]:
    fake = estate.gcp.cloud
    with TpuRoom(estate.rooms["gcp"].lab, fake.tpu, KeyRing(str(tmp_path / "image"))) as room:
        yield room


@pytest.mark.end_to_end
@pytest.mark.timeout(150)
def test_four_chips_are_scheduled_and_three_are_too_few(estate: Estate, room: TpuRoom, tmp_path: pathlib.Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "seen.py").write_text(SEEN)
    (work / "task.yaml").write_text(
        "workdir: .\nresources: {infra: gcp, accelerators: 'tpu-v6e:4'}\nrun: python seen.py\n"
    )
    shell = Shell(estate, work)
    launch = ("launch", "task.yaml", "--catalog", estate.catalog, "-y", "-c")
    room.image = devices(*(f"vfio/{number}" for number in range(4)), "vfio/vfio")
    said = shell.types(*launch, "right")
    assert "'TPU': 4.0" in said
    assert "'accelerator_type:tpu-v6e': 4.0" in said
    assert "GPU" not in said
    assert "ran where the chips are" in said
    assert "node 0 has 4 TPU chips" in shell.types("events", "right")
    shell.types("down", "right", "-y")
    room.image = devices(*(f"vfio/{number}" for number in range(3)), "vfio/vfio")
    said = shell.types(*launch, "fewer", exit_code=1)
    assert "tpu-v6e-4 should have 4 x tpu-v6e and has 3 TPU chips" in said
    assert list(room.machines) == list(dict.fromkeys(room.machines)), "each was made once"
    assert len(room.machines) == 2, "another of its kind is not tried"
    shell.types("down", "fewer", "-y")
    assert estate.held() == []
