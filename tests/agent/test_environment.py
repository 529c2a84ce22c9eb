"""What a job finds in its environment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradewind.agent.environment import agent_mark, job_environment, job_mark, place_environment
from tradewind.agent.protocol import Configure, StartJob

PLACE = Configure("c", 0, ("127.0.0.1",), 0.0, "A100", 0.5)
names = st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=5)


def environment(base=None, envs=None, secrets=None, address=""):
    node = place_environment(base or {}, PLACE, home="/h", python="/py/bin/python")
    order = StartJob("1-1", "run", "true", envs or {}, secrets or {})
    return job_environment(node, order, home="/h", runtime_address=address, checkpoint_dir="/ck")


@given(base=names, envs=names, secrets=names)
def test_the_task_has_the_last_word_but_on_the_marks(base, envs, secrets):
    hostile = {"TRADEWIND_JOB_MARK": "mine", "TRADEWIND_AGENT_HOME": "mine"}
    found = environment(base, {**envs, **hostile}, {**secrets, **hostile})
    for mark in (job_mark("/h", "1-1"), agent_mark("/h")):
        name, _, value = mark.partition("=")
        assert found[name] == value
    for name, value in {**envs, **secrets}.items():
        assert found[name] == value


def test_the_interpreter_comes_first_and_output_is_not_held_back():
    assert environment({"PATH": "/bin"})["PATH"] == "/py/bin:/bin"
    assert environment()["PYTHONUNBUFFERED"] == "1"
    assert environment({"PYTHONUNBUFFERED": ""})["PYTHONUNBUFFERED"] == ""


def test_the_runtimes_address_only_when_there_is_one():
    assert "TRADEWIND_ADDRESS" not in environment()
    assert environment(address="unix:/x")["TRADEWIND_ADDRESS"] == "unix:/x"


def test_what_is_the_agents_own_is_not_handed_on():
    assert "TRADEWIND_HOST_SOCKET" not in environment({"TRADEWIND_HOST_SOCKET": "/s"})


def test_a_share_of_a_device_is_no_whole_device():
    assert environment()["TRADEWIND_NUM_GPUS_PER_NODE"] == "0"
