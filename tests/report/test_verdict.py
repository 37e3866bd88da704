"""The answer in words, ties, and the table of pairs."""

import io

import pandas as pd
import pytest

from kwsbench.report import write_report
from kwsbench.report.rows import gather
from kwsbench.report.verdict import in_words, pair_table, points, verdicts


def verdict_of(made):
    (found,) = verdicts(gather(made.records, made.predictions)).values()
    return found


def test_a_clear_winner_is_named_first_and_by_how_much(made):
    made.add("poor", 0.5)
    made.add("good", 0.95)
    made.add("floor", 0.1)
    first, second = in_words(verdict_of(made))
    assert first.startswith("Best: good, right on ") and "never heard in training" in first
    assert second.startswith("poor is shown to be worse: ") and "p < 0.0" in second or "p = 0.0" in second
    assert "1 other are" not in second and "another is shown to be worse too" in second


def test_twins_are_not_told_apart(made):
    made.add("one", 0.9)
    made.add("two", 0.9)
    made.add("far", 0.3)
    verdict = verdict_of(made)
    assert verdict.letters[0] == verdict.letters[1] == "a" and verdict.letters[2] == "b"
    said = in_words(verdict)
    assert said[0].startswith("Highest accuracy, but not shown to be the best: ")
    assert "No difference is shown from" in said[1] and "speakers to show" in said[1]
    assert "far is shown to be worse" in said[2]


def test_one_model_and_one_speaker(made):
    made.add("alone")
    assert in_words(verdict_of(made))[0].startswith("The only model is alone")
    made.add("other", 0.5)
    for name, table in made.tables.items():
        made.tables[name] = table.assign(speaker="ann")
    said = in_words(verdict_of(made))
    assert said[1].startswith("No comparison: one test speaker")


def test_models_that_failed_are_left_out(made):
    made.add("good")
    made.add("broken", status="failed", reason="no")
    assert len(verdict_of(made).rows) == 1


def test_speakers_heard_in_training_are_named_so(made):
    made.add("good", split="leaky_official")
    assert "heard in training too" in in_words(verdict_of(made))[0]


def test_every_pair_stands_in_its_table_and_ties_in_the_table(made):
    for name, skill in (("a", 0.9), ("b", 0.5), ("c", 0.4)):
        made.add(name, skill)
    files = {}
    report = write_report("study", {}, made.records, made.predictions, files.__setitem__)
    pairs = pd.read_csv(io.StringIO(files["pairs.csv"]))
    assert len(pairs) == 3 and (pairs["accuracy_a"] >= pairs["accuracy_b"]).all()
    assert pairs["difference"].tolist() == pytest.approx((pairs["accuracy_a"] - pairs["accuracy_b"]).tolist())
    assert (pairs["p_holm"] >= pairs["p"]).all() and pairs["shown"].dtype == bool
    assert report.table["ties"][0] == "a" and "a" not in report.table["ties"][1]
    said = in_words(report.verdicts["speech", "keywords", "hash"])[0]
    assert said in files["table.md"].replace("\\", "")
    assert said in files["report.html"]


def test_a_model_with_other_clips_is_not_compared(made):
    made.add("a")
    made.add("b")
    cell = made.records[1]["cell"]
    made.tables[cell] = made.tables[cell].iloc[:100]
    made.add("c", 0.5)
    verdict = verdict_of(made)
    assert [row.name for row in verdict.rows] == ["a", "c"] and len(pair_table({("x", "y", "z"): verdict})) == 1
    assert in_words(verdict)[-1] == "Tested on other clips, and not compared: b."


@pytest.mark.parametrize(("share", "text"), [(0.0123, "+1.2"), (-0.003, "−0.3"), (0.0001, "0.0"), (-0.0, "0.0")])
def test_points(share, text):
    assert points(share) == text
