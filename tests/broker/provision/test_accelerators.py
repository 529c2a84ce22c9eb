"""What an instance shows against what was bought."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import offer
from tradewind.agent.protocol import Accelerators, Device
from tradewind.broker.provision.accelerators import described, missing, runtime_resources


def having(accelerator, count=1.0):
    return msgspec.structs.replace(offer(), accelerator=accelerator, accelerator_count=count, instance_type="gpu-box")


def found(output, trouble=""):
    """One line a device: its kind and its name."""
    lines = (line.partition(" ") for line in output.splitlines())
    return Accelerators(devices=tuple(Device(kind=kind, name=name) for kind, _, name in lines), trouble=trouble)


@pytest.mark.parametrize(
    ("accelerator", "count", "output"),
    [
        ("", 0, ""),
        ("T4", 1, "gpu Tesla T4\n"),
        ("A100", 8, "gpu NVIDIA A100-SXM4-40GB\n" * 8),
        ("A100-80GB", 1, "gpu NVIDIA A100-SXM4-80GB\n"),
        ("RTX-PRO-6000", 1, "gpu NVIDIA RTX PRO 6000 Blackwell Server Edition\n"),
        ("tpu-v5e", 1, "tpu /dev/vfio/0\n"),
        ("Trainium", 16, ""),
    ],
)
def test_what_is_there_is_taken(accelerator, count, output):
    assert missing(having(accelerator, float(count)), found(output)) == ""


@pytest.mark.parametrize(
    ("accelerator", "count", "output", "sentence"),
    [
        ("T4", 1, "", "gpu-box should have 1 x T4 and shows none"),
        (
            "H100",
            8,
            "gpu NVIDIA H100 80GB HBM3\n" * 7,
            "gpu-box should have 8 x H100 and has 7 x NVIDIA H100 80GB HBM3",
        ),
        ("A100", 1, "gpu Tesla T4\n", "has 1 x Tesla T4"),
        ("tpu-v5e", 1, "", "gpu-box should have 1 x tpu-v5e and shows no TPU device"),
        ("tpu-v6e", 4, "tpu /dev/vfio/0\n", "gpu-box should have 4 x tpu-v6e and has 1 TPU chip"),
        ("tpu-v6e", 4, "gpu Tesla T4\n", "gpu-box should have 4 x tpu-v6e and has 1 x Tesla T4"),
    ],
)
def test_what_is_not_is_named(accelerator, count, output, sentence):
    assert sentence in missing(having(accelerator, float(count)), found(output))


def test_why_a_driver_is_silent_is_told():
    why = missing(having("T4"), found("", "nvidia-smi failed: couldn't communicate with the NVIDIA driver"))
    assert why.endswith("shows none: nvidia-smi failed: couldn't communicate with the NVIDIA driver")


def test_the_runtime_schedules_what_was_found_and_else_what_was_promised():
    promised = having("T4", 4.0)
    assert runtime_resources(promised)["GPU"] == 4
    there = runtime_resources(promised, found("gpu Tesla T4\n" * 5 + "gpu NVIDIA A10G\n"))
    assert there["GPU"] == there["accelerator_type:T4"] == 5
    assert runtime_resources(having("Trainium", 16.0), found(""))["GPU"] == 16
    assert "GPU" not in runtime_resources(having("", 0.0))
    slice_ = runtime_resources(having("tpu-v6e", 4.0), found("tpu /dev/vfio/0\n" * 4))
    assert (slice_["TPU"], slice_["accelerator_type:tpu-v6e"], "GPU" in slice_) == (4, 4, False)
    assert described(found("gpu Tesla T4\ngpu Tesla T4\ntpu /dev/accel0\n")) == "2 x Tesla T4, 1 TPU chip"
