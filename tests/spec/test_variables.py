"""`envs`: what no process could be given is refused where it is written."""

from __future__ import annotations

import pytest

from tests.spec.reading import read, refusal
from tradewind.spec.variables import MAX_ENVS_BYTES, MAX_VARIABLE_BYTES, too_large


def test_one_that_fits_and_one_byte_more() -> None:
    fits = "x" * (MAX_VARIABLE_BYTES - len("BIG") - 2)
    assert read(f"run: x\nenvs: {{BIG: {fits}}}\n").envs["BIG"] == fits
    assert "BIG has 131,073 bytes, and Linux gives a process at most 131,072 in one" in refusal(
        f"run: x\nenvs: {{BIG: {fits}x}}\n"
    )


def test_a_list_is_the_text_that_python_shows() -> None:
    """SkyPilot hands over str() of what YAML reads; a task that is checked with it here finds the same there."""
    assert read("envs: {A: [1, x], B: {c: null}}\n").envs == {"A": "[1, 'x']", "B": "{'c': None}"}


@pytest.mark.parametrize("count", [17, 100])
def test_ten_megabytes_in_all(count: int) -> None:
    """A task file has at most one; flags, Python and the API could hand over any number."""
    said = too_large({f"V{number}": "x" * 100_000 for number in range(count)})
    assert said.endswith(
        f"and {MAX_ENVS_BYTES:,} is what every Linux gives a process; put them into a file of the workdir"
    )
