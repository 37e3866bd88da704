"""Runs the missing cells of a study on this machine, each in a process of its own."""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kwsbench import models
from kwsbench.errors import UserError
from kwsbench.progress import TerminalProgress
from kwsbench.recipe.form import ASKED
from kwsbench.runner.children import Child, start_child
from kwsbench.runner.display import Display
from kwsbench.runner.environment import cores, describe_machine, find_device
from kwsbench.seeds import fingerprint
from kwsbench.sound import Places, Sound
from kwsbench.store import Record, Store
from kwsbench.study import LATE
from kwsbench.tasks import label_fold, plan_folds, sound_of

if TYPE_CHECKING:
    from kwsbench.study import Cell, Study

ROOMS = ("recordings", "splits", "labels", "features", "clips", "neural", "evaluate")
ASKED_ROOMS = {"robustness": ("corruptions", "robustness"), "streaming": ("timeline", "streaming")}
LOOK_EVERY_S = 0.2
NAMED = 3  # clips that a message names one by one


@dataclass(frozen=True)
class Planned:
    """A cell of a fold, and the key under which its result stands or will stand."""

    cell: Cell
    name: str
    key: str
    versions: dict[str, int | str]
    task_fingerprint: str
    recordings_fingerprint: str


def versions_of(cell: Cell) -> dict[str, int | str]:
    """The version of each room that a cell goes through, of its model and of its teacher's."""
    rooms = [*ROOMS, *(room for block, own in ASKED_ROOMS.items() if getattr(cell, block) for room in own)]
    found = {room: getattr(importlib.import_module(f"kwsbench.{room}"), "VERSION", 1) for room in rooms}
    if cell.teacher:
        taught = models.versions_of(cell.teacher["model"], cell.teacher["settings"])
        found |= {f"teacher's {name}": version for name, version in taught.items()}
    return found | models.versions_of(cell.model, cell.settings)


def plan(study: Study, store: Store, places: Places) -> list[Planned]:
    """Every cell of every fold, with its key; the tasks are written to the store on the way.

    Corpora, splits and tasks are read once for all the cells that share them.
    """
    progress = TerminalProgress()
    sounds: dict[str, Any] = {}
    folds: dict[str, Any] = {}
    tasks: dict[str, str] = {}
    planned = []
    for cell in study.cells:
        corpus_id = fingerprint(cell.corpus, cell.corpus_settings, cell.split.get("test"), cell.limits["bad_share"])
        if corpus_id not in sounds:
            sound = sound_of(cell, places, progress)
            sounds[corpus_id] = sound, sound.recordings.fingerprint
        sound, content = sounds[corpus_id]
        split_id = fingerprint(corpus_id, cell.split, cell.study_seed, cell.exclude)
        if split_id not in folds:
            folds[split_id] = plan_folds(cell, sound)
        for fold in folds[split_id]:
            task_id = fingerprint(split_id, fold.name, cell.labels, cell.train_labels)
            if task_id not in tasks:
                task = label_fold(cell, fold, sound)
                store.put_task(task.fingerprint, task.rows)
                tasks[task_id] = task.fingerprint
            own = cell.with_fold(fold.name)
            versions = versions_of(own)
            key = own.key(tasks[task_id], content, versions)
            planned.append(Planned(own, own.id, key, versions, tasks[task_id], content))
    progress.close()
    _refuse_strangers(study, [sound for sound, _ in sounds.values()])
    return planned


def _refuse_strangers(study: Study, sounds: Sequence[Sound]) -> None:
    """A list of clips to leave out may name nothing that no corpus has: it would be for another one, or misspelt."""
    known = {clip for sound in sounds for clip in sound.recordings.table.index}
    strange = [clip for clip in study.recipe.exclude.get("clips", ()) if clip not in known]
    if strange:
        more = f" and {len(strange) - NAMED:,} more" if len(strange) > NAMED else ""
        raise UserError(
            f"exclude: clips that are not in the corpus: {', '.join(strange[:NAMED])}{more}",
            study.recipe.exclude_where,
            "name each as the corpus does, e.g. yes/0a7c2a8d_nohash_0.wav; or say --set exclude=null",
        )


