"""Accuracy on corrupted clips: counted from what is stored, drawn over the ratio, written down."""

import io

import numpy as np
import pandas as pd
import pytest

from kwsbench.evaluate import bootstrap
from kwsbench.report import write_report
from kwsbench.report.robustness import measured
from kwsbench.report.rows import gather
from kwsbench.seeds import derive_seed

SKILLS = {("recordings", 10.0): 0.8, ("recordings", 0.0): 0.5, ("pink", 0.0): 0.4, ("gain_db", -20.0): 0.7}
SKILLS |= {("telephone", 1.0): 0.6}


def report(made) -> dict[str, str]:
    files: dict[str, str] = {}
    write_report("all", {}, made.records, made.predictions, files.__setitem__, made.beside)
    return files


@pytest.fixture
def corrupted(made):
    """Two models, two folds, two seeds."""
    for entry in ("gmm_hmm", "light_cnn"):
        for fold in ("loso/ann", "loso/bob"):
            for seed in (0, 1):
                made.corrupt(made.add(entry, 0.9, fold=fold, seed=seed, split="loso"), SKILLS)
    return made


def test_accuracy_is_over_the_clips_of_all_folds_and_the_mean_of_seeds(corrupted):
    heard = measured(gather(corrupted.records, corrupted.predictions), corrupted.predictions, corrupted.beside)
    assert [(one.row.model, one.condition, one.level) for one in heard] == [
        (model, *condition) for model in ("gmm_hmm", "light_cnn") for condition in SKILLS
    ]
    cells = [r for r in corrupted.records if r["parts"]["entry"] == "gmm_hmm"]
    rights, speakers = [], []
    for fold in ("loso/ann", "loso/bob"):
        by_seed = []
        for record in (r for r in cells if r["parts"]["fold"] == fold):
            table, answers = corrupted.tables[record["cell"]], corrupted.beside(record["cell"], "robustness")
            own = answers[(answers["condition"] == "pink")]["predicted"].to_numpy()
            by_seed.append(own == table["label"].to_numpy())
        rights.append(np.mean(by_seed, axis=0))
        speakers.append(table["speaker"].to_numpy(object))
    right = np.concatenate(rights)
    (pink,) = [one for one in heard if one.condition == "pink" and one.row.model == "gmm_hmm"]
    assert pink.accuracy == pytest.approx(right.mean())
    limits = bootstrap(right, np.concatenate(speakers), seed=derive_seed(*pink.row.task, "interval"))
    assert (pink.low, pink.high) == pytest.approx(limits) and pink.low < pink.accuracy < pink.high


def test_robustness_is_written_beside_the_table(corrupted):
    files = report(corrupted)
    found = pd.read_csv(io.StringIO(files["robustness.csv"]))
    assert len(found) == 2 * len(SKILLS) and set(found["n_test"]) == {480} and set(found["seeds"]) == {2}
    table = pd.read_csv(io.StringIO(files["table.csv"])).set_index("model")
    assert (found["accuracy_as_they_are"] == table["accuracy"][found["model"]].to_numpy()).all()
    assert found["accuracy"].between(found["accuracy_low"], found["accuracy_high"]).all()
    assert "the same for every model of a task" in files["table.md"]


def test_the_page_draws_a_panel_a_noise_and_a_table_of_the_rest(corrupted):
    page = report(corrupted)["report.html"]
    assert page.count("Accuracy in noise recordings over clip to noise, dB") == 1
    assert page.count("Accuracy in pink noise over clip to noise, dB") == 1
    for text in ("as they are", "−20 dB", "by telephone", "gmm_hmm: "):
        assert text in page
    panel = page[page.index("Accuracy in noise recordings") :]
    panel = panel[: panel.index("</svg>")]
    assert panel.count("<polyline") == 2 and panel.count('class="error"') == 4


def test_where_nothing_was_corrupted_nothing_is_said_of_it(made):
    made.add("gmm_hmm")
    files = report(made)
    assert "robustness.csv" not in files
    assert "obustness" not in files["report.html"]


def test_a_failed_cell_leaves_its_row_out_of_the_curves(made):
    made.corrupt(made.add("gmm_hmm"), SKILLS)
    made.add("light_cnn", status="failed")
    heard = measured(gather(made.records, made.predictions), made.predictions, made.beside)
    assert {one.row.model for one in heard} == {"gmm_hmm"}
    assert "Robustness" in report(made)["report.html"]
