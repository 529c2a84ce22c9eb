from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradewind.runtime.node.control_groups import Hierarchy, MemoryGroups, hierarchy, own_hierarchy
from tradewind.runtime.node.memory_use import Use, group_use, machine_use, memory_use

TAKE = "import sys; sys.stdin.readline(); held = bytes(1) * int(sys.argv[1]); print('held')"


def test_both_versions_are_told_apart(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert hierarchy("4:memory:/a/b\n0::/\n", root) == Hierarchy(f"{root}/memory", "/a/b", 1)
    assert hierarchy("0::/user.slice\n", root) is None, "nothing is mounted there"
    (tmp_path / "cgroup.controllers").write_text("memory")
    found = hierarchy("0::/user.slice\n", root)
    assert found == Hierarchy(root, "/user.slice", 2)
    assert found.path("x") == f"{root}/user.slice/x"
    assert hierarchy("", root) is None


def test_use_is_what_cannot_be_taken_back() -> None:
    assert machine_use("MemTotal: 1000 kB\nMemAvailable: 250 kB\n") == Use(750 * 1024, 1000 * 1024)
    assert group_use("1000", "900", "total_inactive_file 100\nrss 5") == Use(800, 1000)
    assert group_use("1000", "900", "inactive_file 300") == Use(600, 1000)
    assert group_use("max", "900", "") is None
    assert group_use("9223372036854771712", "900", "") is None
    assert 0 < memory_use().fraction < 1


def test_the_kernel_ends_what_takes_more_than_its_limit_and_nothing_is_left() -> None:
    groups = MemoryGroups("test-node-" + str(os.getpid()))
    takers = [
        subprocess.Popen([sys.executable, "-c", TAKE, str(size << 20)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for size in (10, 300)
    ]
    try:
        if not groups.limit(takers[0].pid, 100 << 20):
            pytest.skip("no control groups can be made here")
        assert groups.limit(takers[1].pid, 100 << 20)
        said = [taker.communicate(b"\n", timeout=30)[0].strip() for taker in takers]
        assert said == [b"held", b""]
        assert takers[1].returncode == -9
        assert groups.killed(takers[1].pid)
        assert not groups.killed(takers[0].pid)
    finally:
        for taker in takers:
            taker.kill()
            taker.communicate()
        groups.close()
    found = own_hierarchy()
    assert found is not None
    assert not os.path.exists(found.path("tradewind-test-node-" + str(os.getpid())[:2]))
