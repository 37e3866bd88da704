"""From a cell's settings to what every model of its comparison sees: folds, labels, clips, corruptions, streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kwsbench.progress import Progress, silent
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from kwsbench.clips import Clips
    from kwsbench.corruptions import Corruption, NoiseBank
    from kwsbench.labels import Task
    from kwsbench.sound import Places, Sound
    from kwsbench.splits import Split
    from kwsbench.streaming import Script
    from kwsbench.study import Cell


def sound_of(cell: Cell, places: Places, progress: Progress = silent) -> Sound:
    """The corpus of a cell with bad recordings set aside; raises as ``sound.read_sound`` does."""
    from kwsbench.sound import read_sound

    official, bad_share = cell.split.get("test") == "official", cell.limits["bad_share"]
    return read_sound(
        cell.corpus, places, cell.corpus_settings, official_test=official, bad_share=bad_share, progress=progress
    )


def plan_folds(cell: Cell, sound: Sound) -> list[Split]:
    """The folds of a cell's split, each proved free of shared speakers and shared recordings."""
    from kwsbench.splits import make_splits

    seed = derive_seed(cell.study_seed, cell.corpus, "split")
    left_out = dict.fromkeys(cell.exclude.get("sides", ()), cell.exclude.get("clips", ()))
    return make_splits(sound.corpus, sound.recordings.table["sha256"], left_out, seed=seed, **cell.split)


def clips_of(
    cell: Cell, task: Task, sound: Sound, places: Places, sides: Sequence[str], progress: Progress = silent
) -> list[Clips]:
    """Sides of a task through the frontend of a cell's model, ready to be read; "train", the first, normalises all."""
    from kwsbench.clips import Clips
    from kwsbench.features import Frontend
    from kwsbench.models import model_class

    kind = model_class(cell.model)
    frontend = Frontend(**{**getattr(kind, "frontend", {}), **cell.frontend})
    made: list[Clips] = []
    for side in sides:
        where = (sound.recordings, places.cache / "clips")
        made.append(Clips(task, side, frontend, *where, statistics=made[0] if made else None, progress=progress))
    for clips in made:
        clips.prepare(features=getattr(kind, "input", "features") == "features")
    return made


def label_fold(cell: Cell, fold: Split, sound: Sound) -> Task:
    """The fold with labels, unknown and silence: what every model of the comparison sees."""
    from kwsbench.labels import label_split, with_training

    sizes, seed = _noise_sizes(sound), _labels_seed(cell, fold)
    task = label_split(fold, noise=sizes, seed=seed, **cell.labels)
    if cell.train_labels:  # one model learns from other unknowns or silences; what is scored stays the same
        task = with_training(task, label_split(fold, noise=sizes, seed=seed, **{**cell.labels, **cell.train_labels}))
    return task


def corruptions_of(cell: Cell, fold: Split, sound: Sound) -> tuple[list[Corruption], list[str]]:
    """What the cell's test clips are corrupted by, the same for every model of a task, and notes on it.

    Noise recordings are those held out for the test.
    """
    from kwsbench.corruptions import Corruptions
    from kwsbench.robustness import possible

    if not cell.robustness:
        return [], []
    seed = derive_seed(cell.study_seed, cell.corpus, fold.name, "robustness")
    return possible(Corruptions(**cell.robustness), _held_out(cell, fold, sound), seed)


def script_of(cell: Cell, fold: Split, task: Task, sound: Sound) -> Script | None:
    """What is said in the streams that the cell listens to, the same for every model of a task; None: it asks for none.

    Words and noise are those of the test side.
    """
    from kwsbench.streaming import script
    from kwsbench.timeline import Streaming

    if not cell.streaming:
        return None
    seed = derive_seed(cell.study_seed, cell.corpus, fold.name, "streaming")
    rows = task.rows[task.rows["side"] == "test"]
    return script(Streaming(**cell.streaming), rows, sound.recordings, _held_out(cell, fold, sound), seed)


def _held_out(cell: Cell, fold: Split, sound: Sound) -> NoiseBank:
    """The noise recordings of the test side."""
    from kwsbench.corruptions import NoiseBank
    from kwsbench.silence import noise_sides

    paths = noise_sides(_noise_sizes(sound), _labels_seed(cell, fold))["test"]
    names = [_noise_clip(Path(path)) for path in paths]
    return NoiseBank([(sound.recordings.samples(name), int(sound.recordings.table.rate[name])) for name in names])


def _noise_sizes(sound: Sound) -> dict[str, tuple[int, int]]:
    """Samples and rate of each noise recording, as ``silence.Noise``."""
    table = sound.recordings.table
    clips = {str(path): _noise_clip(path) for path in sound.corpus.noise}
    return {path: (int(table.n_samples[clip]), int(table.rate[clip])) for path, clip in clips.items()}


def _noise_clip(path: Path) -> str:
    return f"_noise_/{path.name}"


def _labels_seed(cell: Cell, fold: Split) -> int:
    return derive_seed(cell.study_seed, cell.corpus, fold.name, "labels")
