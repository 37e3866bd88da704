"""One cell from start to end: corpus → split → task → clips → fit → scores → metrics, and what else is asked for.

``run_cell`` goes all the way and is what a worker calls, in a process of its own; how far the run itself must go, to
know which cells are missing, is in ``tasks.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kwsbench.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from kwsbench.corruptions import Corruption
    from kwsbench.energy import Energy
    from kwsbench.labels import Task
    from kwsbench.models import FitLog, Model
    from kwsbench.sound import Places, Sound
    from kwsbench.splits import Split
    from kwsbench.streaming import Script
    from kwsbench.study import Cell


@dataclass
class Timings:
    """Seconds by phase; only ``train_s`` and ``score_s`` are a model's own, and have their joules beside them.

    ``energy`` counts joules, where the machine does.
    """

    energy: Energy | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    joules: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        """A phase whose joules count too."""
        before = self.energy.joules() if self.energy else None
        with self.phase(name):
            yield
        after = self.energy.joules() if self.energy else None
        if before is not None and after is not None:
            self.joules[name] = after - before


@dataclass(frozen=True)
class Outcome:
    """What ``run_cell`` brings home: the parts of a record that the cell itself knows, predictions, and the model.

    ``beside`` holds what the store keeps beside the predictions, where the cell asks for it, by kind: "robustness", see
    ``robustness.answers``; "windows" and "events", see ``streaming.listened``. And "validation", always: answers to the
    validation clips, by which fusions are chosen.
    """

    record: dict[str, Any]
    predictions: pd.DataFrame
    model: Model
    beside: dict[str, pd.DataFrame] = field(default_factory=dict)


def run_cell(
    cell: Cell,
    places: Places,
    *,
    device: str,
    threads: int,
    progress: Progress = silent,
    work: Path | None = None,
    scalars: Path | None = None,
) -> Outcome:
    """Fit and score one cell.

    Parameters
    ----------
    cell : with its fold named.
    device : "cpu" or "cuda".
    threads : CPU cores that may be busy at once.
    work : folder for checkpoints, from which a cell that was killed goes on.
    scalars : folder for the course of the training as TensorBoard reads it.
    """
    from kwsbench.energy import energy_of
    from kwsbench.evaluate import score_cell
    from kwsbench.labels import UNKNOWN
    from kwsbench.models import FitContext, FitLog, model_class
    from kwsbench.tasks import clips_of, corruptions_of, label_fold, plan_folds, script_of, sound_of
    from kwsbench.teacher import teacher_of

    timings = Timings(energy_of(device))
    with timings.phase("read_s"):
        sound = sound_of(cell, places, progress)
        fold = next(fold for fold in plan_folds(cell, sound) if fold.name == cell.fold)
        task = label_fold(cell, fold, sound)
        corruptions, notes = corruptions_of(cell, fold, sound)
        said = script_of(cell, fold, task, sound)

    model: Model = model_class(cell.model)(**cell.settings)
    with timings.phase("features_s"):
        train, validation, test = clips_of(cell, task, sound, places, ("train", "validation", "test"), progress)
    frontend = test.frontend

    teacher, taught = None, []
    if cell.teacher:
        with timings.phase("teacher_s"):
            where: dict[str, Any] = {"device": device, "threads": threads, "progress": progress, "work": work}
            teacher, note = teacher_of(cell, task, sound, places, **where)
            taught.append(note)
    seed = cell.derived_seed("fit")
    context = FitContext(seed, device, threads, progress, folder=work, scalars=scalars, teacher=teacher)
    if hasattr(model, "warm_up"):
        with timings.phase("warmup_s"):
            model.warm_up(train, context)
    with timings.counted("train_s"):
        log = model.fit(train, validation, context)
    if not isinstance(log, FitLog):
        raise TypeError(f"fit gave {type(log).__name__}, not a FitLog")
    log.notes.extend(taught)
    if log.earlier_s:
        timings.seconds["train_s"] += log.earlier_s
        log.notes.append("went on from a checkpoint: its CPU seconds and memory are those of the last process alone")
    with timings.counted("score_s"):
        scores = model.scores(test)
    scores = _proper(scores, (len(test), len(task.target_label)))
    with timings.phase("calibrate_s"):
        heard, answered = _on_validation(model, task, validation, train)

    predictions, names = as_predictions(task, test, scores), list(task.labels)
    scratch = work or places.cache
    asked, beside = _beyond_the_test(
        model, task, test, predictions, corruptions, said, heard["temperature"], scratch, timings, progress
    )
    beside |= answered
    record = describe(cell, fold, task, sound, log) | asked | heard
    record["task"]["notes"] += notes
    record |= {
        "cost": _cost(model, test),
        "metrics": score_cell(predictions, names),
        "timings": {**timings.seconds, "total_s": sum(timings.seconds.values())},
        "ms_per_clip": 1000 * timings.seconds["score_s"] / max(len(test), 1),
        "frontend": {"kind": frontend.kind, "shape": [frontend.n_frames, frontend.n_dims], "rate": frontend.rate},
    }
    if found := _energy(timings, len(test), whole=not log.earlier_s):
        record["energy"] = found
    if (predictions["label"] == UNKNOWN).any():
        record["rejection"] = _rejection(predictions, test, train)
    if hasattr(model, "int8_scores"):
        record["int8"] = _int8(model, task, validation, test)
    return Outcome(record, predictions, model, beside)


def _energy(timings: Timings, n_clips: int, whole: bool) -> dict[str, Any]:
    """Joules of the fit, unless it went on from a checkpoint, millijoules to score a clip, and what counted them."""
    if timings.energy is None:
        return {}
    timings.energy.close()
    found: dict[str, Any] = {}
    if whole and "train_s" in timings.joules:
        found["train_j"] = timings.joules["train_s"]
    if "score_s" in timings.joules:
        found["score_mj_per_clip"] = 1000 * timings.joules["score_s"] / max(n_clips, 1)
    return found | {"source": timings.energy.source} if found else {}


def _rejection(predictions: pd.DataFrame, clips: Any, train: Any) -> dict[str, int]:
    """How many unknown clips of a side are called unknown, by what training has heard."""
    from kwsbench.evaluate import rejection
    from kwsbench.labels import UNKNOWN

    unknown = (predictions["label"] == UNKNOWN).to_numpy()
    rejected = (predictions["predicted"] == UNKNOWN).to_numpy()[unknown]
    trained = train.rows["word"].value_counts().to_dict()
    return rejection(rejected, clips.rows["word"].to_numpy(object)[unknown], trained)


def _int8(model: Any, task: Task, validation: Any, test: Any) -> dict[str, Any]:
    """Accuracy and bytes of the model in eight bits."""
    rounded, size = model.int8_scores(validation, test)
    found = as_predictions(task, test, _proper(rounded, (len(test), len(task.target_label))))
    return {"accuracy": float((found["label"] == found["predicted"]).mean()), "bytes": size}


def _beyond_the_test(
    model: Model,
    task: Task,
    test: Any,
    predictions: pd.DataFrame,
    corruptions: Sequence[Corruption],
    said: Script | None,
    temperature: float,
    scratch: Path,
    timings: Timings,
    progress: Progress,
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """What else a recipe asks of the fitted model: parts of the record, and tables that are kept beside it.

    Posteriors in a stream are those of scores divided by the temperature, for scores of whole clips are far too sure.
    """
    from kwsbench.robustness import answers, shares_right
    from kwsbench.streaming import as_posteriors, listened, summary

    def heard(clips: Any) -> pd.DataFrame:
        return as_predictions(task, clips, _proper(model.scores(clips), (len(clips), len(task.target_label))))

    def posteriors(clips: Any) -> np.ndarray:
        return as_posteriors(heard(clips)[names].to_numpy(dtype=float) / (temperature if temperature > 0 else 1.0))

    names = list(task.labels)
    asked: dict[str, Any] = {}
    beside: dict[str, pd.DataFrame] = {}
    if corruptions:
        with timings.phase("robustness_s"):
            found = answers(test, corruptions, lambda clips: heard(clips)["predicted"], scratch, progress)
        beside["robustness"] = found
        asked["robustness"] = shares_right(found, predictions.set_index("clip")["label"])
    if said is not None:
        with timings.phase("streaming_s"):
            windows, events = listened(test, said, posteriors, names, scratch, progress)
            asked["streaming"] = summary(windows, events, names, said, test.frontend.seconds)
        beside |= {"windows": windows, "events": events}
    return asked, beside


def _on_validation(
    model: Model, task: Task, validation: Any, train: Any
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """What settings are chosen by, accuracy and rejection of unknown words, and the temperature that is the least
    surprised; and the answers these are of, scores to a hundredth. Without validation clips the temperature is NaN, and
    there is nothing to choose by.
    """
    from kwsbench.evaluate.metrics import label_indices
    from kwsbench.evaluate.quality import temperature
    from kwsbench.labels import UNKNOWN

    if not len(validation):
        return {"temperature": float("nan")}, {}
    scores = _proper(model.scores(validation), (len(validation), len(task.target_label)))
    known = as_predictions(task, validation, scores)
    truth, guess = label_indices(known, task.labels)
    told: dict[str, Any] = {"accuracy": float((truth == guess).mean())}
    if (known["label"] == UNKNOWN).any():
        told["rejection"] = _rejection(known, validation, train)
    fitted = temperature(known[list(task.labels)].to_numpy(dtype=float), truth)
    kept = known.round(dict.fromkeys(task.labels, 2))
    return {"temperature": fitted, "validation": told}, {"validation": kept}


def _cost(model: Model, test: Any) -> dict[str, int]:
    """What the model says that it costs; bytes are those of its files where it does not say."""
    cost = model.cost(test)
    for what, number in (("params", cost.params), ("macs", cost.macs)):
        if not isinstance(number, Integral) or number < 0:
            raise ValueError(f"cost: {what} is {number!r}, not a whole number of at least 0")
    return {"params": cost.params, "macs": cost.macs, "bytes": cost.bytes or _saved_bytes(model)}


def _saved_bytes(model: Model) -> int:
    """Bytes of the files that the model is kept in."""
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def _proper(scores: Any, shape: tuple[int, int]) -> np.ndarray:
    """The scores, if they are real numbers, a row a clip and a column a target."""
    import numpy as np

    if np.shape(scores) != shape:
        raise ValueError(f"scores are of shape {np.shape(scores)}, not {shape} (clips, targets)")
    found = np.asarray(scores)
    if not np.issubdtype(found.dtype, np.floating):
        raise ValueError(f"scores are {found.dtype}, not float32")
    return found.astype(np.float32, copy=False)


def as_predictions(task: Task, test: Any, scores: np.ndarray) -> pd.DataFrame:
    """``clip, speaker, label, predicted``, one score column a label: the best of the scores of the label's targets.

    The best and not the sum, because the label of the best target is what the original kernel submitted.
    """
    import numpy as np
    import pandas as pd

    owner = np.asarray(task.target_label)
    by_label = np.full((len(scores), len(task.labels)), -np.inf, np.float32)
    for target, label in enumerate(owner):
        by_label[:, label] = np.maximum(by_label[:, label], scores[:, target])
    rows = test.rows
    names = np.asarray(task.labels, dtype=object)
    table = pd.DataFrame(
        {"clip": rows["clip"].to_numpy(), "speaker": rows["speaker"].to_numpy(), "label": rows["label"].to_numpy()}
    )
    table["predicted"] = names[by_label.argmax(1)]
    for i, label in enumerate(task.labels):
        table[label] = by_label[:, i]
    return table


def describe(cell: Cell, fold: Split, task: Task, sound: Sound, log: FitLog) -> dict[str, Any]:
    """The parts of a record that say what was compared on what."""
    rows = task.rows
    counts = rows["side"].value_counts()
    test_speakers = set(rows.loc[rows["side"] == "test", "speaker"]) - {""}
    return {
        "label_names": list(task.labels),
        "synthetic": sound.corpus.synthetic,
        "licence": sound.corpus.licence,
        "corpus_notes": list(sound.corpus.notes),
        "corpus_fingerprint": sound.corpus.fingerprint,
        "split_fingerprint": fold.fingerprint,
        "task": {
            "fingerprint": task.fingerprint,
            "n_train": int(counts.get("train", 0)),
            "n_train_speakers": fold.n_train_speakers,
            "n_validation": int(counts.get("validation", 0)),
            "n_test": int(counts.get("test", 0)),
            "n_test_speakers": len(test_speakers),
            "notes": list(task.notes),
        },
        "quarantined": sound.quarantined,
        "n_duplicates": len(fold.duplicates) - fold.duplicates["sha256"].nunique(),
        "fit": {"history": log.history, "best": log.best, "notes": log.notes, "earlier_s": log.earlier_s},
    }
