"""Calm under bad luck, through the real command line: one clear sentence, or full recovery; never a traceback."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import tempfile
import time

import pytest

from tradewind.broker.server.socket_path import socket_path
from tradewind.cli import exits

from .worlds import World

pytestmark = pytest.mark.end_to_end
HERE = "run: echo ran\nresources: {infra: local}\n"
mounts = pytest.mark.skipif(
    os.geteuid() != 0
    or subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0,
    reason="small disks and read-only ones are mounted, which needs root and mount namespaces",
)


def one_sentence(ran: subprocess.CompletedProcess[str]) -> str:
    """What was said: a single line on stderr that is no traceback."""
    lines = [line for line in ran.stderr.splitlines() if line.startswith("tradewind: ")]
    assert len(lines) == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    return lines[0]


def apart(world: World, mount: str, line: str) -> subprocess.CompletedProcess[str]:
    """The shell line in a mount namespace of its own, after `mount`; whatever daemon it starts is stopped in it."""
    script = f"{mount}\n{line}\ncode=$?\ntradewind api stop >/dev/null 2>&1\nexit $code"
    (world.work / "apart.sh").write_text(script)
    return world.run("unshare --mount bash apart.sh", timeout=120)


@mounts
def test_a_home_that_is_read_only_plans_and_refuses_to_buy(world: World, tmp_path: pathlib.Path) -> None:
    (world.work / "here.yaml").write_text(HERE)
    own = f"export HOME={tmp_path} XDG_CACHE_HOME= TRADEWIND_DATA_DIR=\nmount --bind {tmp_path} {tmp_path}\nmount -o remount,bind,ro {tmp_path}"
    planned = apart(world, own, "tradewind plan here.yaml --infra aws --cpus 2+")
    assert planned.returncode == exits.OK, planned.stderr
    assert "aws" in planned.stdout
    refused = apart(world, own, "tradewind launch here.yaml -c a -y")
    assert refused.returncode == exits.UNREACHABLE
    assert "the data directory cannot be written" in one_sentence(refused)
    assert "set TRADEWIND_DATA_DIR to a writable place" in refused.stderr


@mounts
def test_a_full_disk_is_told_before_anything_is_started(world: World, tmp_path: pathlib.Path) -> None:
    (world.work / "here.yaml").write_text(HERE)
    small = f"export TRADEWIND_DATA_DIR={tmp_path}/data\nmount -t tmpfs -o size=1m none {tmp_path}\nmkdir -m 700 {tmp_path}/data\n"
    fill = f"head -c 2000000 /dev/zero > {tmp_path}/data/filler 2>/dev/null\n"
    ran = apart(world, small + fill, "tradewind launch here.yaml -c a -y")
    assert ran.returncode == exits.UNREACHABLE, ran.stderr
    assert "make room on that disk" in one_sentence(ran) or "look at that disk" in one_sentence(ran)


@mounts
def test_a_disk_that_fills_while_a_job_prints_ends_nothing(world: World, tmp_path: pathlib.Path) -> None:
    (world.work / "prints.yaml").write_text(
        "resources: {infra: local}\nrun: head -c 30000000 /dev/zero | tr '\\0' x | fold -w 99; echo printed all\n"
    )
    small = f"export TRADEWIND_DATA_DIR={tmp_path}/data\nmount -t tmpfs -o size=24m none {tmp_path}\nmkdir -m 700 {tmp_path}/data"
    line = (
        "tradewind launch prints.yaml -c a -y -d || exit 1\n"
        f"for i in $(seq 600); do [ $(df --output=avail {tmp_path} | tail -1) -lt 100 ] && break; sleep 0.1; done\n"
        f"df --output=avail {tmp_path} | tail -1; tradewind status\n"
        f"rm -rf {tmp_path}/data/instances/*/*/logs/*\ntradewind status && tradewind down a -y"
    )
    ran = apart(world, small, line)
    assert "Traceback" not in ran.stderr
    assert "a: down; nothing of it is left." in ran.stdout, ran.stderr
    assert int(ran.stdout.splitlines()[1]) < 100, "the disk was never full"


@mounts
def test_a_disk_too_full_for_a_checkpoint_ends_nothing_and_the_last_good_one_stays(
    world: World, tmp_path: pathlib.Path
) -> None:
    kept = f"{tmp_path}/data/checkpoints/1/rank-0"
    steps = [
        "cd $TRADEWIND_CHECKPOINT_DIR",
        "head -c 15000000 /dev/zero > a.part && mv a.part a",
        f"for i in $(seq 300); do find {kept} -size +14M 2>/dev/null | grep -q . && break; sleep 0.1; done",
        "head -c 12000000 /dev/zero > b.part && mv b.part b",
        f"for i in $(seq 600); do [ -e {tmp_path}/seen ] && break; sleep 0.1; done",
        "rm b; echo done",
    ]
    script = "\n".join(f"  {step}" for step in steps)
    (world.work / "saves.yaml").write_text(f"resources: {{infra: local, cpus: 1+}}\nrun: |\n{script}\n")
    small = f"export TRADEWIND_DATA_DIR={tmp_path}/data\nmount -t tmpfs -o size=44m none {tmp_path}\nmkdir -m 700 {tmp_path}/data"
    line = (
        f"tradewind jobs launch saves.yaml -y -d && tradewind jobs logs 1 | while read said; do echo $said; "
        f"case $said in *'could not be kept'*) touch {tmp_path}/seen;; esac; done; find {kept} -size +9M -printf '%s\\n'"
    )
    ran = apart(world, small, line)
    assert ran.returncode == exits.OK, ran.stderr
    assert re.search(r"checkpoint b could not be kept in .*: No space left on device", ran.stdout), ran.stdout
    assert ran.stdout.endswith("done\n15000000\n"), ran.stdout


@mounts
def test_a_catalog_that_finds_no_room_lives_in_memory(world: World, tmp_path: pathlib.Path) -> None:
    (world.work / "any.yaml").write_text("run: x\n")
    own = f"mount -t tmpfs -o size=64k none {tmp_path}\nexport XDG_CACHE_HOME={tmp_path}"
    ran = apart(world, own, "tradewind plan any.yaml --cpus 2+")
    assert ran.returncode == exits.OK, ran.stderr
    assert "USD" in ran.stdout


def test_no_home_is_no_obstacle(world: World) -> None:
    (world.work / "any.yaml").write_text("run: x\n")
    ran = world.run("env -u HOME -u XDG_CACHE_HOME tradewind plan any.yaml --cpus 2+")
    assert ran.returncode == exits.OK, ran.stderr
    ran = world.run("HOME=/nonexistent XDG_CACHE_HOME= TRADEWIND_DATA_DIR= tradewind status")
    assert (ran.returncode, ran.stderr) == (exits.OK, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is played, which needs root")
def test_another_users_data_is_refused(world: World) -> None:
    nobody = f"setpriv --reuid 65534 --regid 65534 --clear-groups {world.executable}"
    if world.run(f"HOME=/tmp {nobody} --version").returncode != 0:
        pytest.skip("nobody may not read this environment")
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        pathlib.Path(directory).chmod(0o755)
        data = f"HOME=/tmp TRADEWIND_DATA_DIR={directory}/data"
        assert world.run(f"{data} tradewind api start").returncode == exits.OK
        ran = world.run(f"{data} {nobody} status")
        world.run(f"{data} tradewind api stop")
        assert ran.returncode in {exits.UNREACHABLE, exits.BAD_INPUT}, ran.stdout
        assert f"{directory}/data" in one_sentence(ran)


def daemon_pid(world: World) -> int:
    return int(
        world.run(
            "tradewind api status --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"pid\"])'"
        ).stdout
    )


def test_a_stopped_daemon_is_waited_for_and_then_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.run("tradewind api start").returncode == exits.OK
    pid = daemon_pid(world)
    os.kill(pid, signal.SIGSTOP)
    try:
        with subprocess.Popen(
            [world.executable, "status"], env=world.env, stdout=subprocess.PIPE, text=True
        ) as waiting:
            time.sleep(0.5)  # it has asked by now; if not, it is answered all the same
            os.kill(pid, signal.SIGCONT)
            assert waiting.stdout is not None
            assert "No cluster is up." in waiting.stdout.read()
        os.kill(pid, signal.SIGSTOP)
        from tradewind.broker.server import client

        monkeypatch.setattr(client, "GREET_DEADLINE_S", 0.5)
        with pytest.raises(
            client.DaemonUnreachable, match=rf"process {pid}\) listens and has not answered .*kill -CONT {pid}"
        ):
            client.DaemonClient.connect(str(world.data_dir))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert world.run("tradewind status").returncode == exits.OK


@pytest.mark.parametrize(
    ("damage", "says"),
    [("garbage", "file is not a database; move it away to start anew"), ("locked", "database is locked; another program holds it"),
     ("newer", "was written by a newer version of tradewind")],
)  # fmt: skip
def test_a_record_that_cannot_be_used_is_one_sentence(
    world: World, tmp_path: pathlib.Path, damage: str, says: str
) -> None:
    data = tmp_path / "data"
    start = f"TRADEWIND_DATA_DIR={data} tradewind api start"
    assert world.run(f"{start} && TRADEWIND_DATA_DIR={data} tradewind api stop").returncode == exits.OK
    record = data / "record.sqlite"
    holder = sqlite3.connect(record)
    if damage == "garbage":
        holder.close()
        record.write_bytes(b"garbage" * 1000)
    elif damage == "locked":
        holder.execute("BEGIN EXCLUSIVE")
    else:
        with holder:
            holder.execute("UPDATE meta SET value = 999 WHERE key = 'schema'")
    ran = world.run(start, timeout=60)
    holder.close()
    assert ran.returncode == exits.UNREACHABLE
    assert says in one_sentence(ran)
    assert not os.path.exists(socket_path(str(data)))


@pytest.fixture(scope="module")
def cup(world: World) -> World:
    """A cluster called cup."""
    ran = world.run("tradewind launch --infra local -c cup -- true")
    assert ran.returncode == exits.OK, ran.stderr
    return world


def test_a_hundred_megabytes_without_a_newline(cup: World) -> None:
    ran = cup.run("tradewind exec cup -- \"head -c 100000000 /dev/zero | tr '\\\\0' x\" | wc -c", timeout=120)
    assert ran.stdout.strip() == "100000000", ran.stderr


def test_binary_output_comes_as_it_is(cup: World) -> None:
    ran = cup.run("tradewind exec cup -- \"printf '\\\\377\\\\000\\\\033[31m\\\\n'\" | od -An -tx1")
    assert ran.stdout.split() == ["ff", "00", "1b", "5b", "33", "31", "6d", "0a"], ran.stderr


def test_users_modules_beside_the_task_break_nothing(cup: World) -> None:
    work = cup.work / "modules"
    work.mkdir()
    for name in ("optimizer", "runtime", "tradewind_runtime", "catalog", "asyncio", "logging"):
        (work / f"{name}.py").write_text("raise RuntimeError('this is the user\\'s own module')\n")
    (work / "main.yaml").write_text(
        "workdir: .\nresources: {infra: local}\nrun: ls optimizer.py && python -P -c 'import tradewind.runtime as r; print(r.__name__)'\n"
    )
    ran = cup.run(
        "cd modules && tradewind launch main.yaml -c cup && tradewind plan main.yaml >/dev/null && tradewind status >/dev/null"
    )
    assert (ran.returncode, ran.stdout) == (exits.OK, "optimizer.py\ntradewind.runtime\n"), ran.stderr


@pytest.mark.parametrize(
    "locale", ["LC_ALL=C PYTHONUTF8=0 PYTHONIOENCODING=ascii", "LC_ALL=POSIX PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"]
)
def test_a_terminal_without_utf_8(cup: World, locale: str) -> None:
    (cup.work / "umlaut.yaml").write_text(
        "envs: {WHO: Zoë}\nresources: {infra: local}\nrun: echo grüße $WHO\n", encoding="utf-8"
    )
    ran = cup.run(f"{locale} tradewind exec cup umlaut.yaml")
    assert (ran.returncode, ran.stdout) == (exits.OK, "grüße Zoë\n"), ran.stderr
    for command in ("validate umlaut.yaml", "plan umlaut.yaml", "status", "--help", "events cup"):
        ran = cup.run(f"{locale} tradewind {command}")
        assert (ran.returncode, "Traceback" in ran.stderr) == (exits.OK, False), ran.stderr


def test_what_ignores_sigterm_and_what_forks_daemons_is_gone_after_down(cup: World) -> None:
    deaf = "trap '' TERM HUP INT; (setsid bash -c \\\"trap '' TERM; sleep 271.5\\\" &) ; while :; do sleep 271.5; done"
    assert cup.run(f'tradewind exec cup -d -- "{deaf}"').returncode == exits.OK
    find = "pgrep -xf 'sleep 271.5' | wc -l"
    assert (
        cup.run(
            f"for i in $(seq 300); do [ $({find}) -ge 2 ] && break; sleep 0.1; done; {find}", timeout=60
        ).stdout.strip()
        == "2"
    )
    assert cup.run("tradewind cancel cup --all", timeout=60).returncode == exits.OK
    assert (
        cup.run(
            f"for i in $(seq 300); do [ $({find}) = 0 ] && break; sleep 0.1; done; {find}", timeout=60
        ).stdout.strip()
        == "0"
    )
    left = "(setsid bash -c 'exec -a tw-left-over sleep 272.5' >/dev/null 2>&1 &); (setsid setsid sleep 272.5 &); sleep 272.5; true"
    assert cup.run(f'tradewind exec cup -d -- "{left}"').returncode == exits.OK
    find = "pgrep -f '[2]72.5' | wc -l"
    assert (
        int(
            cup.run(f"for i in $(seq 300); do [ $({find}) -ge 3 ] && break; sleep 0.1; done; {find}", timeout=90).stdout
        )
        >= 3
    )
    assert cup.run("tradewind down cup -y", timeout=60).stdout == "cup: down; nothing of it is left.\n"
    assert cup.run(find).stdout.strip() == "0"
