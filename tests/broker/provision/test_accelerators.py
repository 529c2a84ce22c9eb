"""What an instance shows against what was bought."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import offer
from tradewind.broker.provision.accelerators import missing


def having(accelerator, count=1.0):
    return msgspec.structs.replace(offer(), accelerator=accelerator, accelerator_count=count, instance_type="gpu-box")


@pytest.mark.parametrize(
    ("accelerator", "count", "output"),
    [
        ("", 0, ""),
        ("T4", 1, "gpu Tesla T4\n"),
        ("A100", 8, "gpu NVIDIA A100-SXM4-40GB\n" * 8),
        ("A100-80GB", 1, "gpu NVIDIA A100-SXM4-80GB\n"),
        ("RTX-PRO-6000", 1, "gpu NVIDIA RTX PRO 6000 Blackwell Server Edition\n"),
        ("tpu-v5litepod-1", 1, "tpu /dev/vfio/0\n"),
        ("Trainium", 16, ""),
    ],
)
def test_what_is_there_is_taken(accelerator, count, output):
    assert missing(having(accelerator, float(count)), output) == ""


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
        ("tpu-v5litepod-1", 1, "", "shows no TPU device"),
    ],
)
def test_what_is_not_is_named(accelerator, count, output, sentence):
    assert sentence in missing(having(accelerator, float(count)), output)
