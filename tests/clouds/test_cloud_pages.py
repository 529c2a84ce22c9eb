"""The clouds' pages: each quickstart is walked word by word against its cloud's test server, the settings they show are read."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import msgspec
import pytest

from clouds.estate import OFFERS, Estate, open_estate
from clouds.lab.namespaces import Lab, open_lab
from tests.cli.test_docs import lines_of
from tradewind.broker.clouds.registry import entry
from tradewind.cli.main import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "clouds"
CLOUDS = ("aws", "gcp", "azure")
WALK = ("check", "plan", "launch", "exec", "logs", "ssh", "stop", "start", "autostop", "down")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        yield lab


@pytest.fixture
def estate(lab: Lab, tmp_path: pathlib.Path) -> Iterator[Estate]:
    with open_estate(tmp_path, lab) as estate:
        yield estate


class Reader:
    """Somebody who types what the page shows, at a bash, logged in at every cloud."""

    def __init__(self, estate: Estate, directory: pathlib.Path) -> None:
        self._directory = directory
        self._environment = {
            **os.environ,
            **estate.environment(),
            "TRADEWIND_DATA_DIR": estate.data_dir,
            "PATH": f"{pathlib.Path(sys.executable).parent}:{estate.environment()['PATH']}",
        }

    def types(self, line: str) -> str:
        """What the line prints; it must succeed."""
        done = subprocess.run(
            ["bash", "-c", line], cwd=self._directory, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=150,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout


@pytest.mark.timeout(400)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_quickstart_word_by_word(estate: Estate, tmp_path: pathlib.Path, cloud: str) -> None:
    (tmp_path / "work").mkdir()
    reader = Reader(estate, tmp_path / "work")
    (offer,) = [one for one in OFFERS if one.cloud == cloud]  # what the fake sells is what this person gets cheapest
    (tmp_path / "work" / "mine.csv").write_text(
        "cloud,region,zone,instance_type,price_ondemand_usd_h\n"
        f"{cloud},{offer.region},{offer.zone},{offer.instance_type},0.001\n"
    )
    reader.types("tradewind catalog import mine.csv")
    try:
        said = {line.split()[1]: reader.types(line) for line in lines_of(f"docs/clouds/{cloud}.md")}
    finally:
        reader.types("tradewind down --all -y; tradewind api stop")
    assert tuple(name for name in said if name != ">") == WALK
    assert f"{cloud}: works" in said["check"]
    assert offer.instance_type in said["plan"]
    host = said["ssh"].strip()
    assert host
    assert host != os.uname().nodename
    for name, word in {"launch": "hello from", "logs": "hello from", "exec": "and again from"}.items():
        assert f"{word} {host}" in said[name]
    assert "nothing of it is left" in said["down"]
    assert estate.held() == []


@pytest.mark.parametrize("cloud", [*CLOUDS, "ssh"])
def test_the_extra_brings_what_logs_in_to_machines(cloud: str) -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (needed,) = [line for line in document["project"]["optional-dependencies"]["dev"] if line.startswith("asyncssh")]
    assert needed in document["project"]["optional-dependencies"][cloud]


@pytest.mark.parametrize("cloud", ["gcp", "azure"])
def test_settings_are_read(cloud: str) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)```", (DOCS / f"{cloud}.md").read_text(), re.DOTALL | re.MULTILINE)
    shown = [msgspec.yaml.decode(block) for block in blocks]
    (settings,) = [block[cloud] for block in shown if cloud in block]
    kind = entry(cloud).Settings
    assert set(settings) <= set(kind.__struct_fields__)
    msgspec.convert(settings, kind)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_commands_exist(cloud: str, capsys) -> None:
    for line in lines_of(f"docs/clouds/{cloud}.md"):
        if not line.startswith("tradewind "):
            continue
        command = line.split()[1]
        assert run([command, "--help"]) == 0, line
        said = capsys.readouterr().out
        for option in re.findall(r" (--?[a-z-]+)", line):
            assert option in said, f"{command} has no {option}"
