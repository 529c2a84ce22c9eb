"""The pages of Google Cloud and Azure: the settings they show are read, the commands they show exist."""

from __future__ import annotations

import pathlib
import re

import msgspec
import pytest

from tradewind.broker.clouds.registry import entry
from tradewind.cli.main import run

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "clouds"


@pytest.mark.parametrize("cloud", ["gcp", "azure"])
def test_settings_are_read(cloud: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / f"{cloud}.md").read_text(), re.DOTALL)
    shown = [msgspec.yaml.decode(block) for block in blocks]
    (settings,) = [block[cloud] for block in shown if cloud in block]
    kind = entry(cloud).Settings
    assert set(settings) <= set(kind.__struct_fields__)
    msgspec.convert(settings, kind)


@pytest.mark.parametrize("cloud", ["gcp", "azure"])
def test_commands_exist(cloud: str, capsys) -> None:
    fenced = "".join(re.findall(r"```\n(.*?)```", (DOCS / f"{cloud}.md").read_text(), re.DOTALL))
    for line in re.findall(r"^ *(tradewind .*)$", fenced, re.MULTILINE):
        command = line.split()[1]
        assert run([command, "--help"]) == 0, line
        said = capsys.readouterr().out
        for option in re.findall(r" (--?[a-z-]+)", line):
            assert option in said, f"{command} has no {option}"
