"""Fusions in a report: rows like those of models, made of stored answers; driven from a store too."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from kwsbench.evaluate.fusion import fuse
from kwsbench.report import build_table, footnotes, write_report
from kwsbench.report.compare import compare_stored
from kwsbench.report.frames import load
from kwsbench.report.fusion import with_fusions
from kwsbench.store import Store


def tabulated(made, fusions, task=None):
    records, predictions = with_fusions(made.records, made.predictions, fusions, task)
    return build_table(records, predictions).set_index("model"), footnotes(records)


def test_a_fusion_is_a_row_after_the_models_and_better_than_those_who_err_apart(made):
    for seed in range(3):
        made.add("cnn", 0.8, seed=seed)
    made.add("gmm", 0.8)
    table, notes = tabulated(made, {"both": ["cnn", "gmm"], "cnns": ["cnn"]})
    assert table.index.tolist() == ["cnn", "gmm", "both", "cnns"]
    assert table.loc["both", "accuracy"] > table.loc[["cnn", "gmm"], "accuracy"].max() + 0.05
    assert table.loc["both", "seeds"] == 1 and table.loc["cnn", "seeds"] == 3
    assert table.loc["both", "ties"] and table.loc["both", "status"] == "ok"
    told = " ".join(notes)
    assert "both: the mean of the posteriors of 4 fits of cnn, gmm; costs are their sums" in told
    assert "cnns: the mean of the posteriors of 3 fits of cnn; costs are their sums" in told


def test_it_says_whose_posteriors_are_as_they_are(made):
    """As of a record from before there were temperatures."""
    made.add("cnn")["temperature"] = 0.7
    made.add("gmm").pop("temperature", None)
    _, notes = tabulated(made, {"both": ["cnn", "gmm"]})
    assert any("their sums; at temperature 1, for none was kept: gmm (seed 0)" in note for note in notes)


def test_it_costs_what_its_members_cost_together(made):
    made.add("cnn", peak_mb=800.0)
    made.add("gmm", peak_mb=300.0)
    both = tabulated(made, {"both": ["cnn", "gmm"]})[0].loc["both"]
    assert (both["params"], both["macs"], both["train_s"], both["ms_per_clip"]) == (628_000, 14_400_000, 60.0, 1.0)
    assert both["peak_mb"] == 800.0 and both["model_bytes"] == 2_512_000


def test_each_fold_is_fused_by_itself(made):
    for fold in ("1 of 2", "2 of 2"):
        for entry in ("cnn", "gmm"):
            made.add(entry, 0.8, fold=fold)
    both = tabulated(made, {"both": ["cnn", "gmm"]})[0].loc["both"]
    assert both["folds"] == 2 and both["n_test"] == 480 and both["accuracy"] > 0.8


def test_a_member_that_failed_or_is_absent_leaves_a_row_that_says_so(made):
    made.add("cnn")
    made.add("gmm", status="timeout", reason="60 minutes were up")
    table, notes = tabulated(made, {"both": ["cnn", "gmm"], "more": ["cnn", "svm"]})
    assert table.loc["both", "status"] == table.loc["more", "status"] == "failed"
    assert np.isnan(table.loc["both", "accuracy"]) and table.loc["cnn", "status"] == "ok"
    assert any("both: failed in 1 cell: gmm, of which it is made, has no whole result" in note for note in notes)
    assert any("svm" in note for note in notes)


def test_unknown_words_count_as_heard_where_any_member_heard_them(made):
    tasks = {}
    for entry, heard in (("cnn", "clip_words_a"), ("gmm", "clip_words_b")):
        record = made.add(entry, 1.0)
        record["parts"]["task_fingerprint"] = entry
        table = made.tables[record["cell"]]
        unknown = table["label"] == "unknown"
        words = np.where(np.arange(len(table)) % 3 == 0, "clip_words_a", "clip_words_b")
        words = np.where(np.arange(len(table)) % 3 == 2, "never", words)
        test = pd.DataFrame({"clip": table["clip"], "word": np.where(unknown, words, table["label"]), "side": "test"})
        train = pd.DataFrame({"clip": [f"t{i}" for i in range(12)], "word": heard, "side": "train"})
        tasks[entry] = pd.concat([train, test], ignore_index=True)
    records, _ = with_fusions(made.records, made.predictions, {"both": ["cnn", "gmm"]}, tasks.__getitem__)
    counted = records[-1]["rejection"]
    expected = int(((table["label"] == "unknown") & (np.arange(len(table)) % 3 == 2)).sum())
    assert counted["new"] == expected and counted["heard"] == int((table["label"] == "unknown").sum()) - expected
    assert counted["heard_right"] == counted["heard"] and counted["new_right"] == counted["new"]


def test_priors_of_validation_take_back_what_training_heard_too_much_of(made):
    record = made.add("cnn", 0.8)
    record["parts"]["task_fingerprint"] = "one"
    sides = {"train": [1, 1, 1, 1, 16, 1], "validation": [1] * 6}
    rows = pd.concat(
        pd.DataFrame({"clip": "c", "word": "w", "label": np.repeat(made.labels, counts), "side": side})
        for side, counts in sides.items()
    )
    rows = pd.concat([rows, made.predictions(record["cell"])[["clip", "label"]].assign(word="w", side="test")])
    asked = {"as_it_is": ["cnn"], "moved": {"members": ["cnn"], "priors": "validation"}}
    records, predictions = with_fusions(made.records, made.predictions, asked, {"one": rows}.__getitem__)
    plain, moved = (predictions(record["cell"]) for record in records[-2:])
    assert plain["predicted"].equals(made.predictions(record["cell"])["predicted"])
    gone = plain["predicted"] != moved["predicted"]
    assert gone.any() and (plain.loc[gone, "predicted"] == "unknown").all()
    assert "as if labels were said as often as on validation" in records[-1]["fit"]["notes"][0]
    table, notes = tabulated(made, asked)  # where nothing is kept of sides
    assert table.loc["moved", "status"] == "failed" and table.loc["as_it_is", "status"] == "ok"
    assert any("how often its members heard each label" in note for note in notes)


def validated(made, entry, skill, **more):
    """A cell that kept its answers to validation clips, of other draws than those to the test."""
    record = made.add(entry, skill, **more)
    made.others[record["cell"], "validation"] = made.predict(skill, "validation", 0, 50 + len(made.tables))
    record["beside_sha256"] = {"validation": "0" * 64}
    return record


def test_what_members_answer_to_validation_clips_tells_which_fusion_to_choose(made):
    for entry in ("cnn", "gmm"):
        validated(made, entry, 0.8)
    asked = {"both": ["cnn", "gmm"]}
    records, _ = with_fusions(made.records, made.predictions, asked, None, made.beside)
    table = build_table(records, with_fusions(made.records, made.predictions, asked, None, made.beside)[1])
    known = fuse([made.others[record["cell"], "validation"] for record in made.records], [1.0, 1.0], made.labels)
    accuracy = (known["label"] == known["predicted"]).mean()
    assert table.set_index("model").loc["both", "validation_accuracy"] == pytest.approx(accuracy)
    assert records[-1]["temperature"] > 0
    made.records[0].pop("beside_sha256")  # as of a cell from before they were kept
    records, _ = with_fusions(made.records, made.predictions, asked, None, made.beside)
    assert records[-1]["status"] == "ok" and "validation" not in records[-1]


def test_weights_of_validation_let_the_better_count_for_more(made):
    validated(made, "cnn", 0.95)
    validated(made, "gmm", 0.3)
    asked = {"alike": ["cnn", "gmm"], "weighted": {"members": ["cnn", "gmm"], "weights": "validation"}}
    records, predictions = with_fusions(made.records, made.predictions, asked, None, made.beside)
    alike, weighted = (
        (found["label"] == found["predicted"]).mean() for found in (predictions(r["cell"]) for r in records[-2:])
    )
    assert weighted > alike + 0.05
    note = records[-1]["fit"]["notes"][0]
    assert re.search(r"weights fitted on validation: (0\.[89]\d|1\.00) cnn \(seed 0\), 0\.\d\d gmm \(seed 0\)", note)
    _, notes = tabulated(made, asked)  # where nothing of validation is kept
    assert any("what its members answer to the validation clips" in note for note in notes)


def test_validation_clips_that_not_all_members_have_do_not_count(made):
    one, two = (validated(made, entry, 0.9) for entry in ("cnn", "gmm"))
    shorter = made.others[two["cell"], "validation"].iloc[40:]
    made.others[two["cell"], "validation"] = shorter
    records, _ = with_fusions(made.records, made.predictions, {"both": ["cnn", "gmm"]}, None, made.beside)
    known = fuse([made.others[one["cell"], "validation"].iloc[40:], shorter], [1.0, 1.0], made.labels)
    assert records[-1]["validation"]["accuracy"] == pytest.approx((known["label"] == known["predicted"]).mean())


def test_without_fusions_nothing_is_added(made):
    made.add("cnn")
    records, _ = with_fusions(made.records, made.predictions, {}, None)
    assert records == made.records


def test_a_stored_study_has_them_on_its_page_in_its_frames_and_to_compare_with(made, tmp_path):
    store = Store(tmp_path / "study")
    for entry, seed in (("cnn", 0), ("cnn", 1), ("gmm", 0)):
        record = made.add(entry, 0.8, seed=seed)
        store.put_predictions(record["cell"], made.tables[record["cell"]])
        store.put_record(record["cell"], record)
    recipe = {"study": "study", "models": {"cnn": {}, "gmm": {}}, "fusions": {"both": ["cnn", "gmm"]}}
    store.write("study.json", json.dumps({"study": "study", "recipe": recipe}))
    found = write_report("study", recipe, store.in_order(), store.predictions, store.write, store.beside, store.task)
    assert [row.name for row in found.rows] == ["cnn", "gmm", "both"]
    assert "both" in (store.folder / "report.html").read_text() and "both" in (store.folder / "pairs.csv").read_text()
    frames = load(store.folder)
    assert "both" in set(frames.table["model"]) and "both" in set(frames.predictions["model"])
    (compared,) = compare_stored(f"{store.folder}:cnn", f"{store.folder}:both", 0.0)
    assert compared.gain > 0.05 and not compared.regression
    assert not list((store.folder / "predictions").glob("*fusion*"))
