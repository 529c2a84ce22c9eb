from __future__ import annotations

import os
from pathlib import Path

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, eventually
from tradewind.runtime import exceptions, packages, session
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.values import Environment
from tradewind.runtime.runtime_env import RuntimeEnv, environment_of
from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy


@ray.remote
def variable(*names):
    return [os.environ.get(name) for name in names]


@ray.remote
def through(env):
    return ray.get(variable.options(runtime_env=env).remote("A", "B"))


@pytest.mark.usefixtures("cluster")
def test_variables_merge_from_parent_to_child_and_stay_with_their_task() -> None:
    with_a = {"env_vars": {"A": "1"}}
    assert ray.get(variable.options(runtime_env=with_a).remote("A", "B"), timeout=20) == ["1", None]
    assert ray.get(variable.remote("A", "B"), timeout=20) == [None, None]
    assert ray.get(through.options(runtime_env=with_a).remote({"env_vars": {"B": "2"}}), timeout=20) == ["1", "2"]
    assert ray.get(through.options(runtime_env=with_a).remote({"env_vars": {"A": "3"}}), timeout=20) == ["3", None]

    @ray.remote
    class Holder:
        def variable(self):
            return os.environ.get("A")

    actor = Holder.options(runtime_env=RuntimeEnv(env_vars={"A": "actor"})).remote()
    assert ray.get(actor.variable.remote(), timeout=20) == "actor"


@pytest.mark.usefixtures("cluster")
def test_directories_and_modules(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data.txt").write_text("here")
    package = tmp_path / "lib" / "only_there"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("value = 42")

    @ray.remote
    def read():
        return Path("data.txt").read_text()

    @ray.remote
    def use():
        import only_there

        return only_there.value

    assert ray.get(read.options(runtime_env={"working_dir": str(tmp_path / "work")}).remote(), timeout=20) == "here"
    assert ray.get(use.options(runtime_env={"py_modules": [str(package)]}).remote(), timeout=20) == 42
    with pytest.raises(ValueError, match="not a directory"):
        read.options(runtime_env={"working_dir": "/nonexistent"}).remote()


def test_a_job_has_an_environment_too(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("job")
    ray.init(num_cpus=1, runtime_env={"env_vars": {"A": "job"}, "working_dir": str(tmp_path)})
    try:

        @ray.remote
        def look():
            return os.environ["A"], Path("data.txt").read_text()

        assert ray.get(look.remote(), timeout=20) == ("job", "job")
    finally:
        ray.shutdown()


def test_on_several_nodes(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init(runtime_env={"env_vars": {"A": "all"}})
    spread = variable.options(scheduling_strategy="SPREAD")
    assert ray.get([spread.remote("A") for _ in range(4)], timeout=30) == [["all"]] * 4


def test_directories_travel_to_other_nodes_and_go_with_their_job(two_nodes: Nodes, tmp_path: Path) -> None:
    work, package = tmp_path / "work", tmp_path / "lib" / "sent_along"
    (work / "logs").mkdir(parents=True)
    package.mkdir(parents=True)
    (work / "data.txt").write_text("one")
    (work / "local_module.py").write_text("value = 7")
    (work / "tool.sh").write_text("#!/bin/sh\necho ran")
    (work / "tool.sh").chmod(0o755)
    (work / "logs" / "large.log").write_text("never")
    (package / "__init__.py").write_text("value = 42")
    ray.init(runtime_env={"working_dir": str(work), "excludes": ["logs"]})

    @ray.remote
    def look():
        import subprocess

        import local_module

        here = Path.cwd()
        ran = subprocess.run(["./tool.sh"], capture_output=True, text=True, check=True).stdout.strip()
        return (
            os.environ["NODE_NUMBER"],
            Path("data.txt").read_text(),
            local_module.value,
            ran,
            sorted(name for name in os.listdir(here) if name != "__pycache__"),
        )

    @ray.remote
    def use():
        import sent_along

        return sent_along.value, Path("data.txt").read_text()

    @ray.remote(num_cpus=0)
    class Actor:
        def read(self):
            return Path("data.txt").read_text()

    names = ["data.txt", "local_module.py", "tool.sh"]
    found = ray.get(
        [
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"])).remote()
            for node in ray.nodes()
        ],
        timeout=60,
    )
    assert {number for number, *_ in found} == {"0", "1"}
    assert all(rest == ["one", 7, "ran", names] for _, *rest in found)
    both = use.options(runtime_env={"py_modules": [str(package)]})
    assert ray.get(both.remote(), timeout=30) == (42, "one"), "modules are added, the directory is inherited"
    (work / "data.txt").write_text("two")
    assert ray.get(look.options(runtime_env={"working_dir": str(work)}).remote(), timeout=30)[1] == "two"
    assert ray.get(Actor.remote().read.remote(), timeout=30) == "one"
    directories = [Path(node.directory) / "packages" for node in two_nodes.nodes]
    assert any(any(directory.iterdir()) for directory in directories)
    keys = session.process().head(cluster.KeyValue("keys", "job/")).entries
    assert len(keys) == 6, "three packages of one piece each"
    ray.shutdown()
    assert eventually(lambda: not any(any(directory.iterdir()) for directory in directories if directory.exists()))
    ray.init()
    assert eventually(lambda: not session.process().head(cluster.KeyValue("keys", "job/")).entries)


def test_what_cannot_be_sent_or_unpacked_is_said(
    two_nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del two_nodes
    (tmp_path / "large").write_text("more than ten bytes")
    with monkeypatch.context() as patched:
        patched.setattr(packages, "MAX_BYTES", 10)
        with pytest.raises(ValueError, match="excludes"):
            packages.pack(str(tmp_path))
    ray.init()
    around = Environment({}, "package:nobody/1/package/0123")
    process = session.process()
    with pytest.raises(exceptions.RuntimeEnvSetupError, match="not with the head any more"):
        packages.Packages(process).fetch(around.cwd)
    process.environment = around
    with pytest.raises(exceptions.RuntimeEnvSetupError, match="not with the head any more"):
        ray.get(ray.remote(os.getcwd).remote(), timeout=30)
    with pytest.raises(exceptions.ActorDiedError, match="not with the head any more"):
        ray.get(ray.remote(Holder).remote().method.remote(), timeout=30)


class Holder:
    def method(self):
        return 1


def test_the_same_files_are_the_same_package(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("same")
        os.utime(tmp_path / name / "file", (ord(name), ord(name)))
    assert packages.pack(str(tmp_path / "a")) == packages.pack(str(tmp_path / "b"))
    assert packages.pack(str(tmp_path / "a"), "x") != packages.pack(str(tmp_path / "b"))


def test_what_is_not_supported_is_named() -> None:
    with pytest.raises(ValueError, match="conda"):
        environment_of({"conda": "env"}, None, None)
    with pytest.raises(TypeError, match="text"):
        environment_of({"env_vars": {"A": 1}}, None, None)
    assert environment_of(None, Environment({"A": "1"}), None) == Environment({"A": "1"})
