"""A cell's teacher is fitted once, as it would be by itself, and kept."""

import numpy as np
import pytest

from kwsbench.cell import run_cell
from kwsbench.recipe import load_recipe
from kwsbench.runner.local import versions_of
from kwsbench.sound import Places
from kwsbench.study import expand

RECIPE = """
corpora: speech_commands_v0.01
splits: {scheme: speakers, folds: 2}
labels: all
models:
  big: {model: ds_cnn, epochs: 1, noise_share: 0.0}
  small: {model: light_cnn, epochs: 1, frontend: {rate: 16000}, teacher: big, teacher_share: 0.7}
"""


@pytest.fixture
def cells(tmp_path):
    (tmp_path / "study.yaml").write_text(RECIPE)
    study = expand(load_recipe(tmp_path / "study.yaml"))
    return {cell.entry: cell.with_fold("speakers/1-of-2") for cell in study.cells}


def test_a_cell_with_a_teacher(tone_tree, tmp_path, cells):
    places, told = Places(tone_tree.parent, tmp_path / "cache"), []

    def run(name):
        told.clear()
        return run_cell(cells[name], places, device="cpu", threads=1, progress=lambda phase, *_: told.append(phase))

    first = run("small")
    assert "teacher, training" in told and first.record["timings"]["teacher_s"] > 0
    (folder,) = (tmp_path / "cache" / "teachers").iterdir()
    (note,) = [note for note in first.record["fit"]["notes"] if note.startswith("taught by ds_cnn, which took ")]
    again = run("small")
    assert "teacher, training" not in told and note in again.record["fit"]["notes"]
    np.testing.assert_array_equal(first.predictions["yes"], again.predictions["yes"])
    alone = run("big").model
    kept = type(alone)()
    kept.load(folder)
    for mine, others in zip(alone.module_.parameters(), kept.module_.parameters(), strict=True):
        assert mine.equal(others)


def test_versions_of_the_teacher_are_in_the_key(cells):
    assert versions_of(cells["small"])["teacher's model"] == 1
    assert not any("teacher" in name for name in versions_of(cells["big"]))
