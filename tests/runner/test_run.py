"""The run command as a user meets it: real processes, models that go wrong, tables that can be recomputed."""

import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from kwsbench.evaluate import Listener, count, streaming

FIRST = [
    *("model", "corpus", "labels", "split", "n_train", "n_test", "n_test_speakers"),
    *("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "worst_speaker"),
    *("params", "macs", "train_s", "ms_per_clip", "peak_mb", "seeds", "status"),
]


@pytest.fixture
def table(bench):
    def read(name: str = "study") -> pd.DataFrame:
        return pd.read_csv(bench.folder / "results" / name / "table.csv").set_index("model")

    return read


def test_a_study_from_recipe_to_table(bench, table):
    path = bench.recipe("majority: {}\ntoy: {model: 'kws_toys:Toy'}")
    done = bench.run("run", path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    folder = bench.folder / "results" / "study"
    found = pd.read_csv(folder / "table.csv")
    assert list(found.columns[: len(FIRST)]) == FIRST
    assert list(found["model"]) == ["majority", "toy"]
    assert table().loc["toy", "accuracy"] > table().loc["majority", "accuracy"] + 0.2
    for name in ("table.md", "report.html", "study.json"):
        assert (folder / name).stat().st_size > 100
    assert "toy" in done.stdout
    assert not (folder / ".work").exists()


def test_the_table_can_be_recomputed_from_what_is_kept(bench, table):
    assert bench.run("run", bench.recipe("toy: {model: 'kws_toys:Toy'}")).returncode == 0
    folder = bench.folder / "results" / "study"
    records = bench.records()
    assert len(records) == 2  # folds
    parts = []
    for record in records.values():
        # late settings that change nothing are not in it: cells from before them are of the same task
        assert "unheard_sides" not in record["settings"]["labels"] and "like" not in record["settings"]["split"]
        predictions = pd.read_parquet(folder / "predictions" / f"{record['cell']}.parquet")
        task = pd.read_csv(folder / "splits" / f"{record['task']['fingerprint']}.csv.gz", keep_default_na=False)
        assert list(task.columns) == ["clip", "word", "label", "speaker", "side"]
        assert set(task["side"]) == {"train", "validation", "test"}
        test = task[task["side"] == "test"].set_index("clip")
        assert list(predictions.columns[:4]) == ["clip", "speaker", "label", "predicted"]
        assert set(predictions["clip"]) == set(test.index)
        assert (predictions.set_index("clip")["label"] == test["label"].reindex(predictions["clip"])).all()
        scores = predictions[record["label_names"]]
        assert (scores.idxmax(axis=1) == predictions["predicted"]).all()
        chosen_by = pd.read_parquet(folder / "predictions" / f"{record['cell']}.validation.parquet")
        assert set(chosen_by["clip"]) == set(task.loc[task["side"] == "validation", "clip"])
        assert (chosen_by["label"] == chosen_by["predicted"]).mean() == pytest.approx(record["validation"]["accuracy"])
        speakers = {side: set(task["speaker"][task["side"] == side]) - {""} for side in ("train", "validation", "test")}
        assert not speakers["train"] & speakers["test"] and not speakers["validation"] & speakers["test"]
        parts.append(predictions)
    whole = pd.concat(parts)
    row = table().loc["toy"]
    assert row["n_test"] == len(whole)
    assert row["accuracy"] == pytest.approx((whole["label"] == whole["predicted"]).mean())
    assert row["macro_f1"] == pytest.approx(f1_score(whole["label"], whole["predicted"], average="macro"), abs=1e-6)
    assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]


def test_run_again_does_only_what_is_missing(bench):
    assert bench.run("run", bench.recipe("majority: {}")).returncode == 0
    before = {name: record["when"] for name, record in bench.records().items()}
    path = bench.recipe("majority: {}\ntoy: {model: 'kws_toys:Toy'}")
    done = bench.run("run", path)
    assert "2 cells to run, 2 already done" in done.stderr
    after = bench.records()
    assert {name: after[name]["when"] for name in before} == before
    assert "0 cells to run, 4 already done" in bench.run("run", path).stderr


def test_a_changed_model_of_ones_own_runs_again(bench):
    path = bench.recipe("majority: {}\ntoy: {model: 'kws_toys:Toy'}")
    assert bench.run("run", path).returncode == 0
    own = bench.folder / "kws_toys.py"
    own.write_text(own.read_text() + "# changed\n")
    assert "2 cells to run, 2 already done" in bench.run("run", path).stderr
    own.write_text(own.read_text() + "VERSION = 7\n")
    assert "2 cells to run, 2 already done" in bench.run("run", path).stderr
    own.write_text(own.read_text() + "# changed, and the same\n")
    assert "0 cells to run, 4 already done" in bench.run("run", path).stderr


def test_changed_recordings_run_again(bench, tmp_path, tone_tree):
    mine = tmp_path / "data" / tone_tree.name
    shutil.copytree(tone_tree, mine)
    bench.environment["KWSBENCH_DATA"] = str(mine.parent)
    path = bench.recipe("majority: {}")
    assert bench.run("run", path).returncode == 0
    a, b = sorted(mine.glob("yes/*.wav"))[:2]
    shutil.copyfile(a, b)
    assert "2 cells to run" in bench.run("run", path).stderr


def test_a_fit_that_went_on_from_a_checkpoint_tells_the_whole_of_its_time(bench, table):
    path = bench.recipe("resumes: {model: 'kws_toys:Toy', how: resumes}")
    done = bench.run("run", path)
    assert 600 < table().loc["resumes", "train_s"] < 660
    assert "went on from a checkpoint" in done.stdout


def test_bad_cells_cost_themselves_alone(bench, table):
    path = bench.recipe(
        """
        well: {model: 'kws_toys:Toy'}
        raises: {model: 'kws_toys:Toy', how: raises}
        dies: {model: 'kws_toys:Toy', how: dies}
        exits: {model: 'kws_toys:Toy', how: exits}
        leaves: {model: 'kws_toys:Toy', how: leaves}
        sleeps: {model: 'kws_toys:Toy', how: sleeps, limits: {cell_minutes: 0.15}}
        forgets: {model: 'kws_toys:Toy', how: forgets}
        owes: {model: 'kws_toys:Toy', how: owes}
        silent: {model: 'kws_toys:Toy', how: says nothing}
        eats: {model: 'kws_toys:Toy', how: eats, size_mb: 1500, limits: {memory_mb: 1200}}
        """,
        labels={"scheme": "all"},
    )
    done = bench.run("run", path, "--only", "well,raises,dies,exits,leaves,forgets,owes,silent")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    status = {name.split()[0]: record for name, record in bench.records().items()}
    assert status["well"]["status"] == "ok"
    assert status["raises"]["status"] == "failed"
    assert "no convergence on purpose" in status["raises"]["reason"]
    assert "in fit" in status["raises"]["traceback"]
    assert "signal 9" in status["dies"]["reason"]
    assert "exit code 3" in status["exits"]["reason"]
    assert status["leaves"]["reason"] == "SystemExit: 0"
    assert "not (40, 4) (clips, targets)" in status["forgets"]["reason"]
    assert "params is -5" in status["owes"]["reason"]
    assert "fit gave NoneType, not a FitLog" in status["silent"]["reason"]
    assert table().loc["raises", "status"].startswith("failed")
    assert pd.isna(table().loc["raises", "accuracy"])
    assert table().loc["well", "status"] == "ok"
    # failures are tried again, results are not
    done = bench.run("run", path, "--only", "well,raises")
    assert "2 cells to run, 2 already done" in done.stderr

    done = bench.run("run", path, "--only", "sleeps,eats")
    assert done.returncode == 1
    status = {name.split()[0]: record for name, record in bench.records().items()}
    assert status["sleeps"]["status"] == "timeout"
    assert status["eats"]["status"] == "out-of-memory"
    assert status["eats"]["peak_mb"] > 1200


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_nobody_behind_and_goes_on(bench, how):
    path = bench.recipe("majority: {}\nsleeps: {model: 'kws_toys:Toy', how: sleeps}")
    with subprocess.Popen(
        bench.command("run", path),
        cwd=bench.folder,
        env=bench.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if b"[2/4]" in line:
                break
        deadline = time.monotonic() + 20
        while not (children := _children(run.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert children
        os.kill(run.pid, how)
        rest = run.stderr.read().decode()
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert rest == "kwsbench: stopped; run the same command again to go on\n"
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(pid) for pid in children)
    done = bench.run("run", path, "--only", "majority")
    assert "0 cells to run, 2 already done" in done.stderr
    assert done.returncode == 0


def _children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def _alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_too_many_bad_recordings_stop_the_study(bench, tmp_path, tone_tree):
    import shutil

    data = tmp_path / "damaged"
    shutil.copytree(tone_tree, data / tone_tree.name)
    victims = sorted((data / tone_tree.name / "yes").iterdir())[:3]
    for path in victims:
        path.write_bytes(b"RIFF rubbish")
    recipe = bench.recipe("majority: {}")
    done = bench.run("run", recipe, "--data", data)
    assert done.returncode == 2
    assert "3 of 80 recordings cannot be used" in done.stderr
    assert str(victims[0]) in done.stderr
    assert "Traceback" not in done.stderr
    done = bench.run("run", recipe, "--data", data, "--set", "limits.bad_share=0.1")
    assert done.returncode == 0, done.stderr
    text = (bench.folder / "results" / "study" / "table.md").read_text()
    assert re.search(r"3 (recordings|clips)", text)


def test_an_identical_recording_of_two_speakers_stops_the_study(bench, tmp_path, tone_tree):
    import shutil

    data = tmp_path / "leaky"
    shutil.copytree(tone_tree, data / tone_tree.name)
    clips = sorted((data / tone_tree.name / "yes").iterdir())
    for clip in clips[2:]:
        shutil.copy(clips[0], clip)
    done = bench.run("run", bench.recipe("majority: {}"), "--data", data)
    assert done.returncode == 2
    assert clips[0].name in done.stderr
    assert "two sides" in done.stderr


def test_robustness_of_two_models_on_the_same_corrupted_clips(bench, table):
    """Two entries with one seed and one setting are one model: they answer alike only if they hear alike."""
    few = {"snr_db": [10, -20], "noises": ["recordings", "white"], "shift_ms": [], "gain_db": [-20.0]}
    few |= {"speed": [], "clipping": [], "reverb_s": [0.5]}
    models = "toy: {model: 'kws_toys:Toy'}\nagain: {model: 'kws_toys:Toy'}"
    assert bench.run("run", bench.recipe(models, robustness=few)).returncode == 0
    plain = bench.run("run", bench.recipe("toy: {model: 'kws_toys:Toy'}", name="plain"))
    assert plain.returncode == 0, plain.stderr
    folder = bench.folder / "results" / "study"
    records = bench.records()
    conditions = [(name, snr) for name in ("recordings", "white") for snr in (10, -20)]
    conditions += [("gain_db", -20), ("telephone", 1), ("reverb_s", 0.5)]
    kept = {}
    for name, record in records.items():
        found = pd.read_parquet(folder / "predictions" / f"{record['cell']}.robustness.parquet")
        truth = pd.read_parquet(folder / "predictions" / f"{record['cell']}.parquet").set_index("clip")
        assert list(found.columns) == ["clip", "condition", "level", "predicted"]
        assert [(one["condition"], one["level"]) for one in record["robustness"]] == conditions
        for one in record["robustness"]:
            own = found[(found["condition"] == one["condition"]) & (found["level"] == one["level"])]
            assert list(own["clip"]) == list(truth.index)
            assert one["accuracy"] == pytest.approx((own["predicted"] == truth["label"][own["clip"]].values).mean())
        kept[name] = found
        assert record["timings"]["robustness_s"] > 0
        assert "robustness_s" not in bench.records("plain").get(name, {"timings": {}})["timings"]
        silent = found[found["clip"].str.startswith("silence/") & found["condition"].isin(["recordings", "white"])]
        assert len(silent) and (silent["predicted"] == truth["predicted"][silent["clip"]].values).all()
    for fold in ("speakers/1-of-2", "speakers/2-of-2"):
        assert kept[f"toy {fold}"].equals(kept[f"again {fold}"])
        toy, before = records[f"toy {fold}"], bench.records("plain")[f"toy {fold}"]
        assert toy["metrics"] == before["metrics"] and toy["key"] != before["key"]
        assert toy["parts"]["versions"].keys() - before["parts"]["versions"].keys() == {"corruptions", "robustness"}
        worst = {one["level"]: one["accuracy"] for one in toy["robustness"] if one["condition"] == "white"}
        assert worst[-20] < worst[10]
    assert not (folder / ".work").exists()
    assert not list(bench.folder.rglob("corrupted-*"))
    written = pd.read_csv(folder / "robustness.csv")
    assert list(zip(written["condition"], written["level"], strict=True)) == 2 * conditions
    assert "Accuracy in noise recordings over" in (folder / "report.html").read_text()
    assert not (bench.folder / "results" / "plain" / "robustness.csv").exists()
    assert "0 cells to run" in bench.run("run", bench.folder / "study.yaml").stderr
    next((folder / "predictions").glob("*.robustness.parquet")).unlink()
    assert "1 cell to run" in bench.run("run", bench.folder / "study.yaml").stderr


def test_two_models_listen_to_the_same_streams(bench):
    """Two entries with one seed and one setting are one model: they hear alike only if they listen to the same."""
    asked = {"hours": 0.05, "hop_s": 0.5, "smoothed": 1}
    models = "toy: {model: 'kws_toys:Toy'}\nagain: {model: 'kws_toys:Toy'}"
    done = bench.run("run", bench.recipe(models, streaming=asked))
    assert done.returncode == 0, done.stderr
    plain = bench.run("run", bench.recipe("toy: {model: 'kws_toys:Toy'}", name="plain"))
    assert plain.returncode == 0, plain.stderr
    folder, records = bench.folder / "results" / "study", bench.records()
    kept = {}
    for name, record in records.items():
        windows, events = (
            pd.read_parquet(folder / "predictions" / f"{record['cell']}.{kind}.parquet")
            for kind in ("windows", "events")
        )
        assert list(windows.columns) == ["stream_name", "window_end_s", "best_keyword", *record["label_names"]]
        assert windows.groupby("stream_name", sort=False).size().to_dict() == {"long": 359, "short": 2399}
        posteriors = windows[record["label_names"]].to_numpy()
        # each is kept with five digits
        assert posteriors.dtype == np.float32 and posteriors.sum(axis=1) == pytest.approx(1, abs=1e-4)
        found = record["streaming"]
        assert found["n_events"] == 15 and found["n_words"] == 30 and found["short"]["n_events"] == 50
        how = Listener(0.5, found["window_s"], 1)
        long, short = (events[events["stream_name"] == stream] for stream in ("long", "short"))
        long, short = (part.assign(word=part["label"]) for part in (long, short))
        swept = streaming(posteriors[:359].astype(float), record["label_names"], long, how)
        threshold = swept.threshold_at(1.0)
        assert found["threshold"] == (pytest.approx(threshold) if np.isfinite(threshold) else None)
        counts = count(posteriors[359:].astype(float), record["label_names"], short, how, threshold)
        assert (found["short"]["hits"], found["short"]["misses"], found["short"]["false_alarms"]) == counts
        assert found["background"] == "1 noise recording held out for the test"
        assert record["timings"]["streaming_s"] > 0
        kept[name] = windows, events
    for fold in ("speakers/1-of-2", "speakers/2-of-2"):
        for one, other in zip(kept[f"toy {fold}"], kept[f"again {fold}"], strict=True):
            assert one.equals(other)
        toy, before = records[f"toy {fold}"], bench.records("plain")[f"toy {fold}"]
        assert toy["metrics"] == before["metrics"] and toy["key"] != before["key"]
        assert toy["parts"]["versions"].keys() - before["parts"]["versions"].keys() == {"streaming", "timeline"}
        assert "streaming" not in before and "streaming_s" not in before["timings"]
    assert not (folder / ".work").exists() and not list(bench.folder.rglob("windows-*"))
    written = pd.read_csv(folder / "streaming.csv")
    assert list(written["model"]) == ["toy", "again"] and set(written["n_events"]) == {30}
    assert (written["short_hits"] + written["short_misses"] == 100).all()
    assert "Misses against false alarms an hour" in (folder / "report.html").read_text()
    assert not (bench.folder / "results" / "plain" / "streaming.csv").exists()
    assert "0 cells to run" in bench.run("run", bench.folder / "study.yaml").stderr
    next((folder / "predictions").glob("*.windows.parquet")).unlink()
    assert "1 cell to run" in bench.run("run", bench.folder / "study.yaml").stderr
