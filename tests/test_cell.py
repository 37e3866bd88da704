"""A cell by itself: what it needs to be there, and what it shares with the others of its task."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

from kwsbench.clips import Clips
from kwsbench.features import Frontend
from kwsbench.recipe import load_recipe
from kwsbench.sound import Places
from kwsbench.study import expand
from kwsbench.tasks import corruptions_of, label_fold, plan_folds, script_of, sound_of

NEEDLESS = "hmmlearn jinja2 joblib matplotlib pooch rich safetensors sklearn typer webrtcvad"


def test_a_neural_cell_needs_few_packages(tone_tree, tmp_path):
    """numpy, pandas, torch, soundfile; psutil on a CPU, scipy to resample: what machines with a GPU tend to have.

    numba makes it faster on a CPU where it is there.
    """
    (tmp_path / "study.yaml").write_text(
        "corpora: speech_commands_v0.01\nsplits: {scheme: speakers, folds: 2}\nlabels: all\n"
        "models:\n  light_cnn: {epochs: 1}\n"
    )
    program = f"""
        import sys
        from pathlib import Path
        from kwsbench.cell import run_cell
        from kwsbench.sound import Places
        from kwsbench.recipe import load_recipe
        from kwsbench.study import expand

        sys.modules["numba"] = None  # as if it were not there
        if __name__ == "__main__":
            (cell,) = expand(load_recipe(Path("study.yaml"))).cells
            places = Places(Path({str(tone_tree.parent)!r}), Path("cache"))
            outcome = run_cell(cell.with_fold("speakers/1-of-2"), places, device="cpu", threads=1)
            assert 0 < outcome.record["int8"]["bytes"] < outcome.record["cost"]["bytes"]
            assert 0 <= outcome.record["int8"]["accuracy"] <= 1 and outcome.record["cost"]["params"] > 0
            assert 0 <= outcome.record["validation"]["accuracy"] <= 1 and outcome.record["temperature"] > 0
            print([name for name in {NEEDLESS!r}.split() if name in sys.modules])
    """
    (tmp_path / "one.py").write_text(textwrap.dedent(program))
    done = subprocess.run([sys.executable, "one.py"], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_every_cell_of_a_task_hears_the_same_corrupted_clips(tone_tree, tmp_path):
    """Whatever its model, settings, frontend and seed; noise recordings are the test side's alone."""
    text = (
        "corpora: speech_commands_v0.01\nsplits: {scheme: speakers, folds: 2}\nlabels: all\nseeds: 2\n"
        "models:\n  light_cnn: {epochs: [1, 2]}\n  gmm_hmm: {frontend: {rate: 8000}}\n"
    )
    plain, asking = tmp_path / "plain.yaml", tmp_path / "asking.yaml"
    plain.write_text(text)
    asking.write_text(text + "robustness: {noises: [recordings], snr_db: [5]}\n")
    cells = expand(load_recipe(asking)).cells
    sound = sound_of(cells[0], Places(tone_tree.parent, tmp_path / "cache"))
    folds = plan_folds(cells[0], sound)
    assert corruptions_of(expand(load_recipe(plain)).cells[0], folds[0], sound) == ([], [])
    found = [corruptions_of(cell.with_fold(folds[0].name), folds[0], sound)[0] for cell in cells]
    assert len(found) == 6 and len(found[0]) == 18 and found[0][0].condition == ("recordings", 5.0)
    for other in found:
        assert [(one.condition, one.seed) for one in other] == [(one.condition, one.seed) for one in found[0]]
    ((noise, rate),) = found[0][0].bank.recordings
    heard = [f"_noise_/{Path(path).name}" for path in label_fold(cells[0], folds[0], sound).noise]
    assert heard and rate == 16000 and len(noise) == 5 * 16000
    assert not any((sound.recordings.samples(name) == noise).all() for name in heard)
    assert corruptions_of(cells[0], folds[1], sound)[0][0].seed != found[0][0].seed


def test_every_cell_of_a_task_listens_to_the_same_streams(tone_tree, tmp_path):
    """Whatever its model, settings, frontend, training labels and seed; words and noise are the test side's alone."""
    text = (
        "corpora: speech_commands_v0.01\nsplits: {scheme: speakers, folds: 2}\nseeds: 2\n"
        "labels: {scheme: keywords, keywords: [yes, no]}\n"
        "models:\n  light_cnn: {epochs: [1, 2]}\n  gmm_hmm: {frontend: {rate: 8000}, labels: {unknown: words}}\n"
    )
    plain, asking = tmp_path / "plain.yaml", tmp_path / "asking.yaml"
    plain.write_text(text)
    asking.write_text(text + "streaming: {hours: 0.05}\n")
    cells = expand(load_recipe(asking)).cells
    sound = sound_of(cells[0], Places(tone_tree.parent, tmp_path / "cache"))
    folds = plan_folds(cells[0], sound)
    none = expand(load_recipe(plain)).cells[0]
    assert script_of(none, folds[0], label_fold(none, folds[0], sound), sound) is None
    found = []
    for cell in (one.with_fold(folds[0].name) for one in cells):
        task = label_fold(cell, folds[0], sound)
        said = script_of(cell, folds[0], task, sound)
        frontend = Frontend(rate=cell.frontend["rate"])
        test = Clips(task, "test", frontend, sound.recordings, tmp_path / "clips")
        found.append([said.timeline(form, test) for form in said.asked.forms])
    assert len(found) == 6
    for other in found:
        for one, first in zip(other, found[0], strict=True):
            assert np.array_equal(one.waveform, first.waveform) and one.events.equals(first.events)
            assert one.rate == 16000
    long, short = found[0]
    assert len(long.waveform) == 180 * 16000 and len(short.waveform) == 1200 * 16000
    assert (long.events["label"] != "unknown").sum() == 15 and (short.events["label"] != "unknown").sum() == 50
    held_out = set(task.rows["speaker"][task.rows["side"] == "test"])
    assert set(long.events["speaker"]) | set(short.events["speaker"]) <= held_out
    heard = [f"_noise_/{Path(path).name}" for path in label_fold(cells[0], folds[0], sound).noise]
    ((noise, _),) = said.bank.recordings
    assert heard and not any((sound.recordings.samples(name) == noise).all() for name in heard)
    other = script_of(cells[0], folds[1], label_fold(cells[0], folds[1], sound), sound)
    assert other.seed != said.seed
