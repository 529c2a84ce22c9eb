"""A cluster on this machine through the real command line: launch, exec, status, logs, events, cancel, down."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

from tradewind.cli import exits

from .worlds import World

pytestmark = pytest.mark.end_to_end

HELLO = """
name: hello
resources:
  infra: local
envs:
  WHO: world
run: echo "hello $WHO from rank $TRADEWIND_NODE_RANK"
"""


@pytest.fixture(scope="module")
def cluster(world: World) -> World:
    (world.work / "hello.yaml").write_text(HELLO)
    ran = world.run("tradewind launch hello.yaml -c tea")
    assert ran.returncode == exits.OK, ran.stderr
    assert ran.stdout == "hello world from rank 0\n"
    assert ran.stderr.endswith("job 1 on tea: SUCCEEDED.\n")
    return world


def test_status_shows_it(cluster: World) -> None:
    shown = cluster.run("tradewind status")
    assert re.search(r"^tea +UP +1 +local", shown.stdout, re.MULTILINE), shown.stdout
    listed = json.loads(cluster.run("tradewind status --json").stdout)
    assert [(c["name"], c["state"]) for c in listed["clusters"]] == [("tea", "UP")]
    assert cluster.run("tradewind status coffee").returncode == exits.FAILED
    assert "SUCCEEDED" in cluster.run("tradewind queue tea").stdout
    assert "Jobs on tea" in cluster.run("tradewind status tea").stdout


def test_exec_runs_a_further_job_and_logs_come_back(cluster: World) -> None:
    ran = cluster.run("tradewind exec tea hello.yaml --env WHO=again")
    assert (ran.returncode, ran.stdout) == (exits.OK, "hello again from rank 0\n")
    newest = cluster.run("tradewind logs tea")
    assert (newest.returncode, newest.stdout) == (exits.OK, ran.stdout)
    first = cluster.run("tradewind logs tea 1 --no-follow --rank 0")
    assert (first.returncode, first.stdout) == (exits.OK, "hello world from rank 0\n")


def test_launch_on_a_cluster_that_is_up_buys_nothing(cluster: World) -> None:
    ran = cluster.run("tradewind launch hello.yaml -c tea")
    assert (ran.returncode, ran.stdout) == (exits.OK, "hello world from rank 0\n")
    assert "nothing is bought" in ran.stderr


def test_a_failing_job_is_exit_code_one_with_its_own_code(cluster: World) -> None:
    (cluster.work / "fail.yaml").write_text("run: echo before; exit 7\n")
    ran = cluster.run("tradewind exec tea fail.yaml")
    assert (ran.returncode, ran.stdout) == (exits.FAILED, "before\n")
    assert "FAILED" in ran.stderr
    assert "7" in ran.stderr


def test_ctrl_c_detaches_says_how_to_come_back_and_cancel_ends_it(cluster: World) -> None:
    (cluster.work / "long.yaml").write_text("run: echo started; sleep 300\n")
    with subprocess.Popen(
        ["tradewind", "exec", "tea", "long.yaml"],
        cwd=cluster.work, env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        executable=cluster.executable,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        assert following.stdout.readline() == "started\n"
        following.send_signal(signal.SIGINT)
        _, error = following.communicate(timeout=20)
    assert following.returncode == exits.INTERRUPTED
    back = re.search(r"tradewind logs tea (\d+)", error)
    assert back, error
    running = cluster.run(f"tradewind logs tea {back[1]} --no-follow")
    assert running.stdout == "started\n"
    assert cluster.run(f"tradewind cancel tea {back[1]}").returncode == exits.OK
    ended = cluster.run(back[0])
    assert ended.returncode == exits.FAILED
    assert "CANCELLED" in ended.stderr


def test_a_daemon_killed_while_output_is_followed_is_not_noticed(cluster: World) -> None:
    (cluster.work / "count.yaml").write_text('run: for i in 1 2 3 4 5 6; do echo "line $i"; sleep 0.4; done\n')
    pid = json.loads(cluster.run("tradewind api status --json").stdout)["pid"]
    with subprocess.Popen(
        ["tradewind", "exec", "tea", "count.yaml"],
        cwd=cluster.work, env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        executable=cluster.executable,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        assert following.stdout.readline() == "line 1\n"
        os.kill(pid, signal.SIGKILL)
        rest, error = following.communicate(timeout=40)
    assert rest == "".join(f"line {i}\n" for i in range(2, 7))
    assert following.returncode == exits.OK, error
    assert json.loads(cluster.run("tradewind api status --json").stdout)["pid"] != pid


def test_a_terminal_is_asked_and_no_means_no(cluster: World) -> None:
    ran = cluster.typed("tradewind down tea", "n\n")
    assert "End tea and everything on it? [y/N]: " in ran
    assert "not confirmed; nothing was done." in ran
    assert "UP" in cluster.run("tradewind status tea").stdout


def test_events_are_the_timeline(cluster: World) -> None:
    facts = json.loads(cluster.run("tradewind events tea --json").stdout)
    kinds = [fact["kind"] for fact in facts if fact["subject"] == "cluster/tea"]
    assert kinds[0] == "planned"
    assert "up" in kinds
    lines = cluster.run("tradewind events tea").stdout.splitlines()
    assert len(lines) == len(facts)


def test_asking_needs_a_terminal_or_yes(cluster: World) -> None:
    ran = cluster.run("tradewind down tea")
    assert ran.returncode == exits.BAD_INPUT
    assert (
        ran.stderr
        == "tradewind: nobody is here to confirm this (stdin is no terminal); nothing was done. Pass -y to go ahead.\n"
    )


def test_a_cloud_without_a_provider_is_refused_before_anything_is_bought(cluster: World) -> None:
    (cluster.work / "aws.yaml").write_text("resources:\n  infra: aws\nrun: echo\n")
    ran = cluster.run("tradewind launch aws.yaml -y")
    assert ran.returncode == exits.NO_PLAN
    assert "--rehearse" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_what_is_not_there(cluster: World) -> None:
    for line in (
        "logs nowhere",
        "exec nowhere hello.yaml",
        "cancel nowhere --all",
        "down nowhere -y",
        "events nowhere",
    ):
        ran = cluster.run(f"tradewind {line}")
        assert ran.returncode == exits.FAILED, line
        assert "nowhere" in ran.stderr
        assert ran.stderr.count("\n") == 1


def test_down_leaves_nothing(cluster: World) -> None:
    ran = cluster.run("tradewind down tea -y")
    assert (ran.returncode, ran.stdout) == (exits.OK, "tea: down; nothing of it is left.\n")
    assert cluster.run("tradewind status").stdout == "No cluster is up.\n"
    assert list((cluster.data_dir / "instances").iterdir()) == []
    assert cluster.run("tradewind events tea").returncode == exits.OK
