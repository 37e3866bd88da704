"""Models are scored with and without listed test clips, from the same answers."""

import io

import numpy as np
import pandas as pd
import pytest

from kwsbench.evaluate.bootstrap import bootstrap
from kwsbench.report import write_report
from kwsbench.report.cleaned import NOTHING, cleaned, cleaned_notes, cleaned_table, reordered
from kwsbench.report.rows import gather


@pytest.fixture
def study(made):
    made.add("gmm", 0.7)
    made.add("cnn", 0.8)
    return made


def wrong_clips(made, entry, n):
    table = next(table for cell, table in made.tables.items() if entry in cell)
    return list(table.loc[table["label"] != table["predicted"], "clip"].head(n))


def test_without_clips_that_one_model_had_wrong_its_accuracy_is_that_of_the_rest(study):
    named = wrong_clips(study, "gmm", 20)
    gmm, cnn = cleaned(gather(study.records, study.predictions), [*named, "of another side.wav"])
    right = gmm.row.values["accuracy"] * 240
    assert gmm.n_left_out == cnn.n_left_out == 20 and gmm.left_out == 0 and cnn.left_out > 0
    assert gmm.cleaned.value == pytest.approx(right / 220)
    assert gmm.difference.value == pytest.approx(right / 220 - right / 240)
    assert gmm.difference.low > 0 and gmm.difference.low < gmm.difference.value < gmm.difference.high
    # the difference is of the same clips and speakers: surer than either accuracy
    assert gmm.difference.high - gmm.difference.low < (gmm.cleaned.high - gmm.cleaned.low) / 2


def test_the_interval_is_that_of_the_kept_clips_alone(study):
    (gmm, _) = cleaned(gather(study.records, study.predictions), wrong_clips(study, "gmm", 30))
    table = study.tables[gmm.row.records[0]["cell"]].set_index("clip")
    kept = table.drop(wrong_clips(study, "gmm", 30))
    right = (kept["label"] == kept["predicted"]).to_numpy()
    low, high = bootstrap(right, kept["speaker"].to_numpy(object), seed=3)
    assert (gmm.cleaned.low, gmm.cleaned.high) == pytest.approx((low, high), abs=0.01)


def test_the_list_names_nothing_everything_or_what_is_not_there(study):
    rows = gather(study.records, study.predictions)
    assert cleaned(rows, []) == [] and cleaned_notes([]) == []
    untouched = cleaned(rows, ["elsewhere.wav"])[0]
    assert untouched.n_left_out == 0 and untouched.cleaned.value == untouched.row.values["accuracy"]
    assert untouched.difference.value == 0 and np.isnan(untouched.left_out)
    assert cleaned_notes([untouched]) == ["speech, keywords, hash: " + NOTHING]
    gone = cleaned(rows, [f"clip{i}.wav" for i in range(240)])[0]
    assert gone.n_left_out == 240 and np.isnan(gone.cleaned.value)
    assert gone.left_out == pytest.approx(gone.row.values["accuracy"])


def test_folds_are_pooled_and_failed_cells_have_no_line(made):
    for fold in ("a", "b"):
        made.add("gmm", 0.8, fold=fold)
    made.add("cnn", status="failed", fold="a")
    (gmm,) = cleaned(gather(made.records, made.predictions), ["clip0.wav"])
    assert gmm.n_left_out == 2 and len(cleaned_table([gmm])) == 1


def test_the_report_has_both_side_by_side_and_says_whose_mistakes_they_may_be(study):
    named, files = wrong_clips(study, "gmm", 60), {}
    recipe = {"exclude": {"clips": named, "sides": ["test"]}}
    notes = write_report("cleaned", recipe, study.records, study.predictions, files.__setitem__).notes
    page, table = files["report.html"], pd.read_csv(io.StringIO(files["cleaned.csv"]))
    assert page.index('id="cleaned-0"') < page.index('id="task-0"') and 'href="#cleaned-0"' in page
    assert list(table["n_left_out"]) == [60, 60] and table["cleaned_accuracy"][0] > table["accuracy"][0]
    assert "too kind to every model" in page and any("60 test clips" in note for note in notes)
    found = cleaned(gather(study.records, study.predictions), named)
    assert "The order of the models changes" in reordered(found) and reordered(found) in page
    assert "the same with and without" in reordered(cleaned(gather(study.records, study.predictions), ["clip0.wav"]))


def test_clips_left_out_of_training_alone_are_no_matter_of_the_report(study):
    files = {}
    recipe = {"exclude": {"clips": ["clip0.wav"], "sides": ["train"]}}
    write_report("cleaned", recipe, study.records, study.predictions, files.__setitem__)
    assert "cleaned.csv" not in files and "cleaned-0" not in files["report.html"]
