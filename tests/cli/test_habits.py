"""What SkyPilot's users type: commands in place of files, flags over every field, secrets, files of variables."""

from __future__ import annotations

import json
import pathlib
import re
import sys
from collections.abc import Iterator

import pytest

from tradewind.cli import exits

from .worlds import World

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def tea(world: World) -> Iterator[World]:
    """A cluster called tea, brought up by a bare command."""
    ran = world.run("tradewind launch --infra local -c tea -- echo up as '$TRADEWIND_CLUSTER'")
    assert (ran.returncode, ran.stdout) == (exits.OK, "up as tea\n"), ran.stderr
    return world


def test_a_command_stands_for_a_file(tea: World) -> None:
    assert tea.run("tradewind exec tea 'echo one; echo two'").stdout == "one\ntwo\n"
    assert tea.run("tradewind exec -c tea echo three").stdout == "three\n"
    assert tea.run("tradewind exec tea -- ls -d /tmp").stdout == "/tmp\n"
    planned = tea.run("tradewind launch --infra local --dryrun -- echo no")
    assert (planned.returncode, planned.stdout) == (exits.OK, "")
    assert "nothing was bought or started" in planned.stderr
    assert [c["name"] for c in json.loads(tea.run("tradewind status --json").stdout)["clusters"]] == ["tea"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("exec tea", "name the cluster, then a task file or a command"),
        ("launch --dryrun hello", "did you mean `hello.yaml`?"),
        ("launch --dryrun hello.yaml more", "hello.yaml is a task file, and 'more' stands behind it"),
        ("launch --dryrun missing.yaml", "missing.yaml: there is no such file"),
        ("jobs launch --rehearse", "name a task file or a command"),
        ("launch --dryrun --disk-size lots hello.yaml", "--disk-size: resources.disk_size"),
        ("launch --dryrun --git-ref main hello.yaml", "--git-ref: workdir: is no git repository; name one with --git-url"),
        ("launch --dryrun --env-file vars.env hello.yaml", "vars.env:2 is no NAME=VALUE."),
        ("launch --dryrun --secret TOKEN=abc hello.yaml", "a value on the command line can be read by others"),
    ],
)  # fmt: skip
def test_what_is_no_task_is_one_sentence(tea: World, line: str, says: str) -> None:
    (tea.work / "hello.yaml").write_text("resources: {infra: local}\nrun: echo hello\n")
    (tea.work / "vars.env").write_text("A=1\nnothing at all\n")
    ran = tea.run(f"tradewind {line}")
    assert ran.returncode == exits.BAD_INPUT, ran.stderr
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_variables_come_from_files_and_flags(tea: World) -> None:
    (tea.work / "some.env").write_text("# ours\nexport A=1\nB='two words' # said\nC=\"x\\ty\"\n\nD=bare # no\n")
    shown = tea.run("tradewind exec tea --env-file some.env --env A=9 'echo \"$A|$B|$C|$D\"'").stdout
    assert shown == "9|two words|x\ty|bare\n"


def test_secrets_reach_a_clusters_job_and_its_output_shows_stars(tea: World) -> None:
    (tea.work / "more.env").write_text("OTHER=fromfile\n")
    line = "TOKEN=correcthorse tradewind exec tea --secret TOKEN --secret-file more.env -- 'echo $TOKEN $OTHER; echo ${#TOKEN}'"
    ran = tea.run(line)
    assert ran.stdout == "************ ********\n12\n", ran.stderr
    (tea.work / "needs.yaml").write_text("secrets: {TOKEN: null}\nrun: echo $TOKEN\n")
    assert "TOKEN is not set here" in tea.run("tradewind exec tea needs.yaml").stderr
    (tea.work / "written.yaml").write_text("secrets: {TOKEN: '', OTHER: battery}\nrun: 'echo \"[$TOKEN]\" ${#OTHER}'\n")
    assert tea.run("tradewind exec tea written.yaml").stdout == "[] 7\n"
    over = tea.run(
        "TOKEN=horse tradewind exec tea written.yaml --secret TOKEN; tradewind plan written.yaml --infra local"
    )
    assert over.stdout.startswith("[*****] 7\n"), over.stderr
    asked = tea.typed("tradewind exec tea needs.yaml", "correcthorse\n", after="(not shown): ")
    assert "TOKEN (not shown): " in asked
    assert "************" in asked
    assert "correcthorse" not in asked
    kept = [path for path in tea.data_dir.rglob("*") if path.is_file() and "instances" not in path.parts]
    assert not [path for path in kept if b"correcthorse" in path.read_bytes()]


def test_no_setup_and_a_name_of_its_own(tea: World) -> None:
    (tea.work / "set.yaml").write_text("setup: echo setting up\nrun: echo running\n")
    assert tea.run("tradewind launch set.yaml -c tea").stdout == "setting up\nrunning\n"
    assert tea.run("tradewind launch set.yaml -c tea --no-setup -n mine").stdout == "running\n"
    assert json.loads(tea.run("tradewind queue tea --json").stdout)[-1]["name"] == "mine"


