"""Bad input gets one clear sentence and its exit code, from the real command line, before anything is started or bought."""

from __future__ import annotations

import pytest

from tradewind.cli import exits

from .worlds import World

FILES = {
    "unknown field": (
        "resoruces:\n  cpus: 4\nrun: echo\n",
        "t.yaml:1:1: resoruces: unknown field; did you mean 'resources'?",
    ),
    "wrong type": ("num_nodes: many\nrun: echo\n", "t.yaml:1:12: num_nodes:"),
    "missing workdir": ("workdir: ./nowhere\nrun: echo\n", "nowhere does not exist"),
    "a name that climbs": ("name: ../etc\nrun: echo\n", "t.yaml:1:7: name:"),
    "a tab": ("resources:\n\tcpus: 4\n", "t.yaml:2"),
    "empty": ("", "t.yaml"),
}

# SkyPilot reads these and refuses them when it launches.
AT_LAUNCH = {"missing workdir", "a name that climbs"}


@pytest.mark.parametrize("what", sorted(AT_LAUNCH))
def test_validate_tells_what_a_launch_will_say(world: World, what: str) -> None:
    text, says = FILES[what]
    (world.work / "t.yaml").write_text(text)
    ran = world.run("COLUMNS=1000 tradewind validate t.yaml")
    assert (ran.returncode, ran.stderr) == (exits.OK, "")
    assert any(line.startswith("  at launch: t.yaml:1:") and says in line for line in ran.stdout.splitlines())


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (command, what)
        for command in ("validate", "plan", "launch -y", "jobs launch -y --rehearse")
        for what in FILES
        if command != "validate" or what not in AT_LAUNCH
    ],
)
def test_a_wrong_file_is_one_sentence(world: World, what: str, command: str) -> None:
    text, says = FILES[what]
    (world.work / "t.yaml").write_text(text)
    ran = world.run(f"tradewind {command} t.yaml")
    assert ran.returncode == exits.BAD_INPUT, ran.stderr
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not world.data_dir.exists(), "a wrong file started a daemon"


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        ("--gpus A100:7", exits.NO_PLAN, "A100"),
        ("--cpus 100000", exits.NO_PLAN, ""),
        ("--gpus A1000:1", exits.BAD_INPUT, "A1000"),
        ("--infra awz", exits.BAD_INPUT, "aws"),
        ("--catalog nowhere.csv", exits.BAD_INPUT, "nowhere.csv"),
    ],
)
def test_what_no_catalog_sells(world: World, flags: str, code: int, says: str) -> None:
    (world.work / "ok.yaml").write_text("run: echo\n")
    ran = world.run(f"tradewind plan ok.yaml {flags}")
    assert ran.returncode == code, ran.stderr
    assert says in ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr


def test_unknown_commands_and_missing_arguments(world: World) -> None:
    assert "did you mean `status`?" in world.run("tradewind statsu").stderr
    ran = world.run("tradewind plan")
    assert ran.returncode == exits.BAD_INPUT
    assert "name a task file" in ran.stderr
