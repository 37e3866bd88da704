"""A folder is whole or absent, and filled once, whoever asks for it and whoever dies over it."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from kwsbench.cache import made_once

FILL = """
import os, sys, time
from pathlib import Path
from kwsbench.cache import made_once

def fill(folder):
    (folder / "a").write_text("half")
    (Path(sys.argv[1]).parent / "begun").open("a").write(f"{os.getpid()}\\n")
    time.sleep(float(sys.argv[2]))
    (folder / "a").write_text("whole")

made_once(Path(sys.argv[1]), fill)
"""


def start(folder, seconds: float) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", FILL, str(folder), str(seconds)])


def wait_for(path) -> None:
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_filled_under_another_name_and_then_there(tmp_path):
    folder = tmp_path / "deep" / "down"
    seen = []

    def fill(made):
        assert made != folder and made.parent == folder.parent and not any(made.iterdir())
        assert not folder.exists()
        (made / "a").write_text("whole")
        seen.append(made)

    assert made_once(folder, fill) == folder
    assert (folder / "a").read_text() == "whole" and names(folder.parent) == ["down"]
    assert made_once(folder, fill) == folder and len(seen) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_fill_that_raises_leaves_nothing_and_the_next_begins_anew(tmp_path, error):
    folder = tmp_path / "a"

    def broken(made):
        (made / "half").write_text("half")
        raise error("while filling")

    for _ in range(2):
        with pytest.raises(error, match="while filling"):
            made_once(folder, broken)
        assert [name for name in names(tmp_path) if not name.endswith(".lock")] == []
    made_once(folder, lambda made: (made / "whole").write_text("whole"))
    assert names(folder) == ["whole"] and names(tmp_path) == ["a"]


def test_of_many_threads_one_fills_and_all_get_it(tmp_path):
    folder, filled, got = tmp_path / "a", [], []
    together = threading.Barrier(8)

    def fill(made):
        filled.append(made)
        time.sleep(0.1)
        (made / "a").write_text("whole")

    def ask():
        together.wait()
        got.append((made_once(folder, fill) / "a").read_text())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(filled) == 1 and got == ["whole"] * 8


def test_of_many_processes_one_fills_and_all_get_it(tmp_path):
    children = [start(tmp_path / "a", 0.2) for _ in range(4)]
    assert [child.wait(30) for child in children] == [0] * 4
    assert (tmp_path / "a" / "a").read_text() == "whole"
    assert len((tmp_path / "begun").read_text().split()) == 1


def test_what_a_killed_process_left_is_cleared_and_its_lock_is_free(tmp_path):
    folder = tmp_path / "a"
    child = start(folder, 60)
    wait_for(tmp_path / "begun")
    os.kill(child.pid, signal.SIGKILL)
    child.wait(20)
    assert not folder.exists() and any("unfinished" in name for name in names(tmp_path))

    def fill(made):
        assert not any(made.iterdir())
        (made / "b").write_text("whole")

    made_once(folder, fill)
    assert names(folder) == ["b"] and names(tmp_path) == ["a", "begun"]


def test_another_process_waits_for_the_first(tmp_path):
    folder = tmp_path / "a"
    child = start(folder, 0.5)
    wait_for(tmp_path / "begun")
    assert not folder.exists()
    made_once(folder, lambda made: pytest.fail("filled twice"))
    assert (folder / "a").read_text() == "whole"
    assert child.wait(20) == 0
