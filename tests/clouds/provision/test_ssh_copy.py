"""The decision what to copy, held to a model: carried out on a dictionary, it gives what was wanted and keeps what is not ours."""

from __future__ import annotations

import io
import os
import pathlib
import shutil
import subprocess
import tracemalloc
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.provision import ssh_copy
from tradewind.broker.provision.ssh_copy import FIND_FORMAT, Entry, parse_listing, plan_copy

NAMES = ["a", "b", "a/x", "a/y", "a/x/deep", "b/z"]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for name in sorted(NAMES):
        parent = name.rpartition("/")[0]
        if parent and (parent not in found or found[parent].kind != "directory"):
            continue
        kind = draw(st.sampled_from(["", "file", "directory", "link"]))
        if kind == "file":
            found[name] = Entry("file", 0o644, draw(st.integers(0, 2)), draw(st.integers(0, 2)))
        elif kind == "directory":
            found[name] = Entry("directory", 0o755)
        elif kind == "link":
            found[name] = Entry("link", points_to=draw(st.sampled_from(["p", "q"])))
    return found


def carry_out(copy: ssh_copy.Copy, wanted: dict[str, Entry], there: dict[str, Entry]) -> dict[str, Entry]:
    state = dict(there)
    for name in copy.replaced:
        state = {n: e for n, e in state.items() if n != name and not n.startswith(name + "/")}
    for name in copy.removed:
        if not any(n.startswith(name + "/") for n in state):
            state.pop(name, None)
    state.update({name: wanted[name] for name in copy.send})
    return state


@given(wanted=trees(), there=trees(), data=st.data())
def test_what_was_wanted_stands_there_and_what_others_made_is_kept(
    wanted: dict[str, Entry], there: dict[str, Entry], data: st.DataObject
) -> None:
    before = frozenset(data.draw(st.sets(st.sampled_from(NAMES))))
    copy = plan_copy(wanted, there, before)
    after = carry_out(copy, wanted, there)
    assert all(entry.same_as(after.get(name)) for name, entry in wanted.items())
    in_the_way = {n for r in copy.replaced for n in there if n == r or n.startswith(r + "/")}
    for name in set(there) - set(wanted) - before - in_the_way:
        assert after[name] == there[name]
    untouched = {n for n in wanted if n in there and wanted[n].same_as(there[n]) and n not in in_the_way}
    assert not untouched & set(copy.send), "what does not differ is not sent"
    assert plan_copy(wanted, after, before).send == ()


def test_find_tar_and_this_module_see_the_same(tmp_path: pathlib.Path) -> None:
    if not shutil.which("tar"):
        return
    source, target = tmp_path / "s", tmp_path / "t"
    (source / "dir é\n").mkdir(parents=True)
    target.mkdir()
    (source / "dir é\n" / "file").write_bytes(b"x" * 5000)
    os.utime(source / "dir é\n" / "file", ns=(1, 1_700_000_000_123_456_789))
    (source / "link").symlink_to("dir é\n")
    (source / "run").write_text("x")
    (source / "run").chmod(0o755)
    os.mkfifo(source / "pipe")
    wanted = ssh_copy.read_source(str(source))
    assert set(wanted) == {"dir é\n", "dir é\n/file", "link", "run"}
    out = io.BytesIO()
    ssh_copy.pack(str(source), tuple(wanted), out)
    subprocess.run(["tar", "-xf", "-", "-C", str(target)], input=out.getvalue(), check=True)
    listing = subprocess.run(
        ["find", f"{target}/", "-mindepth", "1", "-printf", FIND_FORMAT], capture_output=True, check=True
    ).stdout
    there = parse_listing(listing)
    assert plan_copy(wanted, there, frozenset()).send == ()


def test_a_million_files_take_a_few_hundred_bytes_each(tmp_path: pathlib.Path) -> None:
    """Measured with fewer: what is held grows by that much a file, and what is sent holds nothing of those before."""
    count = 5_000
    one = b"directory-%05d/sample-%06d.json\0f\x00644\x001234\x001700000000.%010d\0\0"
    listing = b"".join(one % (n // 1000, n, n) for n in range(count))
    (tmp_path / "file").write_bytes(b"x")

    class Nowhere:
        def write(self, data: bytes) -> int:
            return len(data)

    tracemalloc.start()
    try:
        there = ssh_copy.parse_listing(listing)
        _, peak = tracemalloc.get_traced_memory()
        assert len(there) == count
        assert peak / count < 400
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        ssh_copy.pack(str(tmp_path), ("file",) * 5000, cast("Any", Nowhere()))
        _, peak = tracemalloc.get_traced_memory()
        assert peak - held < 1 << 20
    finally:
        tracemalloc.stop()
