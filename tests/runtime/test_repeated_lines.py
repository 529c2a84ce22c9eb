from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.test_session import run
from tradewind.runtime.repeated_lines import WINDOW_S, RepeatedLines
from tradewind.runtime.worker_output import WorkerOutput


def line(text: str, pid: int = 1, name: str = "f") -> str:
    return f"({name} pid={pid}, node=abcd) {text}"


def test_what_several_workers_say_is_shown_once_and_counted() -> None:
    seen = RepeatedLines()
    assert seen.take([line("step 1"), line("step 2"), line("step 2")], 0.0) == [line("step 1"), line("step 2"), line("step 2")]  # fmt: skip
    assert seen.due() is None
    assert seen.take([line("step 3", pid=2), line("step 4", pid=3), line("other", pid=2)], 1.0) == [
        line("other", pid=2)
    ]
    assert seen.due() == WINDOW_S
    assert seen.flush(WINDOW_S - 0.1) == []
    (told,) = seen.flush(WINDOW_S)
    assert told.startswith(line("step 4", pid=3) + " [repeated 2x across the cluster] (TRADEWIND_DEDUP_LOGS=0")
    assert seen.take([line("step 5")], WINDOW_S + 1) == [], "still collected, for it was worth it"
    assert seen.flush(2 * WINDOW_S) == [line("step 5")], "one alone is shown as it is"
    assert seen.flush(3 * WINDOW_S) == []
    assert seen.take([line("step 6", pid=9)], 3 * WINDOW_S) == [line("step 6", pid=9)]


def test_empty_lines_other_names_and_lines_of_no_worker_are_left_alone() -> None:
    seen = RepeatedLines()
    given_lines = [line(""), line("", 2), line("a", 1, "f"), line("a", 2, "g"), "not a worker's", "not a worker's"]
    assert seen.take(given_lines, 0.0) == given_lines


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.floats(0, 3))))
def test_no_line_is_lost(said: list[tuple[str, int, float]]) -> None:
    seen, now, shown, count = RepeatedLines(), 0.0, [], 0
    for text, pid, pause in said:
        now += pause
        shown += seen.take([line(text, pid)], now)
    shown += seen.flush(now, everything=True)
    for text in shown:
        _, repeated, rest = text.partition("[repeated ")
        count += int(rest.partition("x")[0]) if repeated else 1
    assert count == len(said)


def test_what_was_held_back_is_told_by_itself_and_at_the_end() -> None:
    now, written = [0.0], []
    output = WorkerOutput(lambda lines, error: written.append((lines, error)), lambda: now[0])
    output.show([line("x", 1), line("x", 2), line("x", 3)], True)
    output.close()
    assert [error for _, error in written] == [True, True]
    assert "repeated 2x" in written[1][0][0]


def test_a_driver_shows_what_its_workers_repeat_once() -> None:
    script = """
import tradewind.runtime as ray
ray.init(num_cpus=1)
@ray.remote(num_cpus=0)
class Speaker:
    def speak(self):
        print("all the same")
speakers = [Speaker.remote() for _ in range(4)]
for speaker in speakers:
    ray.get(speaker.speak.remote())
ray.get([speaker.__ray_ready__.remote() for speaker in speakers])
del speakers, speaker
import time
deadline = time.monotonic() + 20
while any(actor.state != "DEAD" for actor in ray.util.state.list_actors()) and time.monotonic() < deadline:
    pass
"""
    lines = [text for text in run(script).stdout.split("\n") if "all the same" in text]
    assert len(lines) == 2
    assert "repeated" in lines[1]
