"""What is said of the time left."""

import io
import time
from types import SimpleNamespace

from kwsbench.runner.display import Display


def child(name: str, seconds: float, done: float, total: float = 1.0) -> SimpleNamespace:
    return SimpleNamespace(name=name, begun=time.monotonic() - seconds, latest=("training", done, total, "epoch 1/2"))


def shown(entries: list[str], running: list[SimpleNamespace], spent: dict[str, float]) -> str:
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
