"""What the machine says of its accelerators: nvidia-smi as a script on PATH that prints what the real one prints."""

from __future__ import annotations

import pathlib

import pytest

from tradewind.agent import accelerators
from tradewind.agent.protocol import Accelerators, Device, FindAccelerators

# What the real tool prints where its kernel module is not loaded (exit code 9), docs.nvidia.com/deploy/nvidia-smi, "Return value".
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running."
)


@pytest.fixture
def nvidia_smi(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    """Puts one there that prints this and exits so."""
    monkeypatch.setattr(accelerators, "_TPU_FILES", (f"{tmp_path}/accel[0-9]*",))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def put(printed: str, code: int = 0) -> None:
        (tmp_path / "bin" / "nvidia-smi").write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{printed}END\nexit {code}\n")
        (tmp_path / "bin" / "nvidia-smi").chmod(0o755)

    return put


def test_none_where_there_is_no_tool(nvidia_smi) -> None:
    assert accelerators.find() == Accelerators(devices=())


def test_one_line_a_device(nvidia_smi, tmp_path: pathlib.Path) -> None:
    nvidia_smi("NVIDIA H100 80GB HBM3, 81559\nNVIDIA H100 80GB HBM3, 81559\nNVIDIA GB10, [N/A]\n")
    (tmp_path / "accel0").touch()
    assert accelerators.find().devices == (
        Device("gpu", "NVIDIA H100 80GB HBM3", 79.6),
        Device("gpu", "NVIDIA H100 80GB HBM3", 79.6),
        Device("gpu", "NVIDIA GB10", None),
        Device("tpu", f"{tmp_path}/accel0"),
    )


def test_a_driver_that_is_not_loaded_is_the_trouble(nvidia_smi) -> None:
    nvidia_smi(NO_DRIVER + "\n", 9)
    found = accelerators.find()
    assert found.devices == ()
    assert found.trouble == f"nvidia-smi failed: {NO_DRIVER}"


def test_a_tool_that_hangs_is_given_up(nvidia_smi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "_TIMEOUT_S", 0.1)
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    assert accelerators.find().trouble == "nvidia-smi gave no answer in 0.1 s"


def test_an_agent_answers(nvidia_smi, agent, run) -> None:
    nvidia_smi("Tesla T4, 15360\n")

    async def scenario() -> None:
        client = await agent.connect()
        found = await client.call(FindAccelerators())
        assert found.devices[0] == Device("gpu", "Tesla T4", 15.0)
        await client.close()

    run(scenario())
