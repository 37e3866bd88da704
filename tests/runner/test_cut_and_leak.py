"""Training sides that are cut down, and a split that leaks, from recipe to page."""

import re

import pandas as pd

SPEAKERS = {"scheme": "speakers", "folds": 2}
CUT = {**SPEAKERS, "train_speakers": [1, 2, "all"]}
LEAK = {**SPEAKERS, "scheme": "leaky_random", "like": "speakers"}
MODELS = "majority: {}\ntoy: {model: 'kws_toys:Toy'}"


def test_a_curve_and_a_leak_from_recipe_to_page(bench):
    assert bench.run("run", bench.recipe(MODELS, splits=SPEAKERS)).returncode == 0
    done = bench.run("run", bench.recipe(MODELS, splits=[CUT, LEAK]))
    assert done.returncode == 0, done.stderr
    assert "12 cells to run, 4 already done" in done.stderr  # those on the whole training side
    folder = bench.folder / "results" / "study"
    curve = pd.read_csv(folder / "learning_curve.csv")
    assert set(curve["model"]) == {"majority", "toy"} and set(curve["split"]) == {"speakers"}
    toy = curve[curve["model"] == "toy"].set_index("train_speakers")
    assert list(toy.index[:2]) == [1, 2] and toy.index[2] >= 3
    assert toy["n_train"].is_monotonic_increasing and toy["n_test"].nunique() == 1
    leak = pd.read_csv(folder / "leak.csv").set_index("model")
    row = leak.loc["toy"]
    assert row["split"] == "speakers" and row["leaky_split"].startswith("leaky_random")
    assert row["leaky_accuracy"] - row["accuracy"] == row["difference"] and row["n_test"] == row["leaky_n_test"]
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    page = (folder / "report.html").read_text()
    assert 'id="learning-curve-0"' in page and 'id="leak-0"' in page
    assert re.search(
        r"majority and toy cross between|toy and majority do not cross", done.stdout.replace("\n    ", " ")
    )
    assert "0 cells to run, 16 already done" in bench.run("run", bench.folder / "study.yaml").stderr


def test_every_point_of_a_curve_is_tested_and_validated_on_the_same_clips(bench):
    assert bench.run("run", bench.recipe("majority: {}", splits=CUT)).returncode == 0
    folder = bench.folder / "results" / "study"
    held: dict[tuple[str, str], set[str]] = {}
    for path in (folder / "splits").glob("*.csv.gz"):
        task = pd.read_csv(path, keep_default_na=False)
        fold = min(task["speaker"][(task["side"] == "test") & (task["speaker"] != "")])
        for side in ("validation", "test"):
            rows = task[task["side"] == side].sort_values("clip").to_csv(index=False)
            held.setdefault((fold, side), set()).add(rows)
    assert len(held) == 4 and all(len(found) == 1 for found in held.values())


def test_a_mistake_in_the_settings_is_told_with_its_line(bench):
    path = bench.recipe(
        "majority: {}", splits=[{**SPEAKERS, "train_speakers": [0, "every"]}, {"scheme": "leaky_random"}]
    )
    done = bench.run("check", path)
    assert done.returncode == 2 and "expected a whole number or all" in done.stderr + done.stdout
    assert "say of which, e.g. like: hash" in done.stderr + done.stdout
    many = bench.recipe("majority: {}", name="many", splits={**SPEAKERS, "train_speakers": 99})
    done = bench.run("run", many)
    assert done.returncode == 2 and "train_speakers is 99 of" in done.stderr and "Traceback" not in done.stderr
