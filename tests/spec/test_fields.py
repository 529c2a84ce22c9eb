from __future__ import annotations

import pytest

from tradewind.spec.fields import RESOURCE_FIELDS, SHARED_RESOURCE_FIELDS, TASK_FIELDS, nearest


@pytest.mark.parametrize(
    ("typed", "meant"), [("acelerators", "accelerators"), ("Use-Spot", "use_spot"), ("cpu", "cpus"), ("zzzzzz", "")]
)
def test_the_nearest_field(typed: str, meant: str) -> None:
    assert nearest(typed, RESOURCE_FIELDS) == meant


def test_each_field_stands_once() -> None:
    assert len(set(TASK_FIELDS)) == len(TASK_FIELDS)
    assert len({*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS}) == len(RESOURCE_FIELDS) + len(SHARED_RESOURCE_FIELDS)