def test_ports_are_open_at_launch_and_shown_with_labels(tea: World) -> None:
    (tea.work / "web.yaml").write_text(
        "resources: {infra: local, ports: 8765, labels: {team: weather}}\n"
        "run: timeout 60 python3 -m http.server 8765 --bind $TRADEWIND_NODE_IPS >/dev/null 2>&1 & sleep 60\n"
    )
    assert tea.run("tradewind launch web.yaml -c web -d").returncode == exits.OK
    answers = f'{sys.executable} -c \'import sys, http.client as h; h.HTTPConnection(sys.argv[1].rpartition(chr(47))[2]).request("GET", "/")\''
    shown = tea.run(
        f"for i in $(seq 200); do url=$(tradewind ports web) && {answers} $url && echo $url && break; sleep 0.2; done",
        timeout=120,
    ).stdout
    assert shown.endswith(":8765\n"), shown
    (found,) = [c for c in json.loads(tea.run("tradewind status --json").stdout)["clusters"] if c["name"] == "web"]
    assert (found["ports"], found["labels"]) == ([8765], {"team": "weather"})
    assert tea.run("tradewind ports web 9000").stdout == shown.replace("8765", "9000")
    assert tea.run("tradewind status web --endpoint 8765").stdout == shown
    assert tea.run("tradewind status web --endpoints").stdout == shown + shown.replace("8765", "9000")
    assert tea.run("tradewind status web --ip").stdout == shown.replace(":8765", "")
    assert "port 1 of web is not open" in tea.run("tradewind status web --endpoint 1").stderr
    assert tea.run("tradewind ports tea").stdout == "tea has no open port.\n"
    assert tea.run("tradewind down web -y").returncode == exits.OK


def test_a_cluster_that_ends_with_its_last_job(tea: World) -> None:
    ran = tea.run("tradewind launch --infra local -c brief --down -y -- echo once")
    assert (ran.returncode, ran.stdout) == (exits.OK, "once\n"), ran.stderr
    gone = tea.run(
        "for i in $(seq 300); do tradewind status brief >/dev/null 2>&1 || break; sleep 0.2; done; tradewind status brief",
        timeout=120,
    )
    assert "there is no cluster brief" in gone.stderr


def test_skypilots_variables_are_set_beside_ours(tea: World) -> None:
    show = "env | grep ^SKYPILOT_ | sort | cut -d= -f1 | tr '\\n' ' '; echo"
    (tea.work / "vars.yaml").write_text(f"setup: |\n  {show}\nrun: |\n  {show}\n  echo $SKYPILOT_CLUSTER_INFO\n")
    setup, run, info = tea.run("tradewind launch vars.yaml -c tea").stdout.splitlines()
    plain = {
        "CLUSTER_INFO",
        "INTERNAL_JOB_ID",
        "NODE_IPS",
        "NODE_RANK",
        "NUM_GPUS_PER_NODE",
        "NUM_NODES",
        "TASK_ID",
        "USER",
    }
    assert {name.removeprefix("SKYPILOT_") for name in run.split()} == plain
    assert {name.removeprefix("SKYPILOT_SETUP_") for name in setup.split() if "_SETUP_" in name} == {
        "NODE_IPS",
        "NODE_RANK",
        "NUM_GPUS_PER_NODE",
    }
    assert json.loads(info) == {"cluster_name": "tea", "cloud": "local", "region": "local", "zone": "local"}


def test_what_was_begun_is_told_as_json(tea: World) -> None:
    begun = json.loads(tea.run("tradewind exec tea --json -- sleep 0.1").stdout)
    assert begun["cluster"] == "tea"
    assert tea.run(f"tradewind logs tea {begun['job_id']}").returncode == exits.OK
    assert json.loads(tea.run("tradewind launch -c tea --json -- true").stdout)["job_id"] == begun["job_id"] + 1
    assert json.loads(tea.run("tradewind jobs launch --cpus 2+ --use-spot --rehearse --json -- true").stdout) == {
        "job_id": 1
    }
    assert tea.run("tradewind jobs logs 1").returncode == exits.OK


def test_aliases_and_small_flags(tea: World) -> None:
    tea.run("tradewind exec tea -n counts 'seq 100'")
    assert tea.run("tradewind logs tea --tail 2").stdout == "99\n100\n"
    (kept,) = tea.run("tradewind logs tea --sync-down").stdout.splitlines()
    assert pathlib.Path(kept).read_text() == "".join(f"{number}\n" for number in range(1, 101))
    refused = tea.run("mkdir -p closed && cd closed && mkdir tea-1.log && tradewind logs tea 1 -s")
    assert (refused.returncode, "is a directory" in refused.stderr) == (exits.FAILED, True)
    status = tea.run("tradewind logs tea --status")
    assert (status.returncode, status.stdout) == (exits.OK, "")
    assert "SUCCEEDED" in status.stderr
    assert "tea has no unfinished job." in tea.run("tradewind queue tea -s").stdout
    assert re.search(r"^tea +UP", tea.run("tradewind ls").stdout, re.MULTILINE)
    assert tea.run("tradewind jobs ls").returncode == exits.OK
    assert tea.run("tradewind start --all").stdout == "No cluster is stopped.\n"
    assert "name the clusters, or --all." in tea.run("tradewind stop -y").stderr
    refused = tea.run("tradewind stop --all -y")
    assert (refused.returncode, "run or end" in refused.stderr) == (exits.FAILED, True)


def test_a_repository_is_the_work_directory(tea: World) -> None:
    git = "git -c user.name=me -c user.email=me@example.org -C repo"
    made = tea.run(
        f"mkdir repo && git init -q repo && echo hello > repo/greeting && {git} add . && {git} commit -qm one"
    )
    assert made.returncode == exits.OK, made.stderr
    line = 'tradewind launch -c tea --git-url "file://$PWD/repo" -- "cat greeting; git log --format=%s"'
    ran = tea.run(line)
    assert ran.stdout == "hello\none\n", ran.stderr
    refused = tea.run('tradewind exec tea --git-url "file://$PWD/none" -- cat greeting')
    assert refused.returncode == exits.BAD_INPUT
    assert "the repository cannot be fetched with your git" in refused.stderr
