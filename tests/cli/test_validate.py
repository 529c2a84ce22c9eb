"""`tradewind validate` and `tradewind schema`, and what plans do with fields that are not there yet."""

from __future__ import annotations

import json
import pathlib

import pytest

from tradewind.cli import exits, main

TASK = "name: t\nresources: {gpus: A100, ports: [80, 81], volumes: [{path: /m, name: d}]}\nrun: echo\n"


@pytest.fixture
def file(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "t.yaml"
    path.write_text(TASK)
    return str(path)


def test_the_normal_form_and_what_a_launch_would_say(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["validate", file]) == exits.OK
    out = capsys.readouterr().out
    assert out.startswith(
        f"{file}: ok\n  name: t\n  resources:\n    accelerators:\n      A100: 1\n    ports:\n    - 80-81\n"
    )
    assert out.endswith("  at launch: resources.volumes: attached disks are not there yet; remove the field to go on without\n")  # fmt: skip


def test_the_defaults_that_were_added(file: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tmp_path / "bare.yaml"
    bare.write_text("run: echo\nnum_nodes: 1\nresources: {use_spot: true}\n")
    assert main.run(["validate", "--diff", file, str(bare), "--json"]) == exits.OK
    gpu, small = (verdict["defaults"][0] for verdict in json.loads(capsys.readouterr().out))
    assert (gpu["num_nodes"], gpu["resources.arch"], gpu["resources.use_spot"]) == (1, "any", False)
    assert "resources.cpus" not in gpu
    assert (small["resources.cpus"], small["resources.memory"], small["resources.arch"]) == ("2+", "4+", "x86_64")
    assert not {"num_nodes", "resources.use_spot"} & set(small)
    assert main.run(["validate", "--diff", str(bare)]) == exits.OK
    assert "  defaults added:\n    + resources.cpus: 2+\n" in capsys.readouterr().out


def test_a_refusal_says_where(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("run: a\nresources:\n  acelerators: A100\n")
    assert main.run(["validate", "--json", str(bad)]) == exits.BAD_INPUT
    (verdict,) = json.loads(capsys.readouterr().out)
    assert {name: verdict[name] for name in ("line", "column", "field", "suggestion")} == {
        "line": 3,
        "column": 3,
        "field": "resources.acelerators",
        "suggestion": "accelerators",
    }


def test_chains_and_groups(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain = tmp_path / "chain.yaml"
    chain.write_text("name: c\n---\nrun: a\n---\nrun: b\n")
    assert main.run(["validate", str(chain)]) == exits.OK
    assert "not there yet" not in capsys.readouterr().out
    assert main.run(["validate", "--json", str(chain)]) == exits.OK
    assert json.loads(capsys.readouterr().out)[0]["documents"] == [{"name": "c"}, {"run": "a"}, {"run": "b"}]
    assert main.run(["launch", str(chain)]) == exits.BAD_INPUT
    assert "`tradewind jobs launch` runs them all" in capsys.readouterr().err


def test_a_plan_refuses_what_is_not_there_yet(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", file]) == exits.BAD_INPUT
    error = capsys.readouterr().err
    assert error == f"tradewind: {file}: resources.volumes: attached disks are not there yet; remove the field to go on without\n"  # fmt: skip


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["schema"]) == exits.OK
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["properties"]["resources"]


def test_a_cloud_of_ones_own_catalog_is_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "data"))
    file, own = tmp_path / "t.yaml", tmp_path / "own.csv"
    file.write_text("resources: {infra: basement}\nrun: echo\n")
    own.write_text("cloud,region,instance_type,price_ondemand_usd_h,vcpus,memory_gib\nbasement,here,box,0.1,4,16\n")
    assert main.run(["validate", str(file)]) == exits.BAD_INPUT
    assert capsys.readouterr().err == f"tradewind: {file}:1:20: resources.infra: 'basement' is no cloud\n"
    assert main.run(["catalog", "import", str(own)]) == exits.OK
    assert main.run(["validate", str(file)]) == exits.OK


def test_two_hundred_files_at_once(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = TASK + "envs: {A: 1}\nservice: {replicas: 2}\nconfig: {hooks: [{run: x}]}\nsetup: |\n" + "  echo\n" * 50
    files = []
    for number in range(200):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        files.append(str(path))
    assert main.run(["validate", *files]) == exits.OK
    assert capsys.readouterr().out.count(": ok\n") == 200
