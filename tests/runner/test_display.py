"""What is said of the time left."""

import io
import json
import time
from pathlib import Path
from types import SimpleNamespace

from kwsbench.runner.children import Child
from kwsbench.runner.display import Display


def child(name: str, seconds: float, done: float, before: float = 0.0) -> Child:
    """A worker whose phase began ``seconds`` ago with the share ``before`` done; now it is ``done``."""
    begun = time.monotonic() - seconds
    latest = ("training", done, 1.0, "epoch 1/2")
    return Child(name, Path(), 0, 0, None, begun - 5, latest, (begun, before))


def shown(entries: list[str], running: list[Child], spent: dict[str, float]) -> str:
    stream = io.StringIO()
    with Display(stream) as show:
        show.begin([*spent, *entries], 0)
        for entry, seconds in spent.items():
            show.finished(entry, entry, {"wall_s": seconds, "peak_mb": 1.0, "status": "ok"}, 0.5)
        show._shown -= 60  # a minute without a line
        show.update(running)
    return stream.getvalue().splitlines()[-1]


def test_the_cell_and_the_study_at_its_last_cell():
    line = shown(["net"], [child("net", 30, 0.25)], {"majority": 2})
    assert "training 25 %, 1 min 30 s left epoch 1/2" in line
    assert line.endswith("study 1/2, about 1 min 30 s left")


def test_a_cell_to_come_takes_as_long_as_one_of_its_entry():
    line = shown(["net", "net"], [child("net", 30, 0.25)], {"net": 60})
    assert line.endswith("study 1/3, about 2 min 30 s left")


def test_cells_side_by_side_share_the_time():
    line = shown(["a", "b"], [child("a", 30, 0.5), child("b", 30, 0.25)], {"majority": 2})
    assert line.endswith("about 1 min 00 s left")


def test_of_an_entry_never_seen_nothing_is_promised():
    assert shown(["a", "net"], [child("a", 30, 0.5)], {}).endswith("more than 30 s left")
    assert shown(["a", "net"], [child("a", 30, 0)], {}).endswith("time left not known yet")


def test_what_an_earlier_run_did_took_no_time_of_this_one():
    line = shown(["net"], [child("net", 30, 0.95, before=0.9)], {"majority": 2})
    assert "training 95 %, 30 s left" in line
    assert shown(["net"], [child("net", 30, 0.9, before=0.9)], {}).endswith("time left not known yet")


def test_a_phase_counts_from_when_it_was_first_heard_of():
    lines = [["reading", 3, 4, ""], ["training", 0.5, 1.0, "epoch 1/2"], ["training", 0.75, 1.0, "epoch 2/2"]]
    net = child("net", 30, 0)
    net.process = SimpleNamespace(stdout=[json.dumps(line) for line in lines])
    net.follow()
    assert net.latest == tuple(lines[-1]) and net.phase_begun[1] == 0.5
    assert 0 < net.seconds_left() < 5
