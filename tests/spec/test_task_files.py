"""A folder of task files over every field and form that SkyPilot's users write, and ours.

Those in `tasks/accepted` are read, and their normal forms are frozen in `tasks/accepted.yaml`. Those in `tasks/refused` are refused, each with the
place and the sentence frozen in `tasks/refused.yaml`. After a change that is meant: `python -m tests.spec.test_task_files` writes both anew.
"""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
import yaml

from tradewind.spec import SpecError, load_workload, normal_forms
from tradewind.spec.fields import RESOURCE_FIELDS, SHARED_RESOURCE_FIELDS, TASK_FIELDS

TASKS = pathlib.Path(__file__).parent / "tasks"
ACCEPTED, REFUSED = sorted((TASKS / "accepted").glob("*.yaml")), sorted((TASKS / "refused").glob("*.yaml"))


def normal(path: pathlib.Path) -> list[dict[str, object]]:
    return normal_forms(load_workload(str(path), base_dir="/"))


def refusal(path: pathlib.Path) -> dict[str, Any]:
    """What the refusal says, and where it points."""
    with pytest.raises(SpecError) as caught:
        load_workload(str(path), base_dir="/")
    error = caught.value
    assert error.file == str(path)
    assert str(error).startswith(str(path))
    said = str(error).removeprefix(str(path))
    return {
        "line": error.line,
        "column": error.column,
        "field": error.field,
        "says": said.partition(": ")[2],
        "nearest": error.suggestion,
    }


def frozen(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((TASKS / name).read_text()))


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_accepted_reads_as_it_did(path: pathlib.Path) -> None:
    assert normal(path) == frozen("accepted.yaml")[path.name]


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_what_is_refused_is_told_as_it_was(path: pathlib.Path) -> None:
    assert refusal(path) == frozen("refused.yaml")[path.name]


def test_every_field_is_in_some_file() -> None:
    texts = "\n".join(path.read_text() for path in ACCEPTED)
    assert [name for name in (*TASK_FIELDS, *RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS) if f"{name}:" not in texts] == []


if __name__ == "__main__":
    (TASKS / "accepted.yaml").write_text(
        yaml.safe_dump({p.name: normal(p) for p in ACCEPTED}, sort_keys=False, width=140, allow_unicode=True)
    )
    (TASKS / "refused.yaml").write_text(
        yaml.safe_dump({p.name: refusal(p) for p in REFUSED}, sort_keys=False, width=140, allow_unicode=True)
    )
