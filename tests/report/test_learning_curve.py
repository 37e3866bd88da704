"""Rows that differ by their training speakers are points of one curve."""

import io

import pandas as pd
import pytest

from kwsbench.report import footnotes, write_report
from kwsbench.report.learning_curve import crossings, curve_table, learning_curves
from kwsbench.report.rows import gather

ALL = 40


@pytest.fixture
def curve(made):
    """Adds a model with its skill at each number of training speakers; the last is all of them."""

    def add(entry, skills, **more):
        for size, skill in skills.items():
            split = {"scheme": "hash", "folds": 5} | ({} if size == ALL else {"train_speakers": size})
            record = made.add(entry, skill, settings={"split": split}, cell=f"{entry}-{size}", **more)
            made.tables[record["cell"]] = made.tables[f"speech-hash-{entry}-s0"]
            record["task"]["n_train_speakers"] = size
        return made

    return add


def curves_of(made):
    return learning_curves(gather(made.records, made.predictions))


def test_points_of_one_task_make_one_curve(curve):
    made = curve("gmm", {1: 0.3, 10: 0.5, ALL: 0.7})
    curve("cnn", {ALL: 0.9, 1: 0.2, 10: 0.6})
    (found,) = curves_of(made)
    assert found.task == ("speech", "keywords", "hash") and found.sizes == [1, 10, ALL]
    assert {name: list(line) for name, line in found.lines.items()} == {"gmm": [1, 10, ALL], "cnn": [1, 10, ALL]}
    table = curve_table([found])
    assert len(table) == 6 and set(table["split"]) == {"hash"} and table["n_test"].nunique() == 1
    row = table[(table["model"] == "cnn") & (table["train_speakers"] == 10)].iloc[0]
    assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"] and abs(row["accuracy"] - 0.6) < 0.15


def test_where_lines_cross_is_computed(curve):
    made = curve("gmm", {1: 0.3, 10: 0.5, ALL: 0.6})
    curve("cnn", {1: 0.0, 10: 0.45, ALL: 0.99})
    curve("poor", {1: 0.0, 10: 0.0, ALL: 0.05})
    told = crossings(curves_of(made)[0])
    assert told.startswith("Against the number of training speakers, gmm and cnn cross between 10 and 40 (gmm before, ")
    assert "cnn after; intervals overlap at 10)" in told
    assert "gmm and poor do not cross from 1 to 40 (gmm is the better; intervals overlap nowhere)" in told
    assert told.endswith(".") and "nan" not in told


def test_lines_that_are_equal_and_tests_without_interval_are_told_so(curve):
    made = curve("gmm", {1: 1.0, ALL: 1.0})
    curve("cnn", {1: 1.0, ALL: 1.0})
    assert "gmm and cnn are equal everywhere" in crossings(curves_of(made)[0])
    curve("poor", {1: 0.0, ALL: 0.0})
    for table in made.tables.values():
        table["speaker"] = "one"
    assert "gmm and poor do not cross from 1 to 40 (gmm is the better; there are no intervals)" in crossings(
        curves_of(made)[0]
    )


def test_failed_cells_other_splits_and_single_sizes_make_no_points(curve):
    made = curve("gmm", {ALL: 0.7})
    assert curves_of(made) == []
    made.records[0]["settings"]["split"]["train_speakers"] = ALL
    assert curves_of(made) == []
    curve("gmm", {1: 0.5}, status="ok")
    made.add("broken", status="failed", settings={"split": {"scheme": "hash", "folds": 5, "train_speakers": 1}})
    made.add("gmm", 0.5, split="official", settings={"split": {"scheme": "official"}})
    (found,) = curves_of(made)
    assert list(found.lines) == ["gmm"] and crossings(found) == ""


def test_the_report_has_figure_sentence_and_file(curve):
    made = curve("gmm", {1: 0.3, 10: 0.5, ALL: 0.6})
    curve("cnn", {1: 0.0, 10: 0.45, ALL: 0.99})
    files = {}
    notes = write_report("curve", {}, made.records, made.predictions, files.__setitem__).notes
    page, told = files["report.html"], "gmm and cnn cross between 10 and 40"
    assert page.index('id="learning-curve-0"') < page.index('id="task-0"') and page.count("<polyline") >= 2
    assert 'href="#learning-curve-0"' in page and page.count(told) == 2 and any(told in note for note in notes)
    assert "Accuracy against training speakers. gmm: " in page
    table = pd.read_csv(io.StringIO(files["learning_curve.csv"]))
    assert sorted(set(table["train_speakers"])) == [1, 10, ALL] and "leak.csv" not in files


def test_what_was_cut_is_said_and_what_all_points_share_is_said_once(curve):
    made = curve("gmm", {1: 0.3, 10: 0.5})
    notes = footnotes(made.records)
    told = (
        "speech, keywords, hash (train_speakers=1): The training side is cut down to the clips of 1 speaker, first of "
    )
    assert f"{told}those who together say every word; validation and test are whole." in notes
    assert notes.count("No recording was quarantined.") == 1
    made.records[:] = made.records[:1]
    made.records[0]["settings"]["split"] |= {"train_clips": 3}
    (note,) = [note for note in footnotes(made.records) if "cut down" in note]
    assert note.startswith("The training side is cut down to the clips of 1 speaker") and "3 clips of each word" in note


def test_clips_of_each_word_make_a_curve_of_their_own(curve):
    made = curve("gmm", {1: 0.3, 10: 0.5, ALL: 0.6})
    for size, skill in {3: 0.4, 30: 0.55}.items():
        split = {"scheme": "hash", "folds": 5, "train_clips": size}
        record = made.add("gmm", skill, settings={"split": split}, cell=f"gmm-clips-{size}")
        made.tables[record["cell"]] = made.tables["speech-hash-gmm-s0"]
        record["task"]["n_train_speakers"] = 7
    speakers, clips = curves_of(made)
    assert (speakers.cut, speakers.sizes, clips.cut, clips.sizes) == (
        "train_speakers",
        [1, 10, ALL],
        "train_clips",
        [3, 30],
    )
    table = curve_table([speakers, clips])
    assert table["train_clips"].tolist()[3:] == [3, 30] and table["train_speakers"].isna().sum() == 2
    files = {}
    write_report("curve", {}, made.records, made.predictions, files.__setitem__)
    assert (
        ">Training clips of each word " in files["report.html"] and 'href="#learning-curve-1"' in files["report.html"]
    )
