"""A random split stands beside the one whose sizes it has, and the difference has an interval."""

import io

import numpy as np
import pandas as pd
import pytest

from kwsbench.evaluate.bootstrap import bootstrap
from kwsbench.report import write_report
from kwsbench.report.leak import price_notes, price_table, prices
from kwsbench.report.rows import gather

APART = {"scheme": "hash", "folds": 5}
MIXED = {"scheme": "leaky_random", "like": "hash", "folds": 5}


@pytest.fixture
def leaking(made):
    for entry, apart, mixed in (("gmm", 0.6, 0.9), ("cnn", 0.8, 0.8)):
        made.add(entry, apart, settings={"split": APART})
        made.add(entry, mixed, split="leaky_random", fold="leaky_random/hash", settings={"split": MIXED})
    return made


def prices_of(made):
    return prices(gather(made.records, made.predictions))


def test_a_price_is_the_difference_with_an_interval(leaking):
    gmm, cnn = prices_of(leaking)
    assert (gmm.apart.name, cnn.apart.name) == ("gmm", "cnn") and gmm.mixed.task[2] == "leaky_random"
    assert 0.15 < gmm.low < gmm.difference < gmm.high < 0.45 and cnn.low < 0 < cnn.high
    table = price_table([gmm, cnn])
    assert list(table["difference"]) == [gmm.difference, cnn.difference]
    assert list(table["split"]) == ["hash"] * 2 and list(table["leaky_split"]) == ["leaky_random"] * 2
    assert (table["leaky_accuracy"] - table["accuracy"] - table["difference"]).abs().max() < 1e-12
    assert prices_of(leaking)[0].low == gmm.low


def test_the_interval_joins_those_of_two_independent_tests(leaking):
    gmm, _ = prices_of(leaking)
    widths = [row.values["accuracy_high"] - row.values["accuracy_low"] for row in (gmm.apart, gmm.mixed)]
    assert gmm.high - gmm.low == pytest.approx(np.hypot(*widths), rel=0.1)
    table = leaking.tables[gmm.apart.records[0]["cell"]]
    right = (table["label"] == table["predicted"]).to_numpy()
    low, high = bootstrap(right, table["speaker"].to_numpy(object), seed=1)
    assert (high - low) == pytest.approx(widths[0], rel=0.1)


def test_only_like_is_compared_with_like(leaking):
    leaking.records[1]["settings"] = {"split": {**MIXED, "like": "speakers"}}
    leaking.records[3]["settings"] = {"split": {**MIXED, "train_speakers": 5}}
    assert prices_of(leaking) == [] and price_notes([]) == []


def test_without_an_interval_of_both_there_is_none_of_the_difference(leaking):
    for table in leaking.tables.values():
        table["speaker"] = "one"
    assert all(np.isnan([price.low, price.high]).all() for price in prices_of(leaking))
    assert "nan" not in " ".join(price_notes(prices_of(leaking)))


def test_the_report_has_table_sentence_and_file(leaking):
    files = {}
    notes = write_report("leak", {}, leaking.records, leaking.predictions, files.__setitem__).notes
    page = files["report.html"]
    assert page.index('id="leak-0"') < page.index('id="task-0"') and 'href="#leak-0"' in page
    gmm, cnn = prices_of(leaking)
    points = f"{100 * gmm.difference:.1f} [{100 * gmm.low:.1f}, {100 * gmm.high:.1f}]"
    assert f"flatters gmm the most, by {points} points" in page
    (note,) = [note for note in notes if "flatter" in note]
    assert f"flatter gmm by {points} and cnn by " in note and "−" in note
    table = pd.read_csv(io.StringIO(files["leak.csv"]))
    assert list(table["model"]) == ["gmm", "cnn"] and "learning_curve.csv" not in files
    assert "speakers never heard in training" not in page.partition("<main")[0]


def test_no_model_that_is_flattered(made):
    made.add("gmm", 0.9, settings={"split": APART})
    made.add("gmm", 0.2, split="leaky_random", settings={"split": MIXED})
    files = {}
    write_report("leak", {}, made.records, made.predictions, files.__setitem__)
    assert "flatters no model here" in files["report.html"]
