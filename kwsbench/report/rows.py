"""Cells → rows of the comparison: folds pooled, seeds averaged, one row a (corpus, split, labels, entry, setting).

A record is the content of ``cells/<cell>.json``; that of a cell that failed has its parts, status and reason, and may
lack everything a finished cell would have measured.

    pooled        the clips of all folds of a seed, each tested once, as one test side
    metrics       see ``measures``
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.evaluate.bootstrap import Resamples
from kwsbench.report.measures import Measured, costs, measure_seeds, on_validation, rejection, unseen_words, vocabulary
from kwsbench.seeds import derive_seed
from kwsbench.store import Record

Predictions = Callable[[str], pd.DataFrame]
TASK = ["corpus", "labels", "split"]
Drawn = dict[tuple[object, ...], Resamples]
"""(task, clips …) → how their speakers are drawn."""
Beside = Callable[[str, str], pd.DataFrame]
"""Cell, kind → a table that is kept beside its predictions, see ``cell.Outcome``."""


@dataclass(frozen=True)
class Row:
    """One line of the comparison, with what the page draws beside it.

    Attributes
    ----------
    task : corpus, labels, split: rows with the same three are compared with each other.
    model, setting : name of the entry, and what tells its settings apart.
    records : every cell of the row, failed ones too.
    status : "ok", or what went wrong in how many cells.
    values : column → value; empty where no seed has all its folds.
    label_names : what could be answered.
    measured : of its test side, all seeds; None where no seed has all its folds.
    used : the cells that the values are of.
    """

    task: tuple[str, str, str]
    model: str
    setting: str
    records: tuple[Record, ...]
    status: str
    values: dict[str, Any] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    measured: Measured | None = None
    used: tuple[Record, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.model} ({self.setting})" if self.setting else self.model

    @property
    def named(self) -> dict[str, str]:
        """Its task, by column."""
        return dict(zip(TASK, self.task, strict=True))

    @property
    def confusion(self) -> np.ndarray:
        """Counts over all folds and seeds, truth in rows."""
        return self.measured.confusion if self.measured is not None else np.zeros((0, 0), dtype=int)


def gather(records: Sequence[Record], predictions: Predictions) -> list[Row]:
    """The rows of a study, in order of first appearance.

    Parameters
    ----------
    records : one a cell, in the recipe's order.
    predictions : cell → its table of ``clip, speaker, label, predicted`` and scores.
    """
    names = task_names(records)
    groups: dict[tuple[str, ...], list[Record]] = {}
    folds: dict[tuple[str, str, str], list[str]] = {}
    for record in records:
        parts, task = record["parts"], names[_task_key(record)]
        groups.setdefault((*task, parts["entry"], parts["setting"]), []).append(record)
        known = folds.setdefault(task, [])
        if parts["fold"] not in known:
            known.append(parts["fold"])
    resamples: Drawn = {}
    rows = []
    for (corpus, labels, split, *_), group in groups.items():
        task = (corpus, labels, split)
        rows.append(_row(task, group, folds[task], predictions, resamples))
    return rows


def task_names(records: Iterable[Record]) -> dict[str, tuple[str, str, str]]:
    """Identity of a task (``_task_key``) → (corpus, labels, split) as shown.

    Two splits or labellings of one name, such as 5 and 10 folds of speakers, get the settings that differ beside it.
    """
    shown: dict[str, tuple[str, str, str]] = {}
    by_name: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    records = list(records)
    for record in records:
        for part in ("labels", "split"):
            settings = record.get("settings", {}).get(part, {})
            by_name.setdefault((part, record["parts"][part]), {})[_canonical(settings)] = settings
    for record in records:
        settings = record.get("settings", {})
        labels, split = (
            _distinct(record["parts"][part], settings.get(part, {}), by_name[(part, record["parts"][part])].values())
            for part in ("labels", "split")
        )
        shown[_task_key(record)] = (record["parts"]["corpus"], labels, split)
    return shown


def by_task(records: Iterable[Record]) -> dict[tuple[str, str, str], list[Record]]:
    """Records of each task, (corpus, labels, split) as shown → records, in order of first appearance."""
    records = list(records)
    names = task_names(records)
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault(names[_task_key(record)], []).append(record)
    return groups


def synthetic(record: Record) -> bool:
    """Was this made from synthetic speech? A cell that failed early does not say; its corpus's name does."""
    return bool(record.get("synthetic", record["parts"]["corpus"].startswith("synthetic")))


