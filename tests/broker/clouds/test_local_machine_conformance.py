"""The local provider with a machine for every instance (`isolation: namespaces`), held to what every provider must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.broker.clouds.test_local_conformance import LocalWorld
from tests.broker.clouds.test_local_conformance import TestLocalConformance as _Conformance
from tests.broker.clouds.yards import end_all, left_of, needs_namespaces
from tradewind.broker.clouds.local.machines import Yard
from tradewind.broker.clouds.local.provider import LocalProvider


class MachineWorld(LocalWorld):
    """This computer's machines: network, limits and files of each count as held."""

    def __init__(self, data_dir: str) -> None:
        super().__init__(f"{data_dir}/instances")
        self.can = self.can | {"leftovers"}
        self.yard = Yard(data_dir)

    def provider(self) -> LocalProvider:
        return LocalProvider(self.root, refuses=self.refuses, isolation=lambda: "namespaces")

    def held(self) -> list[str]:
        return [*super().held(), *left_of(self.yard)]


@needs_namespaces
class TestLocalMachineConformance(_Conformance):
    @pytest.fixture
    def world(self, tmp_path) -> Iterator[MachineWorld]:
        made = MachineWorld(str(tmp_path))
        yield made
        end_all(made.yard)
