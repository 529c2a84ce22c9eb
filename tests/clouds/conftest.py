"""What most tests of the clouds have: hosts on this computer, three accounts that they stand in, and daemons that start fast."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.estate import Estate, open_estate
from clouds.lab.namespaces import Lab, open_lab
from tests.broker.nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Daemons are forked from one process: each alone would take seconds of a processor to import the vendors' libraries."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Hosts in network namespaces; the test is skipped where there can be none."""
    with open_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        yield lab


@pytest.fixture
def estate(lab: Lab, nursery: Nursery, tmp_path: pathlib.Path) -> Iterator[Estate]:
    """Accounts at three clouds whose instances are such hosts, and a daemon to be started; nothing may be held there in the end."""
    with open_estate(tmp_path, lab, nursery) as estate:
        yield estate
