"""The network that a cell's network learns from: fitted once, kept in the cache, the same for all who ask for it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kwsbench.cache import made_once
from kwsbench.errors import UserError
from kwsbench.models import FitContext, Teacher, model_class, versions_of
from kwsbench.progress import Progress, silent
from kwsbench.seeds import fingerprint
from kwsbench.tasks import clips_of

if TYPE_CHECKING:
    from kwsbench.labels import Task
    from kwsbench.sound import Places, Sound
    from kwsbench.study import Cell

ABOUT = "fit.json"


def teacher_of(
    cell: Cell,
    task: Task,
    sound: Sound,
    places: Places,
    *,
    device: str,
    threads: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> tuple[Teacher, str]:
    """The fitted teacher of a cell, and a sentence on what it took and how good it is on validation clips.

    It is fitted as an entry of its own with these settings would be, with the same seed; ``work`` has its checkpoints.

    Raises
    ------
    UserError : it would have to be fitted by several processes, of which each waits for another.
    """
    from kwsbench import neural
    from kwsbench.neural import ranks

    of = cell.of_teacher
    kind: Any = model_class(of.model)
    train, validation = clips_of(of, task, sound, places, ("train", "validation"), progress)
    sides = train.fingerprint, validation.fingerprint
    versions = {"neural": getattr(neural, "VERSION", 1), **versions_of(of.model, of.settings)}
    seed = of.derived_seed("fit")
    key = fingerprint(of.model, of.settings, sides, seed, device, versions)

    def fill(folder: Path) -> None:
        def told(phase: str, done: float, total: float, detail: str = "") -> None:
            progress(f"teacher, {phase}", done, total, detail)

        begun = time.perf_counter()
        model = kind(**of.settings)
        own = work / "teacher" if work else None
        log = model.fit(train, validation, FitContext(seed, device, threads, told, folder=own))
        model.save(folder)
        about = {"train_s": log.earlier_s + time.perf_counter() - begun, **log.history[log.best]}
        (folder / ABOUT).write_text(json.dumps(about) + "\n", encoding="utf-8")

    folder = places.cache / "teachers" / key
    if ranks.size() > 1 and not folder.is_dir():
        todo = "run this cell once by one process, which may be stopped as soon as its own training begins"
        raise UserError(f"{of.model}, the teacher, is not fitted yet, and several ranks cannot fit it", todo=todo)
    made_once(folder, fill)
    model = kind(**of.settings)
    model.load(folder)
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    note = (
        f"taught by {of.model}, which took {about['train_s'] / 60:.1f} min to fit, counted nowhere else, and has"
        f" {100 * about['validation_accuracy']:.1f} % of the validation clips right"
    )
    return Teacher(model, train, of.model, key), note
