"""Keywords in streams: counted again from what is kept, pooled over folds, written down and drawn."""

import io

import numpy as np
import pandas as pd
import pytest

from kwsbench.evaluate.streaming import Listener, count, streaming
from kwsbench.report import write_report
from kwsbench.report.page.streaming import staircase
from kwsbench.report.rows import gather
from kwsbench.report.streaming import listened


def report(made) -> dict[str, str]:
    files: dict[str, str] = {}
    write_report("all", {}, made.records, made.predictions, files.__setitem__, made.beside)
    return files


@pytest.fixture
def heard(made):
    """Two models, one fold, two seeds."""
    for entry, skill in (("gmm_hmm", 0.5), ("light_cnn", 0.9)):
        for seed in (0, 1):
            made.listen(made.add(entry, seed=seed), skill)
    return made


def test_figures_are_those_of_the_windows_that_are_kept(heard):
    found = listened(gather(heard.records, heard.predictions), heard.beside)
    assert [one.row.model for one in found] == ["gmm_hmm", "light_cnn"]
    for one in found:
        cell = one.row.used[0]["cell"]
        windows, events = heard.beside(cell, "windows"), heard.beside(cell, "events")
        how, labels = Listener(1.0), list(heard.labels)
        long, short = (windows[windows["stream_name"] == name][labels].to_numpy(float) for name in ("long", "short"))
        swept = streaming(long, labels, events[events["stream_name"] == "long"], how)
        assert one.sweep.at_alarms == pytest.approx(swept.at_alarms, nan_ok=True)
        assert one.thresholds == (swept.threshold_at(1.0),)
        assert one.short == count(short, labels, events[events["stream_name"] == "short"], how, one.thresholds[0])
    assert found[1].sweep.at_alarms[1.0] < found[0].sweep.at_alarms[1.0]


def test_streams_of_all_folds_are_one(made):
    for fold in ("loso/ann", "loso/bob"):
        made.listen(made.add("gmm_hmm", fold=fold, split="loso"), 0.8)
    (one,) = listened(gather(made.records, made.predictions), made.beside)
    assert one.sweep.hours == pytest.approx(2) and one.sweep.n_events == 2 * 150
    assert len(one.thresholds) == 2 and one.short.hits + one.short.misses == 2 * 50
    assert np.isfinite(one.sweep.at_alarms[0.5])
    found = pd.read_csv(io.StringIO(report(made)["streaming.csv"]))
    assert found["threshold"].isna().all() and list(found["n_events"]) == [300]
    assert "in each of 2 folds, 1 h with 150 words" in report(made)["table.md"]


def test_a_line_a_model_is_written(heard):
    files = report(heard)
    found = pd.read_csv(io.StringIO(files["streaming.csv"])).set_index("model")
    assert list(found.index) == ["gmm_hmm", "light_cnn"]
    assert found["false_rejection_at_0.5_an_hour"].isna().all()  # one hour cannot show it
    assert (found["short_hits"] + found["short_misses"] == 50).all()
    assert "1 h with 150 words of the test side, 150 of them keywords, 9 to 9 dB above noise" in files["table.md"]
    assert "1,200 s with 50 keywords" in files["table.md"]


def test_the_page_draws_a_line_a_model_and_a_table(heard):
    page = report(heard)["report.html"]
    assert page.count("<h3>Streaming</h3>") == 1
    chart = page[page.index("Misses against false alarms an hour. gmm_hmm") :]
    chart = chart[: chart.index("</svg>")]
    assert chart.count("<polyline") == 2 and "light_cnn: – % at 0.5" in chart and "false alarms an hour" in chart
    for text in ("at 0.5 an hour", "hits", "Misses in the long stream, %, and what came of 1,200 s"):
        assert text in page


def test_a_staircase_falls_from_no_alarm_on(heard):
    for one in listened(gather(heard.records, heard.predictions), heard.beside):
        alarms, misses = staircase(one.sweep)
        assert alarms[0] == 0 and (np.diff(alarms) > 0).all() and (np.diff(misses) <= 0).all()
        assert misses[alarms <= 1][-1] == one.sweep.at_alarms[1.0]


def test_where_nobody_listened_nothing_is_said_of_it(made):
    made.add("gmm_hmm")
    made.add("light_cnn", status="failed")
    files = report(made)
    assert "streaming.csv" not in files and "Streaming" not in files["report.html"]


def test_a_failed_cell_has_no_line(heard):
    heard.add("tc_resnet8", status="failed")
    assert [one.row.model for one in listened(gather(heard.records, heard.predictions), heard.beside)] == [
        "gmm_hmm",
        "light_cnn",
    ]
