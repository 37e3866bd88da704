"""Two stored runs, or two models, against each other; driven as at a terminal too."""

import json
import re
import subprocess
import sys

import pytest

from kwsbench.errors import UserError
from kwsbench.report.compare import compare_stored
from kwsbench.store import Store


@pytest.fixture
def store(made, tmp_path):
    """Puts the made-up study into a folder of this name."""

    def put(name):
        folder = tmp_path / name
        kept = Store(folder)
        for record in made.records:
            if record["status"] == "ok":
                kept.put_predictions(record["cell"], made.tables[record["cell"]])
            kept.put_record(record["cell"], record)
        models = {record["parts"]["entry"]: {} for record in made.records}
        kept.write("study.json", json.dumps({"study": name, "recipe": {"study": name, "models": models}}))
        made.records.clear()
        made.tables.clear()
        return str(folder)

    return put


def kwsbench(*arguments):
    command = [sys.executable, "-m", "kwsbench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_regression_is_said_and_a_gain_is_not(made, store):
    made.add("cnn", 0.9, settings={"model": {"width": 2, "epochs": 5}})
    before = store("before")
    made.add("cnn", 0.5, settings={"model": {"width": 1, "epochs": 5}})
    after = store("after")
    (worse,), (better,) = compare_stored(before, after, 0.005), compare_stored(after, before, 0.005)
    assert worse.regression and worse.gain < -0.3 and not better.regression and better.gain == -worse.gain
    text = "\n".join(worse.lines())
    assert "width 2 → 1" in text and "epochs" not in text and "worse: −" in text
    assert "better: +" in "\n".join(better.lines())
    assert not compare_stored(before, after, 0.9)[0].regression
    low, high = (float(x.replace("−", "-")) for x in re.search(r"\[(.+), (.+)\],", text).groups())
    assert low < 100 * worse.gain < high < 0


def test_the_same_run_has_no_difference(made, store):
    made.add("cnn")
    made.add("gmm", 0.7)
    folder = store("same")
    found = compare_stored(folder, folder, 0.0)
    assert [one.name for one in found] == ["cnn", "gmm"] and not any(one.regression for one in found)
    assert all("no difference shown: 0.0" in one.lines()[4] and "the same" in one.lines()[1] for one in found)


def test_mistakes_are_told(made, store):
    made.add("cnn")
    made.add("gmm", 0.7)
    one = store("one")
    made.add("other")
    made.tables["speech-hash-other-s0"] = made.tables["speech-hash-other-s0"].iloc[:50]
    two = store("two")
    for arguments, told in (
        ((one, two), "no model of one task in common"),
        ((one, f"{two}:other"), "several models"),
        ((f"{one}:cnn", f"{two}:othre"), "it has other"),
        ((f"{one}:cnn", f"{two}:other"), "different clips: 240 and 50"),
        ((one, f"{two}/none"), "no study is stored there"),
    ):
        with pytest.raises(UserError, match=told):
            compare_stored(*arguments, 0.0)


def test_at_a_terminal(made, store):
    made.add("good", 0.9)
    made.add("poor", 0.4)
    made.add("broken", status="failed", reason="no memory")
    folder = store("study")
    written = kwsbench("report", folder)
    assert written.returncode == 0 and "Best: good" in written.stdout and "no memory" in written.stdout
    assert written.stdout.index("good") < written.stdout.index("poor  ") < written.stdout.index("broken")
    assert {"table.csv", "pairs.csv", "table.md", "table.tex", "report.html"} <= {
        path.name for path in Store(folder).folder.iterdir()
    }
    worse = kwsbench("compare", f"{folder}:good", f"{folder}:poor")
    assert worse.returncode == 1 and "regression: good → poor" in worse.stdout
    assert kwsbench("compare", f"{folder}:poor", f"{folder}:good").returncode == 0
    wrong = kwsbench("compare", f"{folder}:broken", f"{folder}:good")
    assert wrong.returncode == 2 and "broken has no result: failed" in wrong.stderr and "Traceback" not in wrong.stderr
    assert kwsbench("report", f"{folder}/cells").returncode == 2


def test_an_entry_that_was_run_with_other_settings_counts_once(made, tmp_path):
    for when, cell, skill in (("2026-02", "new", 0.9), ("2026-01", "old", 0.3)):
        record = made.add("cnn", skill, when=when)
        record["cell"] = cell
        Store(tmp_path).put_record(cell, record)
    Store(tmp_path).write("study.json", json.dumps({"study": "s", "recipe": {"models": {"cnn": {}}}}))
    assert [record["cell"] for record in Store(tmp_path).in_order()] == ["new"]


def test_a_torn_study_is_told(tmp_path):
    Store(tmp_path).write("study.json", "{")
    with pytest.raises(UserError, match="not a study"):
        Store(tmp_path).study()
    Store(tmp_path).write("study.json", "[]")
    with pytest.raises(UserError, match="no study, no recipe"):
        Store(tmp_path).study()
