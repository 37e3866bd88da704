"""Accuracy against how much is trained on: rows that differ by ``train_speakers`` or ``train_clips`` alone, as lines.

They are scored on the same test clips, so they are points of one curve and no tasks of their own.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kwsbench.report.rows import TASK, Record, Row, by_task
from kwsbench.wording import count, listed

CUTS = {"train_speakers": "training speakers", "train_clips": "training clips of each word"}
_COPIED = ("n_train", "n_test", "n_test_speakers", "accuracy", "accuracy_low", "accuracy_high", "seeds")
_COLUMNS = ("model", "setting", "corpus", "labels", "split", *CUTS, *_COPIED)


@dataclass(frozen=True)
class LearningCurve:
    """One task whose training side is cut down to several sizes.

    Attributes
    ----------
    cut : "train_speakers" or "train_clips".
    task : corpus, labels, split, without the cut.
    lines : name of a row → its rows by number of training speakers (the mean over folds) or of clips a word, rising.
    """

    cut: str
    task: tuple[str, str, str]
    lines: dict[str, dict[int, Row]]

    @property
    def sizes(self) -> list[int]:
        """All numbers of training speakers or clips, rising."""
        return sorted({size for line in self.lines.values() for size in line})


def learning_curves(rows: Sequence[Row]) -> list[LearningCurve]:
    """The curves of a study: none where no training side is cut to more than one size."""
    done = {row.records[0]["cell"]: row for row in rows if row.values}
    curves = []
    for cut, size_of in (("train_speakers", _n_speakers), ("train_clips", _n_clips)):
        for task, records in by_task(_whole(row.records[0], cut) for row in done.values()).items():
            lines: dict[str, dict[int, Row]] = {}
            group = [done[record["cell"]] for record in records]
            for row in group:
                if (size := size_of(row)) is not None:
                    lines.setdefault(row.name, {})[size] = row
            curve = LearningCurve(cut, task, {name: dict(sorted(line.items())) for name, line in lines.items()})
            if len(curve.sizes) > 1 and any(cut in _split(row.records[0]) for row in group):
                curves.append(curve)
    return curves


def _split(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = record.get("settings", {}).get("split", {})
    return found


def _whole(record: Record, cut: str) -> Record:
    """The record as if its training side were not cut so."""
    split = {name: value for name, value in _split(record).items() if name != cut}
    return {**record, "settings": {**record.get("settings", {}), "split": split}}


def _n_clips(row: Row) -> int | None:
    """Training clips of each word that a row's split keeps; None where it keeps all, which is no one number."""
    kept = _split(row.records[0]).get("train_clips")
    return kept if isinstance(kept, int) else None


def _n_speakers(row: Row) -> int | None:
    """Training speakers of a row; None where its records are from before they were counted."""
    found = [record["task"].get("n_train_speakers") for record in row.records if record["status"] == "ok"]
    return None if None in found else round(sum(found) / len(found))


def curve_table(curves: Sequence[LearningCurve]) -> pd.DataFrame:
    """One row a point; shares in 0..1 and unrounded."""
    lines = [
        dict(zip(TASK, curve.task, strict=True))
        | {"model": row.model, "setting": row.setting, curve.cut: size}
        | {name: row.values[name] for name in _COPIED}
        for curve in curves
        for line in curve.lines.values()
        for size, row in line.items()
    ]
    return pd.DataFrame(lines, columns=pd.Index(_COLUMNS))


def curve_notes(curves: Sequence[LearningCurve]) -> list[str]:
    """For under the table: where lines cross, and what the interval does not speak of."""
    drawn = "They are drawn once, fewer among more: intervals are over test speakers, not over other draws."
    return [f"{', '.join(curve.task)}: {' '.join(filter(None, (crossings(curve), drawn)))}" for curve in curves]


def crossings(curve: LearningCurve) -> str:
    """``crossing_of_pairs`` as one sentence."""
    told = crossing_of_pairs(curve)
    return f"Against the number of {CUTS[curve.cut]}, {'; '.join(told)}." if told else ""


def crossing_of_pairs(curve: LearningCurve) -> list[str]:
    """Between which sizes of the training side the lines of each two models cross, or that they do not."""
    pairs = itertools.combinations(curve.lines.items(), 2)
    return [text for (a, line), (b, other) in pairs if (text := _crossing(a, line, b, other))]


def _crossing(a: str, line: dict[int, Row], b: str, other: dict[int, Row]) -> str:
    sizes = [size for size in line if size in other]
    ahead = {size: line[size].values["accuracy"] - other[size].values["accuracy"] for size in sizes}
    apart = [size for size in sizes if ahead[size]]
    if len(sizes) < 2 or not apart:
        return f"{a} and {b} are equal everywhere" if len(sizes) > 1 else ""
    turns = [(x, y) for x, y in itertools.pairwise(apart) if (ahead[x] > 0) != (ahead[y] > 0)]
    if not turns:
        better, worse = (a, b) if ahead[apart[0]] > 0 else (b, a)
        reach = f"from {count(sizes[0])} to {count(sizes[-1])}"
        overlaps = _overlaps(sizes, line, other, "nowhere")
        return f"{better} and {worse} do not cross {reach} ({better} is the better; {overlaps})"
    parts = []
    for x, y in turns:
        before, after = (a, b) if ahead[x] > 0 else (b, a)
        overlaps = _overlaps((x, y), line, other, "at neither")
        parts.append(f"between {count(x)} and {count(y)} ({before} before, {after} after; {overlaps})")
    return f"{a} and {b} cross {listed(parts)}"


def _overlaps(sizes: Sequence[int], line: dict[int, Row], other: dict[int, Row], none: str) -> str:
    """At which of these sizes the intervals of two lines overlap, in words."""
    found = []
    for size in sizes:
        a, b = line[size].values, other[size].values
        if math.isnan(a["accuracy_low"]):
            return "there are no intervals"
        if a["accuracy_low"] <= b["accuracy_high"] and b["accuracy_low"] <= a["accuracy_high"]:
            found.append(count(size))
    return f"intervals overlap {f'at {listed(found)}' if found else none}"
