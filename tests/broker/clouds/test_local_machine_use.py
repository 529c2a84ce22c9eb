"""Instances on machines of this computer: in their namespaces, within their limits, ended with them."""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys
from collections.abc import Iterator

import msgspec
import pytest

from tests.broker.clouds.yards import end_all, needs_limits, needs_namespaces
from tradewind.broker.clouds.local.machines import Yard, offer_of
from tradewind.broker.clouds.local.provider import LocalProvider
from tradewind.broker.provider import ProviderError

pytestmark = needs_namespaces


@pytest.fixture
def yard(tmp_path: pathlib.Path) -> Iterator[Yard]:
    made = Yard(str(tmp_path))
    yield made
    end_all(made)


def stand(yard: Yard, count: int, memory_gib: float = 0.5) -> None:
    with yard.locked():
        yard.make_standing(count, "namespaces", vcpus=1, memory_gib=memory_gib)


def on_machines(yard: Yard, ask, rank: int = 0):
    return msgspec.structs.replace(ask(f"i-{rank}", rank=rank), offer=offer_of(yard.standing()[0]))


def test_an_instance_is_in_its_machines_namespaces_at_its_address(yard: Yard, tmp_path, ask, run) -> None:
    stand(yard, 2)
    provider = LocalProvider(str(tmp_path / "instances"))

    async def scenario() -> None:
        made = [await provider.launch(on_machines(yard, ask, rank), f"t{rank}") for rank in range(2)]
        assert [one.address for one in made] == [machine.address for machine in yard.standing()], (
            "in the order of ranks"
        )
        assert set(provider.machines_used()) == {"machine-1", "machine-2"}
        said = []
        for one in made:
            transport = await provider.connect(one)
            said.append(
                (await transport.run(["sh", "-c", "hostname; readlink /proc/self/ns/net; pwd"])).stdout.decode().split()
            )
        assert [words[0] for words in said] == ["machine-1", "machine-2"]
        assert len({words[1] for words in said} | {os.readlink("/proc/self/ns/net")}) == 3
        third = on_machines(yard, ask, 2)
        with pytest.raises(ProviderError, match="all 2 machines on this computer are taken") as full:
            await provider.launch(third, "t2")
        assert provider.classify(full.value).kind == "capacity"
        await provider.terminate(made[0].provider_id)
        again = await provider.launch(third, "t2")
        assert again.address == made[0].address, "what was given back is lent again"
        for one in (made[1], again):
            await provider.terminate(one.provider_id)
        assert provider.machines_used() == {}
        assert len(yard.standing()) == 2, "machines outlive their instances"

    run(scenario())


@needs_limits
def test_who_takes_more_memory_than_the_machine_has_is_killed(yard: Yard, tmp_path, ask, run) -> None:
    stand(yard, 1, memory_gib=0.1)
    provider = LocalProvider(str(tmp_path / "instances"))

    async def scenario() -> None:
        made = await provider.launch(on_machines(yard, ask), "t")
        transport = await provider.connect(made)
        little = await transport.run([sys.executable, "-S", "-c", "bytearray(1 << 20)"])
        much = await transport.run([sys.executable, "-S", "-c", "x = bytearray(400 << 20); x[::4096] = x[::4096]"])
        assert little.exit_code == 0
        assert much.exit_code == -9
        await provider.terminate(made.provider_id)

    run(scenario())


def test_an_instance_ends_with_its_machine_and_says_so(yard: Yard, tmp_path, ask, run) -> None:
    stand(yard, 1)
    provider = LocalProvider(str(tmp_path / "instances"))

    async def scenario() -> None:
        made = await provider.launch(on_machines(yard, ask), "t")
        watching = asyncio.create_task(provider.watch(made))
        with yard.locked():
            await asyncio.to_thread(yard.end, "machine-1")
        assert await watching == "its host process was killed"
        (seen,) = await provider.describe({})
        assert seen.state == "TERMINATED"
        await provider.terminate(made.provider_id)

    run(scenario())
