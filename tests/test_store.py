"""What the store keeps is whole, whatever happens in between."""

import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest

from kwsbench.errors import UserError
from kwsbench.store import Store, jsonable, write_whole


def predictions() -> pd.DataFrame:
    scores = np.array([[0.0, -1.0], [-2.0, -0.5]], np.float32)
    return pd.DataFrame(
        {"clip": ["a", "b"], "speaker": ["x", ""], "label": ["yes", "no"], "predicted": ["yes", "no"]}
    ).assign(yes=scores[:, 0], no=scores[:, 1])


def kept(store: Store, name: str = "cell", key: str = "k") -> None:
    sha256 = store.put_predictions(name, predictions())
    store.put_record(name, {"status": "ok", "key": key, "predictions_sha256": sha256})


def test_predictions_come_back_as_they_were(tmp_path):
    store = Store(tmp_path)
    store.put_predictions("cell", predictions())
    pd.testing.assert_frame_equal(store.predictions("cell"), predictions(), check_dtype=False)
    assert store.predictions("cell")["yes"].dtype == np.float32


def test_a_result_counts_only_under_its_key(tmp_path):
    store = Store(tmp_path)
    assert not store.has("cell", "k")
    kept(store)
    assert store.has("cell", "k")
    assert not store.has("cell", "other")


def test_a_failure_is_never_a_result(tmp_path):
    store = Store(tmp_path)
    kept(store)
    store.put_record("cell", {"status": "failed", "key": "k", "reason": "no memory"})
    assert not store.has("cell", "k")


def test_what_is_kept_beside_predictions_is_part_of_a_result_that_names_it(tmp_path):
    store = Store(tmp_path)
    found = pd.DataFrame({"clip": ["a"], "condition": ["pink"], "level": [5.0], "predicted": ["yes"]})
    whole = {"predictions_sha256": store.put_predictions("cell", predictions())}
    whole["beside_sha256"] = store.put_beside("cell", {"robustness": found})
    store.put_record("cell", {"status": "ok", "key": "k", **whole})
    pd.testing.assert_frame_equal(store.beside("cell", "robustness"), found, check_dtype=False)
    assert store.has("cell", "k")
    store.beside_path("cell", "robustness").unlink()
    assert not store.has("cell", "k")


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_damaged_predictions_are_not_a_result(tmp_path, damage):
    store = Store(tmp_path)
    kept(store)
    path = store.predictions_path("cell")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-20] if damage == "cut" else content[:50] + b"?" + content[51:])
    assert not store.has("cell", "k")


def test_a_torn_record_is_named(tmp_path):
    store = Store(tmp_path)
    kept(store)
    for text in ('{"status": "o', '{"a": 1}', "[]"):
        (tmp_path / "cells" / "cell.json").write_text(text)
        with pytest.raises(UserError, match="cell.json: not a record"):
            store.has("cell", "k")


def test_nan_is_null_in_a_record(tmp_path):
    store = Store(tmp_path)
    store.put_record("cell", {"status": "ok", "low": float("nan"), "high": np.float64("inf"), "n": np.int64(3)})
    assert json.loads((tmp_path / "cells" / "cell.json").read_text()) == {
        "status": "ok",
        "low": None,
        "high": None,
        "n": 3,
    }
    assert jsonable((np.float32(0.5), tmp_path)) == [0.5, str(tmp_path)]


def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_whole(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def write_for_ever(path, contents):
    while True:
        for content in contents:
            write_whole(path, content)


def test_killed_writer_leaves_one_of_the_contents(tmp_path):
    """kill −9 in the middle of writing, many times: the file is always one of the two, never between."""
    path = tmp_path / "file"
    contents = [bytes([i]) * 200_000 for i in (1, 2)]
    context = multiprocessing.get_context("fork")
    for i in range(10):
        process = context.Process(target=write_for_ever, args=(path, contents))
        process.start()
        while not path.exists():
            time.sleep(0.001)
        time.sleep(0.003 * (i + 1))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert path.read_bytes() in contents


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "results").write_text("")
    with (
        pytest.raises(UserError, match="nothing can be kept there: Not a directory"),
        Store(tmp_path / "results" / "s").locked(),
    ):
        raise AssertionError


def test_two_runs_on_one_study_are_refused(tmp_path):
    with Store(tmp_path).locked(), pytest.raises(UserError, match="another run"), Store(tmp_path).locked():
        pass
    with Store(tmp_path).locked():
        pass


def test_work_goes_when_the_cell_is_done(tmp_path):
    store = Store(tmp_path)
    (store.work("a") / "checkpoint").write_text("x")
    store.work("b")
    store.clear_work("a")
    assert not (tmp_path / ".work" / "a").exists()
    assert (tmp_path / ".work" / "b").exists()
    store.clear_work("b")
    assert not (tmp_path / ".work").exists()
