"""Clips that a recipe leaves out, from recipe to page."""

import pandas as pd

SPLITS = {"scheme": "speakers", "folds": 2}
MODELS = "majority: {}\ntoy: {model: 'kws_toys:Toy'}"


def sides_of(bench):
    tasks = [
        pd.read_csv(path, keep_default_na=False) for path in (bench.folder / "results/study/splits").glob("*.csv.gz")
    ]
    return [task.set_index("clip")["side"] for task in tasks]


def test_clips_left_out_of_the_test_cost_no_training(bench):
    assert bench.run("run", bench.recipe(MODELS, splits=SPLITS)).returncode == 0
    task = sides_of(bench)[0]
    named = list(task.index[task == "test"][:5])
    (bench.folder / "list.csv").write_text("clip,word\n" + "".join(f"{clip},x\n" for clip in named))
    exclude = {"file": "list.csv", "sides": ["test"]}
    done = bench.run("run", bench.recipe(MODELS, splits=SPLITS, exclude=exclude))
    assert done.returncode == 0 and "0 cells to run, 4 already done" in done.stderr, done.stderr
    cleaned = pd.read_csv(bench.folder / "results/study/cleaned.csv").set_index("model")
    assert set(cleaned.index) == {"majority", "toy"} and set(cleaned["n_left_out"]) == {5}
    assert 'id="cleaned-0"' in (bench.folder / "results/study/report.html").read_text()
    again = bench.run("report", bench.folder / "results/study")  # the list is in the store
    (bench.folder / "list.csv").unlink()
    assert again.returncode == 0 and "cleaned.csv" in again.stdout


def test_clips_left_out_of_everything_take_no_part_in_training(bench):
    assert bench.run("run", bench.recipe("majority: {}", splits=SPLITS)).returncode == 0
    before = sides_of(bench)
    named = sorted(clip for clip in before[0].index if clip.endswith(".wav"))[::7]
    (bench.folder / "list.txt").write_text("\n".join(named))
    done = bench.run("run", bench.recipe("majority: {}", splits=SPLITS, exclude="list.txt"))
    assert done.returncode == 0 and "2 cells to run" in done.stderr, done.stderr
    kept = [task for task in sides_of(bench) if not any(task.equals(old) for old in before)]
    assert len(kept) == 2
    for task in kept:
        assert not set(named) & set(task.index[task != "test"]) and set(named) & set(task.index[task == "test"])


def test_a_clip_that_no_corpus_has_is_named_with_the_recipes_line(bench):
    done = bench.run("run", bench.recipe("majority: {}", splits=SPLITS, exclude={"clips": ["yes/nobody.wav"]}))
    assert done.returncode == 2 and "clips that are not in the corpus: yes/nobody.wav" in done.stderr
    assert "study.yaml:" in done.stderr and "Traceback" not in done.stderr
