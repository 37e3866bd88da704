"""A run that is killed again and again ends in the table of a run that was left alone."""

import os
import random
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest

MODELS = """
majority: {}
gmm: {mixtures: 2}
gmm_hmm: {states: 3, mixtures: 1, n_iter: 5}
light_cnn: {epochs: 6, batch_size: 16}
"""
CLOCKS = ["train_s", "ms_per_clip", "peak_mb"]  # what no two runs have in common
KILLS = 20


@pytest.mark.slow
def test_killed_at_twenty_random_moments_the_table_is_the_same(bench):
    path = bench.recipe(MODELS)
    begun = time.monotonic()
    assert bench.run("run", path).returncode == 0
    whole_s = time.monotonic() - begun
    undisturbed = kept(bench.folder)
    shutil.rmtree(bench.folder / "results")
    shutil.rmtree(bench.folder / "cache")

    rng = random.Random(2017)
    for _ in range(KILLS):
        # a fifth of a whole run at most, so that kills fall into all of it: caches, cells, records, the table
        killed(bench, path, rng.uniform(0, whole_s / 5))
    done = bench.run("run", path)
    assert done.returncode == 0, done.stderr
    disturbed = kept(bench.folder)

    assert list(disturbed) == list(undisturbed)
    for name, table in undisturbed.items():
        pd.testing.assert_frame_equal(disturbed[name], table, check_exact=True, obj=name)
    assert not list((bench.folder / "results").rglob("*.tmp*"))
    assert not (bench.folder / "results/study/.work").exists()


def killed(bench, path, after: float) -> None:
    """Start the run and kill it and everything it has started, without warning."""
    run = subprocess.Popen(
        bench.command("run", path), cwd=bench.folder, env=bench.environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        run.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def kept(folder) -> dict[str, pd.DataFrame]:
    """The study's table and its predictions, less what clocks and memory gauges say."""
    study = folder / "results" / "study"
    table = pd.read_csv(study / "table.csv")
    clocks = [column for column in table if column in CLOCKS or column.endswith(("_s", "_mb"))]
    tables = {"table.csv": table.drop(columns=clocks)}
    for file in sorted((study / "predictions").iterdir()):
        tables[file.name] = pd.read_parquet(file)
    return tables
