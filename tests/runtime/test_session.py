from __future__ import annotations

import os
import subprocess
import sys

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import environment


def run(script: str, *, stdin: bool = False, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-"] if stdin else [sys.executable, "-c", script]
    return subprocess.run(
        command,
        input=script if stdin else None,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        cwd=cwd,
        check=False,
    )


def test_init_twice_is_an_error_unless_that_is_fine() -> None:
    ray.init(num_cpus=1)
    with pytest.raises(RuntimeError, match="twice"):
        ray.init()
    ray.init(ignore_reinit_error=True)
    assert ray.is_initialized()
    ray.shutdown()
    ray.shutdown()
    assert not ray.is_initialized()


def test_start_and_stop_again_and_again_leave_nothing() -> None:
    for _ in range(3):
        ray.init(num_cpus=1)
        ray.shutdown()
        assert not ray.is_initialized()


def test_importing_is_light() -> None:
    script = "import sys, tradewind.runtime; print([m for m in ('numpy', 'grpc', 'cryptography', 'asyncio', 'msgspec') if m in sys.modules])"
    assert run(script).stdout.strip() == "[]"


def test_one_node_needs_neither_grpc_nor_tls_nor_a_port() -> None:
    script = """
import os, sys
import tradewind.runtime as ray
ray.init(num_cpus=1)
@ray.remote
def look():
    return [name for name in ("grpc", "cryptography", "sqlite3") if name in sys.modules], os.getppid()
loaded, template = ray.get(look.remote())
daemon = int(open(f"/proc/{template}/stat").read().rpartition(")")[2].split()[1])
maps = open(f"/proc/{daemon}/maps").read()
print(loaded, [n for n in ("grpc", "cryptography") if n in sys.modules], "cygrpc" in maps)
inodes = {os.readlink(f"/proc/{daemon}/fd/{fd}") for fd in os.listdir(f"/proc/{daemon}/fd")}
tcp = [line.split()[9] for line in open("/proc/net/tcp").read().splitlines()[1:]]
print([i for i in tcp if f"socket:[{i}]" in inodes])
"""
    assert run(script).stdout.split("\n")[:2] == ["[] [] False", "[]"]


def test_scripts_from_standard_input_and_functions_of_main() -> None:
    script = "import tradewind.runtime as ray\nclass K:\n    x = 4\n@ray.remote\ndef f(k):\n    return k.x + K.x\nray.init(num_cpus=1)\nprint(ray.get(f.remote(K())))\n"
    assert run(script, stdin=True).stdout.strip() == "8"
    assert run(script).stdout.strip() == "8"


def test_modules_beside_the_script(tmp_path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 11\ndef double(x):\n    return 2 * x\n")
    (tmp_path / "script.py").write_text(
        "import beside\nimport tradewind.runtime as ray\n@ray.remote\ndef f():\n    import beside as again\n    return beside.double(again.VALUE)\n"
        "ray.init(num_cpus=1)\nprint(ray.get(f.remote()), ray.get(ray.remote(beside.double).remote(3)))\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        cwd="/",
        check=False,
    )
    assert done.stdout.strip() == "22 6"


def test_what_workers_print_reaches_the_driver_with_its_origin() -> None:
    script = """
import os, sys
import tradewind.runtime as ray
ray.init(num_cpus=1)
@ray.remote
def speak():
    print("hello")
    print("trouble", file=sys.stderr)
    os.system("echo from a child")
    return os.getpid()
pid = ray.get(speak.remote())
import time; time.sleep(0.3)
print(pid)
"""
    done = run(script)
    pid = done.stdout.strip().split("\n")[-1]
    assert f"(speak pid={pid}, node=" in done.stdout
    assert ") hello" in done.stdout
    assert ") from a child" in done.stdout
    assert ") trouble" in done.stderr


def test_a_forked_child_is_no_driver() -> None:
    ray.init(num_cpus=1)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if not ray.is_initialized() else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert ray.get(ray.remote(abs).remote(-3), timeout=20) == 3
    ray.shutdown()


def test_wrong_addresses_are_said_plainly(monkeypatch) -> None:
    with pytest.raises(ConnectionError, match="unix:"):
        ray.init("10.0.0.1:6379")
    monkeypatch.setenv("TRADEWIND_ADDRESS", "unix:/nowhere/at/all")
    with pytest.raises(ConnectionError, match="/nowhere/at/all"):
        ray.init()
    with pytest.raises(ValueError, match="pip"):
        ray.init("local", runtime_env={"pip": ["x"]})


def test_environment_variables_for_workers() -> None:
    ray.init(num_cpus=1, runtime_env={"env_vars": {"COLOUR": "green"}})
    assert ray.get(ray.remote(lambda: os.environ["COLOUR"]).remote(), timeout=20) == "green"
    ray.shutdown()


def test_resources_are_told() -> None:
    ray.init(num_cpus=3, resources={"special": 2})
    assert ray.cluster_resources()["special"] == 2
    assert ray.available_resources()["CPU"] == 3
    (node,) = ray.nodes()
    assert node["Alive"]
    assert node["Resources"]["CPU"] == 3
    ray.shutdown()
