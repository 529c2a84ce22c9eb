"""`tradewind.checkpoint`, as a training script uses it."""

from __future__ import annotations

import os
import pathlib
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewind import checkpoint


@pytest.fixture(autouse=True)
def where(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEWIND_CHECKPOINT_DIR", str(tmp_path / "c"))
    return tmp_path / "c"


def test_five_lines(where):
    start, state = checkpoint.latest() or (0, {"weights": np.zeros(3)})
    for step in range(start + 1, start + 6):
        state = {"weights": state["weights"] + step}
        checkpoint.save(step, state)
    step, state = checkpoint.latest()
    assert step == 5
    assert state["weights"].tolist() == [15.0] * 3
    assert sorted(os.listdir(where)) == [f"step-00000000000{n}.npz" for n in (3, 4, 5)]


def test_without_an_agent_it_is_a_folder_here(tmp_path, monkeypatch):
    monkeypatch.delenv("TRADEWIND_CHECKPOINT_DIR")
    monkeypatch.chdir(tmp_path)
    checkpoint.save(1, {"x": 1})
    assert checkpoint.directory() == str(tmp_path / "checkpoints")
    assert checkpoint.latest() == (1, {"x": 1})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5, alphabet="abcfile_/."),
        st.one_of(st.integers(), st.text(), st.lists(st.floats(allow_nan=False))),
    )
)
def test_any_picklable_state(state):
    checkpoint.save("any", state)
    assert checkpoint.latest() == ("any", state)


def test_arrays_are_not_pickled_and_keep_kind_and_names(where):
    state = {
        "file": np.arange(6, dtype=np.int8).reshape(2, 3),
        "allow_pickle": np.array(1.5),
        "b": np.array(["x", "yz"]),
    }
    path = checkpoint.save(7, state)
    assert path == str(where / "step-000000000007.npz")
    step, back = checkpoint.latest()
    assert step == 7
    assert sorted(back) == sorted(state)
    for name, value in state.items():
        assert back[name].dtype == value.dtype
        assert back[name].shape == value.shape
        assert (back[name] == value).all()


def test_objects_among_arrays_are_pickled():
    state = {"a": np.array([None, "x"], dtype=object), "n": 3}
    assert checkpoint.save(1, state).endswith(".pkl")
    assert checkpoint.latest()[1]["n"] == 3


def test_the_same_name_as_arrays_and_then_not(where):
    checkpoint.save("best", {"w": np.zeros(1)})
    checkpoint.save("best", {"w": 1})
    assert os.listdir(where) == ["best.pkl"]
    assert checkpoint.latest() == ("best", {"w": 1})


@pytest.mark.parametrize("damage", ["cut", "rot", "empty"])
@pytest.mark.parametrize("state", [{"w": np.arange(1000.0)}, {"w": list(range(1000))}], ids=["arrays", "pickle"])
def test_a_damaged_one_is_passed_over(where, capsys, damage, state):
    checkpoint.save(1, state)
    path = checkpoint.save(2, state)
    content = pathlib.Path(path).read_bytes()
    with open(path, "wb") as file:
        if damage == "cut":
            file.write(content[: len(content) // 2])
        elif damage == "rot":
            file.write(b"\0" * 64 + content[64:] if path.endswith(".pkl") else content[:500] + b"\xff" + content[501:])
    assert checkpoint.latest()[0] == 1
    assert "trying the one before it" in capsys.readouterr().err


def test_a_failed_save_leaves_the_earlier_one_and_no_rubbish(where):
    checkpoint.save(1, {"x": 1})
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        checkpoint.save(2, {"x": lambda: None})
    assert os.listdir(where) == ["step-000000000001.pkl"]


def test_numbers_go_before_names_and_keep_none_keeps_all(where):
    checkpoint.save("best", {"x": 0})
    for step in range(5):
        checkpoint.save(step, {"x": step}, keep=None)
    assert checkpoint.latest() == (4, {"x": 4})
    assert len(os.listdir(where)) == 6


@pytest.mark.parametrize(("name", "keep"), [(-1, 3), ("../x", 3), ("", 3), (".x", 3), ("x.tmp", 3), (1, 0)])
def test_what_makes_no_sense_is_refused(name, keep):
    with pytest.raises(ValueError):
        checkpoint.save(name, {"x": 1}, keep=keep)


def test_nothing_yet():
    assert checkpoint.latest() is None
