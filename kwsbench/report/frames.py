"""A stored study as pandas frames, for notebooks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kwsbench.report.fusion import stored_with_fusions
from kwsbench.report.rows import TASK, by_task, gather
from kwsbench.report.table import tabulate
from kwsbench.report.verdict import pair_table, verdicts
from kwsbench.store import Record, Store


@dataclass(frozen=True)
class Frames:
    """What a study's store holds.

    Attributes
    ----------
    study : ``study.json``: study, recipe, when, environment.
    table, pairs : as ``table.csv`` and ``pairs.csv``, shares in 0..1.
    cells : a row a cell: task, model, setting, fold, seed, status, key, and its timings.
    predictions : the clips of all cells: cell, model, setting, fold, seed, clip, speaker, label, predicted.
    speakers : clips and accuracy of each speaker, a row a model and speaker.
    training : the course of every fit, a row a validation or iteration, with what the model kept.
    records : of each cell, in full.
    """

    study: dict[str, Any]
    table: pd.DataFrame
    pairs: pd.DataFrame
    cells: pd.DataFrame
    predictions: pd.DataFrame
    speakers: pd.DataFrame
    training: pd.DataFrame
    records: list[Record]


def load(folder: str | Path) -> Frames:
    """The frames of a study's folder, such as ``results/all``.

    Raises
    ------
    UserError : the folder is none of a study.
    """
    store = Store(Path(folder))
    study = store.study()
    records, predictions = stored_with_fusions(store)
    rows = gather(records, predictions)
    found = verdicts(rows)
    done = [record for record in records if record["status"] == "ok"]
    served = [
        row.measured.speakers.assign(model=row.model, setting=row.setting, **row.named)
        for row in rows
        if row.measured is not None
    ]
    return Frames(
        study,
        tabulate(rows, found),
        pair_table(found),
        _cells(records),
        _stacked([_named(record, predictions(record["cell"])) for record in done]),
        _stacked(served),
        _stacked([_named(record, pd.DataFrame(record["fit"]["history"])) for record in done]),
        records,
    )


def _cells(records: list[Record]) -> pd.DataFrame:
    lines = []
    for task, group in by_task(records).items():
        named = dict(zip(TASK, task, strict=True))
        lines += [
            {"cell": r["cell"], **named, **_who(r), "status": r["status"], "key": r["key"], **r.get("timings", {})}
            for r in group
        ]
    return pd.DataFrame(lines)


def _who(record: Record) -> dict[str, Any]:
    parts = record["parts"]
    return {"model": parts["entry"], **{name: parts[name] for name in ("setting", "fold", "seed")}}


def _named(record: Record, frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of a cell with the cell's name and parts before it."""
    return pd.concat([pd.DataFrame({"cell": record["cell"], **_who(record)}, index=frame.index), frame], axis=1)


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    kept = [frame for frame in frames if len(frame)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()
