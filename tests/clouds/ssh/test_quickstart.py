"""A new user with two machines of their own, word by word from docs/clouds/ssh.md: real hosts, the installed command line, a real daemon."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from clouds.fresh_environment import as_told_by, imports
from clouds.lab.namespaces import SSHD_CONFIG, Host, Lab
from clouds.person import Person
from tests.broker.real import until
from tradewind.broker.provision.ssh_keys import KeyRing

PAGE = (pathlib.Path(__file__).resolve().parents[3] / "docs" / "clouds" / "ssh.md").read_text()
TWO_PORTS = {"/etc/ssh/lab_sshd_config": (SSHD_CONFIG + "Port 22\nPort 2222\n", 0o644)}


@pytest.fixture
def hosts(lab: Lab, tmp_path: pathlib.Path) -> Iterator[list[Host]]:
    """The two machines that the page lists."""
    keys = KeyRing(str(tmp_path / "keys"))
    made = [
        lab.host(
            (f"192.168.1.{n}",),
            user="ada",
            authorized=(keys.login().public,),
            host_key=keys.host(f"m{n}").private,
            files=TWO_PORTS,
        )
        for n in (20, 21)
    ]
    for host in made:
        host.wait_ssh()
    yield made
    for host in made:
        host.remove()


@pytest.fixture
def person(hosts: list[Host], tmp_path: pathlib.Path) -> Iterator[Person]:
    """Ada, who has logged in to her machines before and has written the page's list."""
    keys = KeyRing(str(tmp_path / "keys"))
    with Person(tmp_path / "ada") as person:
        (person.home / ".ssh").mkdir(mode=0o700)
        shutil.copy(keys.private_path, person.home / ".ssh" / "id_ed25519")
        known = [f"192.168.1.20 {keys.host('m20').public}", f"[192.168.1.21]:2222 {keys.host('m21').public}"]
        (person.home / ".ssh" / "known_hosts").write_text("\n".join(known) + "\n")
        (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
        (person.data / "ssh_machines.yaml").write_text(shown)
        yield person


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where Ada's pip has put tradewind."""
    return as_told_by(PAGE, tmp_path_factory.mktemp("ada") / "env")


def types(person: Person, programs: pathlib.Path, line: str, typed: str = "y\n", exit_code: int = 0) -> str:
    """What the line shows at a terminal where `typed` is typed."""
    ours, theirs = pty.openpty()
    try:
        running = subprocess.Popen(
            ["sh", "-c", line],
            env={**person.environment, "PATH": f"{programs}:{os.environ['PATH']}"},
            cwd=person.home,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        os.write(ours, typed.encode())
        said, _ = running.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert running.returncode == exit_code, f"{line}: exit {running.returncode}\n{said}\n{person.log()}"
    return said


def left_on(host: Host) -> list[str]:
    """What tradewind still has there beside its environments."""
    inside = host.seed / "disk" / "home" / "ada" / ".tradewind"
    return [p.name for p in inside.iterdir() if not p.name.startswith(("env", "wheels"))] if inside.exists() else []


@pytest.mark.end_to_end
@pytest.mark.timeout(150)
def test_the_page_word_by_word(person: Person, programs: pathlib.Path, hosts: list[Host]) -> None:
    assert imports(programs, ["boto3", "google.cloud.compute_v1", "azure.identity", "asyncssh"]) == ["asyncssh"]
    (block,) = re.findall(r"```\n(tradewind .*?)```", PAGE, re.DOTALL)
    said = {}
    for line in block.strip().splitlines():
        command = line.split()[1]
        typed = "echo I stand in $PWD on $(hostname)\nexit\n" if command == "ssh" else "y\n"
        said[command] = types(person, programs, line, typed)
        if command == "launch":
            _while_it_is_up(person, hosts)
    assert re.search(r"ok +192\.168\.1\.20: \S+, free", said["check"])
    assert re.search(r"ok +big-one: \S+, free", said["check"])
    assert "desks" in said["plan"]
    assert "hello from" in said["launch"]
    assert re.search(r"/ada/\.tradewind/instances/hello-\S+workdir", said["exec"])
    assert "/.tradewind/instances/hello-" in said["logs"]  # the last job: what exec ran
    assert re.search(r"I stand in /\S+/ada/\.tradewind/instances/hello-\S+ on tw", said["ssh"])
    assert "nothing of it is left" in said["down"]
    assert [left_on(host) for host in hosts] == [[], []]


def _while_it_is_up(person: Person, hosts: list[Host]) -> None:
    """What the rest of the page says of a cluster that is up."""
    (one,) = [host for host in hosts if left_on(host)]
    assert "lent to hello" in person.says("check", "ssh")
    refused = person.says("stop", "hello", "-y", exit_code=1)
    assert (
        "hello cannot be stopped: machines of your own are not switched off by tradewind; nothing was done" in refused
    )
    assert "UP" in person.says("status", "-r")
    costs = json.loads(person.says("cost-report", "--json"))
    assert [cost["cluster"] for cost in costs] == ["hello"]
    assert (costs[0]["usd"] > 0) == (one.addresses[0] == "192.168.1.21")  # the one with a price
    person.says("ssh", "--include", "hello")
    plain = ["ssh", "-F", str(person.home / ".ssh" / "config"), "hello", "id", "-un"]
    assert subprocess.run(plain, env=person.environment, capture_output=True, check=True).stdout == b"ada\n"
    if shutil.which("rsync"):
        (person.home / "there.txt").write_text("from the desk\n")
        person.says("rsync", "there.txt", "hello:workdir/")
        assert "from the desk" in person.says("exec", "hello", "cat there.txt")
        person.says("rsync", "hello:workdir/there.txt", "back.txt")
        assert (person.home / "back.txt").read_text() == "from the desk\n"


@pytest.mark.end_to_end
@pytest.mark.timeout(150)
def test_a_gang_takes_both_and_the_next_is_told_who_has_them(person: Person, hosts: list[Host]) -> None:
    list_of = person.data / "ssh_machines.yaml"
    list_of.write_text(list_of.read_text().replace("      price: 0.35\n", ""))  # alike in price too
    said = person.says(
        "launch", "--infra", "ssh/desks", "--num-nodes", "2", "-c", "both", "-y", "echo rank $TRADEWIND_NODE_RANK"
    )
    assert "rank 0" in said
    assert "rank 1" in said
    refused = person.says("launch", "--infra", "ssh/desks", "-c", "late", "-y", "true", exit_code=1)
    assert "192.168.1.20 is lent to both" in refused
    assert "big-one is lent to both" in refused
    person.says("autostop", "both", "--idle-minutes", "0")
    until("they are given back", lambda: [left_on(host) for host in hosts] == [[], []], person.log)
