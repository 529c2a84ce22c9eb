"""What `make live-aws` and its like do, against the fakes: the way there and back, and that they never cost more than their limit."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clouds.estate import Estate, open_estate
from clouds.fakes.aws.world import offer
from clouds.lab.namespaces import ROOT, open_lab
from clouds.shell import purchases

PROGRAM = os.path.join(ROOT, "tools", "live.py")
_spec = importlib.util.spec_from_file_location("live", PROGRAM)
assert _spec is not None
assert _spec.loader is not None
live = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(live)


@contextlib.contextmanager
def estate_with(tmp_path: pathlib.Path, lab: bool) -> Iterator[Estate]:
    with contextlib.ExitStack() as stack:
        machines = stack.enter_context(open_lab(tmp_path / "lab")) if lab else None
        yield stack.enter_context(open_estate(tmp_path, machines))


def travels(estate: Estate, *more: str, cloud: str = "aws", exit_code: int = 0, **environment: str) -> str:
    settings = os.path.join(estate.data_dir, "clouds.yaml")
    done = subprocess.run(
        [sys.executable, PROGRAM, cloud, "--catalog", estate.catalog, "--settings", settings, *more],
        env={**os.environ, **estate.environment(), "TMPDIR": str(estate.directory), **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == exit_code, done.stdout
    return done.stdout


@given(price=st.floats(0, 1e4), minutes=st.floats(0.1, 1e4))
def test_no_price_is_taken_that_could_cost_more(price: float, minutes: float) -> None:
    assert (live.refusal(price, minutes) == "") == (live.most_usd(price, minutes) <= live.LIMIT_USD)
    highest = live.highest_price(minutes)
    assert live.most_usd(highest, minutes) == pytest.approx(live.LIMIT_USD)


def test_there_and_back(tmp_path: pathlib.Path) -> None:
    with estate_with(tmp_path, lab=True) as estate:
        said = travels(estate)
        assert "the disk is the same" in said
        assert "live-aws: works\n" in said
        assert estate.held() == []
        assert not list(tmp_path.glob("tradewind-live-*"))


def test_without_credentials_it_is_skipped(tmp_path: pathlib.Path) -> None:
    with estate_with(tmp_path, lab=False) as estate:
        said = travels(estate, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
        assert "live-aws: skipped: no credentials here: aws configure" in said
        assert purchases(estate) == 0


def test_a_machine_that_could_cost_more_than_the_limit_is_refused(tmp_path: pathlib.Path) -> None:
    with estate_with(tmp_path, lab=False) as estate:
        estate.write_catalog((offer(price_ondemand_usd_h=3.06),))
        said = travels(estate, exit_code=2)
        assert "live-aws: refused: the cheapest plan costs 3.06 USD/h: up to 2.05 USD in 40 minutes" in said
        assert purchases(estate) == 0


def test_when_its_time_is_over_nothing_is_left(tmp_path: pathlib.Path) -> None:
    with estate_with(tmp_path, lab=False) as estate:  # nobody ever answers by SSH
        said = travels(estate, "--minutes", "0.1", exit_code=1)
        assert "failed: `tradewind launch` took more than" in said
        assert "live-aws: nothing is left" in said
        assert purchases(estate) > 0
        assert estate.held() == []
