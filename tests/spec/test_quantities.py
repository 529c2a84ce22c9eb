"""Amounts as SkyPilot spells them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.spec.quantities import parse_accelerator, parse_count, parse_cpus, parse_memory
from tradewind.spec.task import AcceleratorRequest, Quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", Quantity(4)),
        ("4+", Quantity(4, at_least=True)),
        ("0.5+", Quantity(0.5, at_least=True)),
        (" 8 +", Quantity(8, at_least=True)),
    ],
)
def test_cpus(text: str, value: Quantity) -> None:
    assert parse_cpus(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16", Quantity(16)),
        ("16+", Quantity(16, at_least=True)),
        ("16GB", Quantity(16)),
        ("16gi", Quantity(16)),
        ("512MB", Quantity(0.5)),
        ("1TB+", Quantity(1024, at_least=True)),
        ("4x", Quantity(4, at_least=True, per_vcpu=True)),
    ],
)
def test_memory(text: str, value: Quantity) -> None:
    assert parse_memory(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A100", AcceleratorRequest("A100")),
        ("A100:8", AcceleratorRequest("A100", 8)),
        ("T4:0.5", AcceleratorRequest("T4", 0.5)),
        ("tpu-v4-8", AcceleratorRequest("tpu-v4-8")),
        ("RTX 4090:2", AcceleratorRequest("RTX 4090", 2)),
    ],
)
def test_accelerators(text: str, value: AcceleratorRequest) -> None:
    assert parse_accelerator(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "word"),
    [
        (parse_cpus, "4-8", "ranges"),
        (parse_cpus, "four", "no number of vCPUs"),
        (parse_cpus, "0", "above 0"),
        (parse_cpus, "-1", "no number"),
        (parse_cpus, "4x", "no number"),
        (parse_cpus, "nan", "no number"),
        (parse_cpus, "1e999", "out of range; it must be at most 1,000,000,000"),
        (parse_memory, "lots", "no amount of memory"),
        (parse_memory, "4XB", "no amount of memory"),
        (parse_memory, "0GB", "above 0"),
        (parse_memory, "9999999PB", "out of range"),
        (parse_accelerator, "A100:", "no accelerator"),
        (parse_accelerator, "A100:8:2", "no accelerator"),
        (parse_accelerator, ":8", "no accelerator"),
        (parse_accelerator, "NVIDIA:40GB+:", "no count"),
        (parse_count, "0", "above 0"),
        (parse_count, "1.5", "only one device can be shared"),
        (parse_count, "many", "no count"),
    ],
)
def test_nonsense_is_refused_with_what_to_write(parse, text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse(text)


@given(st.floats(0.001, 1e6), st.sampled_from(["", "+"]))
def test_a_number_reads_back_as_itself(value: float, suffix: str) -> None:
    assert parse_cpus(f"{value!r}{suffix}") == Quantity(value, at_least=bool(suffix))
    assert parse_memory(f"{value!r}{suffix}") == Quantity(value, at_least=bool(suffix))


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    for parse in (parse_cpus, parse_memory, parse_accelerator, parse_count):
        with contextlib.suppress(ValueError):
            parse(text)
