from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.catalog import Catalog, CatalogError, UnknownNameError, accelerator_facts
from tradewind.catalog.accelerators import resolve

KNOWN = [
    "A10", "A100", "A100-80GB", "A10G", "A6000", "H100", "H100-MEGA", "H200", "L4", "L40S", "RTX-PRO-6000", "RTX4090", "RTX6000", "RTX6000-Ada",
    "Radeon-V520", "T4", "Trainium", "V100", "V100-32GB", "tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e",
]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("a100", "A100"),
        ("A100-40GB", "A100"),
        ("A100-80GB", "A100-80GB"),
        ("a100_80gb", "A100-80GB"),
        ("A100-80GB-SXM", "A100-80GB"),
        ("A100-SXM4-80GB", "A100-80GB"),
        ("nvidia-tesla-a100", "A100"),
        ("NVIDIA H100", "H100"),
        ("h100-sxm5", "H100"),
        ("H100-80GB", "H100"),
        ("H100-PCIE", "H100"),
        ("V100-16GB", "V100"),
        ("v100-32gb", "V100-32GB"),
        ("rtx 4090", "RTX4090"),
        ("RTXA6000", "A6000"),
        ("RTX A6000", "A6000"),
        ("trn1", "Trainium"),
        ("TPU-V4", "tpu-v4"),
        ("v6e", "tpu-v6e"),
    ],
)
def test_what_people_type(typed: str, canonical: str) -> None:
    assert resolve(typed, 3, KNOWN) == (canonical, 3)


@pytest.mark.parametrize(
    ("typed", "canonical", "chips"),
    [
        ("v5litepod-8", "tpu-v5e", 8),
        ("tpu-v5litepod-8", "tpu-v5e", 8),
        ("tpu-v5e-16", "tpu-v5e", 16),
        ("tpu-v4-8", "tpu-v4", 4),
        ("v5p-128", "tpu-v5p", 64),
        ("tpu-v6e-4", "tpu-v6e", 4),
    ],
)
def test_tpu_slices_are_a_number_of_chips(typed: str, canonical: str, chips: float) -> None:
    assert resolve(typed, 1, KNOWN) == (canonical, chips)
    with pytest.raises(CatalogError, match="whole TPU slice"):
        resolve(typed, 2, KNOWN)


@pytest.mark.parametrize(
    ("typed", "near"), [("A1000", "A100"), ("H10", "H100"), ("L40", "L40S"), ("zzz", ""), ("H100-40GB", "H100")]
)
def test_a_miss_names_the_nearest(typed: str, near: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve(typed, 1, KNOWN)
    assert caught.value.suggestion == near
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@given(st.text(max_size=20))
def test_any_name_is_known_or_refused(name: str) -> None:
    try:
        canonical, count = resolve(name, 1, KNOWN)
    except CatalogError:
        return
    assert canonical in KNOWN
    assert count > 0


def test_every_canonical_name_means_itself(shipped: Catalog) -> None:
    for name in shipped.accelerator_names():
        assert shipped.resolve_accelerators(name, 2) == (name, 2)


def test_facts_are_the_datasheets() -> None:
    facts = accelerator_facts()
    assert facts["H100"].tflops_bf16 == 989
    assert facts["K80"].tflops_bf16 is None
    assert facts["tpu-v5e"].vendor == "Google"
    assert all(entry.memory_gib > 0 and entry.source for entry in facts.values())
