from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.catalog import Catalog, CatalogError, UnknownNameError, accelerator_facts
from tradewind.catalog.accelerators import names_a_slice, resolve, slice_name

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
        ("4090", "RTX4090"),
        ("A100-80", "A100-80GB"),
        ("A100-40", "A100"),
        ("a10-24", "A10"),
        ("NVIDIA-H100-80GB-HBM3", "H100"),
        ("nvidia-h100-mega-80gb", "H100-MEGA"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA A100 Tensor Core GPU", "A100"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX6000-Ada"),
        ("Tesla-V100-SXM2-32GB", "V100-32GB"),
        ("radeon pro v520", "Radeon-V520"),
        ("trainium1", "Trainium"),
        ("tpu-v5-lite-podslice", "tpu-v5e"),
        ("tpu-v5p-slice", "tpu-v5p"),
        ("trillium", "tpu-v6e"),
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
        ("TPU v5e-8", "tpu-v5e", 8),
        ("v5-lite-8", "tpu-v5e", 8),
        ("v5litepod-1", "tpu-v5e", 1),
        ("tpu-v5e-2x4", "tpu-v5e", 8),  # a topology counts chips, whatever the generation's names count
        ("v4-2x2x4", "tpu-v4", 16),
        ("trillium-16", "tpu-v6e", 16),
    ],
)
def test_tpu_slices_are_a_number_of_chips(typed: str, canonical: str, chips: float) -> None:
    assert resolve(typed, 1, KNOWN) == (canonical, chips)
    with pytest.raises(CatalogError, match="whole TPU slice"):
        resolve(typed, 2, KNOWN)


@pytest.mark.parametrize(
    ("typed", "slice_"), [("v5litepod-8", True), ("v5e-1", True), ("tpu-v5e", False), ("A100", False), ("v9-8", False)]
)
def test_a_slice_has_its_count_in_its_name(typed: str, slice_: bool) -> None:
    assert names_a_slice(typed, KNOWN) is slice_


@given(st.sampled_from(["tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e"]), st.integers(1, 512))
def test_slice_names_mean_their_chips(name: str, chips: int) -> None:
    assert resolve(slice_name(name, chips), 1, KNOWN) == (name, chips)


def test_what_is_no_slice_has_no_slices_name() -> None:
    assert slice_name("A100", 8) == ""


@pytest.mark.parametrize("typed", ["v5e-0", "tpu-v5e-999999999999", "v5e-0x4", "v4-9999x9999x9999", "gpu", "p5", ""])
def test_what_means_nothing_is_refused(typed: str) -> None:
    with pytest.raises(UnknownNameError):
        resolve(typed, 1, KNOWN)


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("trn2", "Trainium"),
        ("H100 NVL", "H100"),
        ("tpu-v7x", "tpu-v4"),
        ("A1000", "A100"),
        ("H10", "H100"),
        ("L40", "L40S"),
        ("zzz", ""),
        ("H100-40GB", "H100"),
    ],
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
