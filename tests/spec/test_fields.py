from __future__ import annotations

import pytest

from tradewind.spec.fields import RESOURCE_FIELDS, RESOURCE_FIELDS_TO_COME, TASK_FIELDS, TASK_FIELDS_TO_COME, nearest


@pytest.mark.parametrize(
    ("typed", "meant"), [("acelerators", "accelerators"), ("Use-Spot", "use_spot"), ("cpu", "cpus"), ("zzzzzz", "")]
)
def test_the_nearest_field(typed: str, meant: str) -> None:
    assert nearest(typed, RESOURCE_FIELDS) == meant


def test_no_field_is_both_there_and_to_come() -> None:
    assert not TASK_FIELDS_TO_COME & set(TASK_FIELDS)
    assert not RESOURCE_FIELDS_TO_COME & set(RESOURCE_FIELDS)
