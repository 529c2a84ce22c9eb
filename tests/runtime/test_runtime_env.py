from __future__ import annotations

import os
from pathlib import Path

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes
from tradewind.runtime.messages.values import Environment
from tradewind.runtime.runtime_env import RuntimeEnv, environment_of


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
    with pytest.raises(ValueError, match="this machine alone"):
        variable.options(runtime_env={"working_dir": "."}).remote()


def test_what_is_not_supported_is_named() -> None:
    with pytest.raises(ValueError, match="conda"):
        environment_of({"conda": "env"}, None, shared=True)
    with pytest.raises(ValueError, match="text"):
        environment_of({"env_vars": {"A": 1}}, None, shared=True)
    assert environment_of(None, Environment({"A": "1"}), shared=True) == Environment({"A": "1"})
