"""Energy in table, page and footnotes: where it was counted, and nowhere else."""

import numpy as np
import pandas as pd
import pytest

from kwsbench.report import footnotes, write_report


def written(made):
    files = {}
    write_report("study", {}, made.records, made.predictions, files.__setitem__)
    return files


def counted(train_j, score_mj):
    return {"energy": {"train_j": train_j, "score_mj_per_clip": score_mj, "source": "RAPL package"}}


def test_where_nothing_was_counted_nothing_is_said(made, tmp_path):
    made.add("one", 0.9)
    made.add("two", 0.8)
    files = written(made)
    (tmp_path / "table.csv").write_text(files["table.csv"])
    assert pd.read_csv(tmp_path / "table.csv")[["train_j", "mj_per_clip"]].isna().all().all()
    assert "mJ" not in files["table.md"] + files["table.tex"] + files["report.html"]
    assert not any("energy" in note for note in footnotes(made.records))


def test_where_it_was_counted_it_stands_beside_the_other_costs(made, tmp_path):
    for seed, joules in ((0, 1000.0), (1, 3000.0)):
        made.add("one", 0.9, seed=seed, **counted(joules, 12.0))
    made.add("two", 0.8, **counted(500.0, 3.5))
    resumed = {"energy": {"score_mj_per_clip": 7.0, "source": "NVML"}}
    made.add("three", 0.7, **resumed)
    made.add("old", 0.7)
    files = written(made)
    (tmp_path / "table.csv").write_text(files["table.csv"])
    table = pd.read_csv(tmp_path / "table.csv").set_index("model")
    assert table["train_j"].tolist() == pytest.approx([2000, 500, np.nan, np.nan], nan_ok=True)
    assert table["mj_per_clip"].tolist() == pytest.approx([12, 3.5, 7, np.nan], nan_ok=True)
    assert "| train J | mJ/clip |" in files["table.md"] and "| 2 k | 12 |" in files["table.md"]
    assert "Accuracy against millijoules to score one clip" in files["report.html"]
    (note,) = [note for note in footnotes(made.records) if "energy" in note]
    assert "counted by NVML, RAPL package in 4 of 5 cells" in note and "whole machine" in note
