"""What torchrun starts trains one network together and leaves one table."""

import subprocess
import sys

import pytest

MODELS = """
majority: {}
net: {model: tc_resnet8, epochs: 2, batch_size: 16, dropout: 0.0, learning_rate: 0.01}
"""


def by_two(bench, recipe, *more):
    """``kwsbench run`` of a recipe under torchrun, two processes."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "kwsbench", "run", str(recipe), *more),
    ]
    return subprocess.run(command, cwd=bench.folder, env=bench.environment, capture_output=True, text=True, timeout=300)


def test_two_processes_leave_the_table_of_one(bench):
    done = by_two(bench, bench.recipe(MODELS, "two"), "--tensorboard")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("written:") == 1 and "by 2 processes each" in done.stdout
    assert bench.run("run", bench.recipe(MODELS, "one")).returncode == 0
    one, two = bench.records("one"), bench.records("two")
    assert len(one) == len(two) == 4  # two folds
    for name, wanted in one.items():
        found = two[name]
        assert found["status"] == "ok" and found["key"] == wanted["key"]
        assert found["environment"]["processes"] == 2
        for row, own in zip(found["fit"]["history"], wanted["fit"]["history"], strict=True):
            for what in ("train_loss", "validation_loss"):
                assert row[what] == pytest.approx(own[what], rel=2e-3)
    folder = bench.folder / "results" / "two"
    assert not (folder / ".work").exists()
    nets = {record["cell"] for name, record in two.items() if name.startswith("net")}
    assert {path.name for path in (folder / "tensorboard").iterdir()} == nets
    again = by_two(bench, bench.folder / "two.yaml")
    assert again.returncode == 0 and "0 cells to run" in again.stdout


def test_a_cell_that_fails_ends_the_run_and_is_recorded(bench):
    done = by_two(bench, bench.recipe("bad: {model: ctc_rnn, epochs: 2, mixup: 0.5}"))
    assert done.returncode != 0
    records = bench.records()
    assert len(records) == 1 and all(record["status"] == "failed" for record in records.values())
    assert all("mixup" in record["reason"] for record in records.values())
