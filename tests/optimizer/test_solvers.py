"""Every solver, and every road through one, gives the same optimum of the same program."""

from __future__ import annotations

import math
import pickle
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.optimizer.errors import SolverFailed
from tradewind.optimizer.solvers import HighsArrays, IntegerProgram, PulpSolver, Row, highs, pulp_model


def random_program(seed: int, largest: int = 6) -> IntegerProgram:
    """Classes of jobs over places with shared quotas whose coefficients differ: relaxations that are seldom whole."""
    rng = random.Random(seed)
    classes, places = rng.randint(2, largest), rng.randint(2, largest)
    sizes = [rng.randint(1, 3) for _ in range(classes)]
    nodes = [rng.randint(1, 7) for _ in range(classes)]
    columns = classes * places
    rows = [
        Row(tuple(range(k * places, (k + 1) * places)), (1.0,) * places, float(sizes[k]), float(sizes[k]))
        for k in range(classes)
    ]
    for p in range(places):
        load = sum(s * n for s, n in zip(sizes, nodes, strict=True))
        quota = rng.randint(max(1, load // places - 2), load)
        rows.append(Row(tuple(range(p, columns, places)), tuple(float(n) for n in nodes), upper=float(quota)))
    costs = tuple(rng.choice([1.0, 2.0, 2.5, 3.0, 7.0]) * nodes[j // places] for j in range(columns))
    upper = tuple(float(sizes[j // places]) for j in range(columns)) if max(sizes) > 1 else ()
    return IntegerProgram(costs, tuple(rows), 0, upper)


def cost(program: IntegerProgram, chosen) -> float:
    return sum(program.costs[j] for j in chosen)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_the_core_is_as_good_as_the_whole(seed):
    program = random_program(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(highs, "FEW_COLUMNS", 0)
        patch.setattr(highs, "FIRST_COLUMNS_A_ROW", 1)
        core = HighsArrays().solve(program, 60)
    whole = HighsArrays()._search(highs.load_highspy(), program, 60)
    assert core.status == whole.status
    assert cost(program, core.chosen) == pytest.approx(cost(program, whole.chosen), rel=1e-9)
    if core.chosen:
        assert core.bound == pytest.approx(cost(program, core.chosen), rel=1e-9)
        # no solution may undercut what its columns' reduced costs promise
        assert all(
            cost(program, whole.chosen) >= core.relaxed + core.reduced[j] - 1e-6 for j in whole.chosen if core.reduced
        )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_all_solvers_agree(seed):
    program = random_program(seed, largest=4)  # CBC takes seconds over some larger ones
    found = [s.solve(program, 60) for s in (HighsArrays(), PulpSolver("HiGHS"), PulpSolver("CBC"))]
    assert len({s.status for s in found}) == 1
    assert [cost(program, s.chosen) for s in found] == pytest.approx([cost(program, found[0].chosen)] * 3, rel=1e-9)


def test_names_what_answered():
    program = IntegerProgram((1.0, 2.0), (Row((0, 1), (1.0, 1.0), 1.0, 1.0),))
    assert [s.solve(program, 60).solver for s in (HighsArrays(), PulpSolver("HiGHS"), PulpSolver("CBC"))] == [
        "HiGHS",
        "HiGHS through PuLP",
        "CBC through PuLP",
    ]


def test_infeasible_is_proven():
    program = IntegerProgram((1.0,), (Row((0,), (1.0,), lower=2.0),))
    assert {s.solve(program, 60).status for s in (HighsArrays(), PulpSolver("HiGHS"), PulpSolver("CBC"))} == {
        "infeasible"
    }


def test_missing_libraries_are_an_answer_for_the_chain(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "highspy", None)
    monkeypatch.setitem(__import__("sys").modules, "pulp", None)
    program = IntegerProgram((1.0,), (Row((0,), (1.0,), 1.0, 1.0),))
    for solver in (HighsArrays(), PulpSolver()):
        with pytest.raises(SolverFailed, match="reinstall tradewind"):
            solver.solve(program, 60)


def test_a_missing_cbc_program_says_how_to_get_one(monkeypatch):
    import pulp

    monkeypatch.setattr(pulp.apis.coin_api, "pulp_cbc_path", "/nowhere/cbc")
    monkeypatch.setenv("PATH", "/nowhere")
    program = IntegerProgram((1.0,), (Row((0,), (1.0,), 1.0, 1.0),))
    with pytest.raises(SolverFailed, match=r"pulp\[cbc\]"):
        pulp_model.PulpSolver("CBC").solve(program, 60)


def test_errors_pickle():
    error = pickle.loads(pickle.dumps(SolverFailed("CBC", "it crashed")))
    assert (error.solver, error.why) == ("CBC", "it crashed")
    assert math.isinf(Row((0,), (1.0,)).upper)


def test_a_search_tells_its_gap_and_answers_the_same() -> None:
    rng = random.Random(3)
    rows = tuple(
        Row(tuple(range(30)), tuple(float(rng.randint(1, 99)) for _ in range(30)), 500.0, 530.0) for _ in range(4)
    )
    program = IntegerProgram(tuple(float(rng.randint(1, 99)) for _ in range(30)), rows)
    gaps: list[float] = []
    told = HighsArrays(gaps.append).solve(program, 60.0)
    assert told == HighsArrays().solve(program, 60.0)
    assert told.status == "optimal"
    found = [gap for gap in gaps if gap != math.inf]
    assert found
    assert gaps[-len(found) :] == found, "what is found stays found"
    assert all(0 <= gap <= 1 for gap in found)
    assert found[-1] < gaps[0]
