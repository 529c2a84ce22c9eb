"""The agent's files: what was said is on file, a cut-off line is forgotten, a full disk stops nothing."""

from __future__ import annotations

import os
import sys

import pytest

from tradewind.agent.protocol import Configure, JobEnded, JobInfo
from tradewind.agent.state import AlreadyServedError, EventLog, StateDirectory


@pytest.fixture
def log(tmp_path):
    made = EventLog(str(tmp_path / "events.jsonl"))
    yield made
    made.close()


def ended(n: int) -> JobEnded:
    return JobEnded(f"1-{n}", "run", "SUCCEEDED", 0)


def seqs(tmp_path) -> list[int]:
    again = EventLog(str(tmp_path / "events.jsonl"))
    again.close()
    return [event.seq for event in again.events]


@pytest.mark.parametrize("tail", [b"", b'{"type":"AgentEvent","seq":4,"un', b"\0\0\0\n", b"{}\n"])
def test_what_follows_the_last_whole_event_is_forgotten(tmp_path, log, tail):
    for n in range(3):
        log.append(ended(n))
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(tail)
    again = EventLog(str(tmp_path / "events.jsonl"))
    assert [event.seq for event in again.events] == [1, 2, 3]
    assert again.append(ended(4)).seq == 4
    again.close()
    assert seqs(tmp_path) == [1, 2, 3, 4]


def test_on_a_full_disk_it_is_told_and_the_file_stays_whole(tmp_path, log, monkeypatch, capsys):
    log.append(ended(1))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
        assert log.append(ended(2)).seq == 2

        def full(_fd, _data):
            raise OSError(28, "No space left on device")

        patch.setattr(os, "write", full)
        assert log.append(ended(3)).seq == 3
    assert "event 3 could not be put on file" in capsys.readouterr().err
    assert [event.seq for event in log.events] == [1, 2, 3]
    assert seqs(tmp_path) == [1]


def test_the_agents_own_log_may_lie_on_the_same_full_disk(tmp_path, log, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sys.stderr, "write", full)
        patch.setattr(os, "write", full)
        assert log.append(ended(1)).seq == 1
        StateDirectory(str(tmp_path / "not-there")).write_jobs([])
    assert [event.seq for event in log.events] == [1]


def test_what_is_written_is_read(tmp_path):
    state = StateDirectory(str(tmp_path))
    os.makedirs(state.path)
    assert (state.read_place(), state.read_lease(), state.read_jobs()) == (None, None, [])
    place = Configure("c", 1, ("a", "b"), 1.5, "A100", 8)
    jobs = [JobInfo("1-1", "run", "FAILED", 3, None, 1.0, 2.0)]
    state.write_place(place)
    state.write_lease(7.5)
    state.write_jobs(jobs)
    assert (state.read_place(), state.read_lease(), state.read_jobs()) == (place, 7.5, jobs)
    for name in os.listdir(state.path):
        assert os.stat(os.path.join(state.path, name)).st_mode & 0o077 == 0


def test_one_agent_a_home(tmp_path):
    first, second = StateDirectory(str(tmp_path)), StateDirectory(str(tmp_path))
    first.take()
    with pytest.raises(AlreadyServedError, match="another agent serves"):
        second.take()
    os.close(first._lock_fd)
    second.take()
    os.close(second._lock_fd)
