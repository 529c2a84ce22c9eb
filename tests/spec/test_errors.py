from __future__ import annotations

import copy
import pickle

from tradewind.spec import SpecError


def test_the_sentence_names_file_line_field_and_nearest_spelling() -> None:
    error = SpecError("train.yaml", 7, 3, "resources.acelerators", "unknown field", "accelerators")
    assert str(error) == "train.yaml:7:3: resources.acelerators: unknown field; did you mean 'accelerators'?"


def test_without_a_line_only_the_file_is_named() -> None:
    assert str(SpecError("train.yaml", 0, 0, "", "there is no such file")) == "train.yaml: there is no such file"


def test_it_travels_between_processes() -> None:
    error = SpecError("t.yaml", 2, 1, "run", "must be text", "")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert str(twin) == str(error)
        assert (twin.line, twin.column, twin.field) == (2, 1, "run")