def run_study(
    study: Study, store: Store, places: Places, *, jobs: int = 1, device: str = "auto", scalars: bool = False,
    show: Display | None = None,
) -> list[Record]:  # fmt: skip
    """Run what is missing; returns the records of all cells of the study, in the recipe's order.

    Parameters
    ----------
    jobs : cells at work at a time; each may use its share of the cores.
    device : "auto", "cpu" or "cuda".
    scalars : write the course of trainings for TensorBoard.
    """
    device = find_device(device)
    with store.locked(), show or Display() as show:
        planned = plan(study, store, places)
        missing = [p for p in planned if not store.has(p.name, p.key)]
        show.begin([p.cell.entry for p in missing], kept=len(planned) - len(missing))
        if missing:
            environment = describe_machine(device) | {"jobs": jobs, "threads": max(1, cores() // jobs)}

            def start(planned: Planned) -> Child:
                limits = planned.cell.limits
                job = job_of(planned, study, store, places, device, environment["threads"], scalars)
                return start_child(job, limits["cell_minutes"], limits["memory_mb"])

            _run_all(missing, study, store, jobs, start, environment, show)
        return [record for p in planned if (record := store.record(p.name)) is not None]


def _run_all(
    missing: list[Planned], study: Study, store: Store, jobs: int, start: Callable[[Planned], Child],
    environment: dict[str, Any], show: Display,
) -> None:  # fmt: skip
    waiting = list(missing)
    running: dict[str, tuple[Child, Planned]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                planned = waiting.pop(0)
                running[planned.name] = start(planned), planned
            for name, (child, planned) in list(running.items()):
                child.look()
                ended = child.ended()
                if ended is None:
                    continue
                del running[name]
                record = identity(planned, study) | {"environment": environment} | ended
                store.put_record(name, record)
                if record["status"] != "timeout":  # what timed out goes on from its checkpoint when given more time
                    store.clear_work(work_name(planned))
                show.finished(planned.cell.entry, name, record, record.get("metrics", {}).get("accuracy"))
            show.update([child for child, _ in running.values()])
            time.sleep(LOOK_EVERY_S)
    finally:
        for child, _ in running.values():
            child.stop("interrupted")


def work_name(planned: Planned) -> str:
    return f"{planned.name}-{planned.key[:8]}"


def job_of(
    planned: Planned, study: Study, store: Store, places: Places, device: str, threads: int, scalars: bool
) -> dict[str, Any]:
    """What a worker is told, JSON-able."""
    return {
        "name": planned.name,
        "cell": dataclasses.asdict(planned.cell),
        "results": str(store.folder.resolve()),
        "data": str(places.data),
        "cache": str(places.cache),
        "work": str(store.work(work_name(planned)).resolve()),
        "scalars": str(store.scalars(planned.name).resolve()) if scalars else "",
        "device": device,
        "threads": threads,
        "keep_models": study.keep_models,
    }


def identity(planned: Planned, study: Study) -> Record:
    """The parts of a record that are known before the cell runs."""
    cell = planned.cell
    return {
        "cell": planned.name,
        "study": study.name,
        "key": planned.key,
        "parts": {
            "corpus": cell.corpus,
            "split": cell.split_name,
            "fold": cell.fold,
            "labels": cell.labels_name,
            "entry": cell.entry,
            "model": cell.model,
            "setting": cell.setting,
            "seed": cell.seed,
            "task_fingerprint": planned.task_fingerprint,
            "recordings_fingerprint": planned.recordings_fingerprint,
            "versions": planned.versions,
        },
        "settings": {
            "corpus": cell.corpus_settings,
            "split": cell.parts["split"],  # as records from before the late settings have it: one task, one name
            "labels": _labels(cell),
            "train_labels": cell.train_labels,
            "model": cell.settings,
            "frontend": cell.frontend,
            **{block: getattr(cell, block) for block in ASKED},
            **_excluded(cell),
            "limits": cell.limits,
            "study_seed": cell.study_seed,
        },
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "reason": "",
    }


def _labels(cell: Cell) -> dict[str, Any]:
    """As records from before ``unheard_sides`` have them, where it changes nothing."""
    newer = {"unheard_sides": LATE["labels"]["unheard_sides"]}
    return {name: value for name, value in cell.labels.items() if newer.get(name, ...) != value}


def _excluded(cell: Cell) -> dict[str, Any]:
    """What a record says of clips that were left out; the recipe in ``study.json`` has their names."""
    if not cell.exclude:
        return {}
    clips = cell.exclude["clips"]
    return {"exclude": {"sides": cell.exclude["sides"], "n_clips": len(clips), "fingerprint": fingerprint(clips)}}


def store_study(store: Store, study: Study, device: str = "auto") -> None:
    """Write ``study.json``: the resolved recipe, when, where."""
    content = {
        "study": study.name,
        "recipe": study.resolved,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "environment": describe_machine(find_device(device)),
    }
    store.write("study.json", json.dumps(content, indent=1, default=str) + "\n")


def default_cache() -> Path:
    """The user's cache folder: ``KWSBENCH_CACHE``, else ``$XDG_CACHE_HOME/kwsbench`` or ``~/.cache/kwsbench``."""
    import os

    if own := os.environ.get("KWSBENCH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kwsbench"