def leaky(split: str) -> bool:
    """Were speakers of the test heard in training? The split's name says so."""
    return split.startswith("leaky_")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _task_key(record: Record) -> str:
    parts, settings = record["parts"], record.get("settings", {})
    named = [parts["corpus"], parts["labels"], parts["split"]]
    return _canonical([*named, settings.get("labels", {}), settings.get("split", {})])


def _distinct(name: str, settings: dict[str, Any], others: Iterable[dict[str, Any]]) -> str:
    every = list(others)
    differ = [key for key in settings if len({_canonical(other.get(key)) for other in every}) > 1]
    return f"{name} ({', '.join(f'{key}={settings[key]}' for key in differ)})" if differ else name


def _row(
    task: tuple[str, str, str],
    records: list[Record],
    folds: list[str],
    predictions: Predictions,
    resamples: Drawn,
) -> Row:
    parts = records[0]["parts"]
    seeds = list(dict.fromkeys(record["parts"]["seed"] for record in records))
    by_seed = {seed: [r for r in records if r["parts"]["seed"] == seed and r["status"] == "ok"] for seed in seeds}
    whole = {seed: found for seed, found in by_seed.items() if {r["parts"]["fold"] for r in found} == set(folds)}
    row = Row(task, parts["entry"], parts["setting"], tuple(records), _status(records, len(seeds) * len(folds)))
    if not whole:
        return row
    labels = tuple(next(iter(whole.values()))[0]["label_names"])
    pooled = [_pooled(found, predictions) for found in whole.values()]
    clips = (task, *pooled[0]["clip"].tolist())
    if clips not in resamples:  # all models of a task are resampled alike, but where clips are lacking
        resamples[clips] = Resamples(pooled[0]["speaker"].to_numpy(), seed=derive_seed(*task, "interval"))
    fitted = [_temperature(found) for found in whole.values()]
    measured = measure_seeds(pooled, labels, resamples[clips], [t for t in fitted if t is not None])
    used = [record for found in whole.values() for record in found]
    trained = {"n_train": round(np.mean([record["task"]["n_train"] for record in used]))}
    counted = {"seeds": len(whole), "folds": len(folds)}
    apart = rejection(used) | on_validation(used) | vocabulary(measured.clips, unseen_words(used))
    values = trained | measured.values | apart | costs(used) | counted
    return replace(row, values=values, label_names=labels, measured=measured, used=tuple(used))


def _temperature(records: list[Record]) -> float | None:
    """The one of a seed: the geometric mean over its folds; None where some fold has none."""
    found = [record["temperature"] for record in records if record.get("temperature") is not None]
    return float(np.exp(np.mean(np.log(found)))) if len(found) == len(records) else None


def _status(records: list[Record], expected: int) -> str:
    """ "ok", "failed", "timeout (2 of 6)", "missing (1 of 6)": one word if all that went wrong went wrong alike."""
    wrong = [record["status"] for record in records if record["status"] != "ok"]
    wrong += ["missing"] * (expected - len(records))
    if not wrong:
        return "ok"
    word = wrong[0] if len(set(wrong)) == 1 else "failed"
    return word if expected == 1 else f"{word} ({len(wrong)} of {expected})"


def _pooled(records: list[Record], predictions: Predictions) -> pd.DataFrame:
    """The predictions of all folds of a seed, by clip.

    Clips are named with their fold, for silence may bear one name in several.
    """
    tables = []
    for record in records:
        table, fold = predictions(record["cell"]), record["parts"]["fold"]
        tables.append(table.assign(fold=fold, clip=f"{fold}\t" + table["clip"].astype(str)))
    return pd.concat(tables).sort_values("clip", ignore_index=True)
