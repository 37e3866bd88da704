"""Cells → rows of the comparison: folds pooled, seeds averaged, one row a (corpus, split, labels, entry, setting).

A record is the content of ``cells/<cell>.json``; that of a cell that failed has its parts, status and reason, and may
lack everything a finished cell would have measured.

    pooled        the clips of all folds of a seed, each tested once, as one test side
    accuracy      mean over clips of (mean over seeds of right or wrong); its interval resamples speakers
    other metrics of the pooled clips, then the mean over seeds
    costs         means over folds and seeds, but the peak of memory, which is the highest
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.evaluate import bootstrap, score_cell
from kwsbench.evaluate.metrics import worst_speaker
from kwsbench.seeds import derive_seed

Record = dict[str, Any]
Predictions = Callable[[str], pd.DataFrame]

METRICS = ("macro_f1", "accuracy_without_silence", "log_loss")
PHASES = ("train_s", "read_s", "features_s", "warmup_s", "score_s", "total_s")


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
    label_names, confusion : counts over all folds and seeds, truth in rows.
    folds : fold → accuracy, mean over seeds.
    """

    task: tuple[str, str, str]
    model: str
    setting: str
    records: tuple[Record, ...]
    status: str
    values: dict[str, Any] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    confusion: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=int))
    folds: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.model} ({self.setting})" if self.setting else self.model


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
    return [
        _row((key[0], key[1], key[2]), group, folds[(key[0], key[1], key[2])], predictions)
        for key, group in groups.items()
    ]


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


def _row(task: tuple[str, str, str], records: list[Record], folds: list[str], predictions: Predictions) -> Row:
    parts = records[0]["parts"]
    seeds = list(dict.fromkeys(record["parts"]["seed"] for record in records))
    by_seed = {seed: [r for r in records if r["parts"]["seed"] == seed and r["status"] == "ok"] for seed in seeds}
    whole = {seed: found for seed, found in by_seed.items() if {r["parts"]["fold"] for r in found} == set(folds)}
    row = Row(task, parts["entry"], parts["setting"], tuple(records), _status(records, len(seeds) * len(folds)))
    if not whole:
        return row
    labels = tuple(next(iter(whole.values()))[0]["label_names"])
    pooled = {seed: _pooled(found, predictions) for seed, found in whole.items()}
    metrics = [score_cell(table, labels) for table in pooled.values()]
    clips = _by_clip(pooled.values())
    used = [record for found in whole.values() for record in found]
    values = _counts(used, clips) | _quality(metrics, clips, task) | _rejection(used) | _costs(used)
    by_fold = clips.groupby("fold", sort=False)["correct"].mean()
    return Row(
        task,
        row.model,
        row.setting,
        row.records,
        row.status,
        values | {"seeds": len(whole), "folds": len(folds)},
        labels,
        np.sum([found["confusion"] for found in metrics], axis=0),
        {str(fold): float(accuracy) for fold, accuracy in by_fold.items()},
    )


def _status(records: list[Record], expected: int) -> str:
    """ "ok", "failed", "timeout (2 of 6)", "missing (1 of 6)": one word if all that went wrong went wrong alike."""
    wrong = [record["status"] for record in records if record["status"] != "ok"]
    wrong += ["missing"] * (expected - len(records))
    if not wrong:
        return "ok"
    word = wrong[0] if len(set(wrong)) == 1 else "failed"
    return word if expected == 1 else f"{word} ({len(wrong)} of {expected})"


def _pooled(records: list[Record], predictions: Predictions) -> pd.DataFrame:
    """The predictions of all folds of a seed; clips are named with their fold: silence may bear one name in several."""
    tables = []
    for record in records:
        table, fold = predictions(record["cell"]), record["parts"]["fold"]
        tables.append(table.assign(fold=fold, clip=f"{fold}\t" + table["clip"].astype(str)))
    return pd.concat(tables, ignore_index=True)


def _by_clip(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """``fold, speaker, correct`` of each clip: ``correct`` is the share of the seeds that had it right."""
    stacked = pd.concat([t.assign(correct=(t["label"] == t["predicted"]).astype(float)) for t in tables])
    clips = stacked.groupby("clip", sort=False)
    return clips.agg(fold=("fold", "first"), speaker=("speaker", "first"), correct=("correct", "mean"))


def _counts(records: list[Record], clips: pd.DataFrame) -> dict[str, Any]:
    return {
        "n_train": round(np.mean([record["task"]["n_train"] for record in records])),
        "n_test": len(clips),
        "n_test_speakers": len(set(clips["speaker"]) - {""}),
    }


def _quality(metrics: list[dict[str, Any]], clips: pd.DataFrame, task: tuple[str, str, str]) -> dict[str, Any]:
    correct, speakers = clips["correct"].to_numpy(), clips["speaker"].to_numpy(dtype=object)
    # one seed a task: its rows are resampled alike
    low, high = bootstrap(correct, speakers, seed=derive_seed(*task, "interval"))
    worst = worst_speaker(correct, speakers)
    by_seed = [found["accuracy"] for found in metrics]
    return {
        "accuracy": float(correct.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "worst_speaker": worst.accuracy,
        "worst_speaker_name": worst.speaker,
        "accuracy_sd_seeds": float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else float("nan"),
        **{name: float(np.mean([found[name] for found in metrics])) for name in METRICS},
    }


def _rejection(records: list[Record]) -> dict[str, float]:
    """Shares of the clips of unknown words that are called unknown: of words heard in training, of new ones."""
    found = pd.DataFrame([record["rejection"] for record in records if "rejection" in record])
    return {
        f"unknown_{kind}": float(found[f"{kind}_right"].sum() / found[kind].sum())
        for kind in ("heard", "new")
        if len(found) and found[kind].sum()
    }


def _costs(records: list[Record]) -> dict[str, Any]:
    timings = pd.DataFrame([record["timings"] for record in records])
    sizes = {"model_bytes": [record["cost"].get("bytes") for record in records]}
    int8 = [record["int8"] for record in records if "int8" in record]
    if int8:
        sizes["int8_bytes"] = [found["bytes"] for found in int8]
    return {
        **{name: round(np.mean(values)) for name, values in sizes.items() if None not in values},
        **({"int8_accuracy": float(np.mean([found["accuracy"] for found in int8]))} if int8 else {}),
        "params": round(np.mean([record["cost"]["params"] for record in records])),
        "macs": round(np.mean([record["cost"]["macs"] for record in records])),
        "ms_per_clip": float(np.mean([record["ms_per_clip"] for record in records])),
        "peak_mb": float(max(record["peak_mb"] for record in records)),
        **{name: float(timings[name].mean()) for name in PHASES if name in timings},
        **{name: float(np.mean([record[name] for record in records])) for name in ("cpu_s", "gpu_s")},
    }
