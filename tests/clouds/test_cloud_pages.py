"""The clouds' pages: each quickstart is walked word by word against its cloud's test server, the settings they show are read."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import tomllib

import msgspec
import pytest

from clouds.estate import OFFERS, Estate
from clouds.fresh_environment import as_told_by, imports
from clouds.lab.strangers import opened_to_the_world
from tests.broker.real import until
from tests.cli.test_docs import lines_of
from tradewind.broker.clouds.registry import entry
from tradewind.cli.main import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "clouds"
CLOUDS = ("aws", "gcp", "azure")
SDKS = {"aws": "boto3", "gcp": "google.cloud.compute_v1", "azure": "azure.mgmt.compute"}
PORT = 8080
WALK = ("check", "plan", "launch", "exec", "logs", "ssh", "stop", "start", "autostop", "down")


class Reader:
    """Somebody who types what the page shows, at a bash, logged in at every cloud; `programs` is where pip has put tradewind for them."""

    def __init__(self, estate: Estate, directory: pathlib.Path, programs: pathlib.Path) -> None:
        self._directory = directory
        self._environment = {
            **os.environ,
            **estate.environment(),
            "TRADEWIND_DATA_DIR": estate.data_dir,
            "PATH": f"{programs}:{estate.environment()['PATH']}",
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
    programs = as_told_by((DOCS / f"{cloud}.md").read_text(), tmp_path / "env")
    assert imports(programs, [SDKS[cloud], "asyncssh", *SDKS.values()]) == [SDKS[cloud], "asyncssh", SDKS[cloud]]
    reader = Reader(estate, tmp_path / "work", programs)
    (offer,) = [one for one in OFFERS if one.cloud == cloud]  # what the fake sells is what this person gets cheapest
    (tmp_path / "work" / "mine.csv").write_text(
        "cloud,region,zone,instance_type,price_ondemand_usd_h\n"
        f"{cloud},{offer.region},{offer.zone},{offer.instance_type},0.001\n"
    )
    reader.types("tradewind catalog import mine.csv")
    machines = estate.rooms[cloud].machines
    try:
        said = {}
        for line in lines_of(f"docs/clouds/{cloud}.md"):
            command = line.split()[1]
            said[command] = reader.types(line)
            if command == "exec":
                opened_to_the_world(estate.machine(cloud), PORT, lambda: reader.types(f"tradewind ports hello {PORT}"))
                reader.types("tradewind ssh hello 'echo on the disk >kept'")
            elif command == "stop":
                until("it is switched off", lambda: not any(one.alive() for one in machines.values()))
            elif command == "start":
                assert reader.types("tradewind ssh hello cat kept") == "on the disk\n"
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
