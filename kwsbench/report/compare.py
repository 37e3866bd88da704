"""Two stored runs, or two models, side by side: what was set otherwise, what came out otherwise, and the verdict."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kwsbench.errors import UserError
from kwsbench.evaluate.pairs import Pair, compare_pairs
from kwsbench.report.fusion import stored_with_fusions
from kwsbench.report.rows import Row, gather
from kwsbench.report.verdict import p_in_words, points
from kwsbench.store import Store
from kwsbench.wording import absent, amount, count, duration, measure, percent, plural, with_interval

_COSTS = (
    ("macro F1", "macro_f1", percent),
    ("ECE", "ece", percent),
    ("log loss", "log_loss", measure),
    ("params", "params", amount),
    ("MACs", "macs", amount),
    ("train", "train_s", duration),
    ("ms/clip", "ms_per_clip", measure),
    ("peak MB", "peak_mb", count),
)


@dataclass(frozen=True)
class Comparison:
    """A model before and after, on the same clips.

    Attributes
    ----------
    name : of the two.
    before, after : their rows. pair : the two; 0 is ``before``.
    margin : of accuracy, a share, that ``after`` may lose.
    """

    name: str
    before: Row
    after: Row
    pair: Pair
    margin: float

    @property
    def gain(self) -> float:
        """Accuracy of after less that of before."""
        return self.after.values["accuracy"] - self.before.values["accuracy"]

    @property
    def regression(self) -> bool:
        """Is it shown to be worse, and by more than the margin?"""
        return self.pair.shown and self.gain < -self.margin

    def lines(self) -> list[str]:
        """What a person reads."""
        v, w = self.before.values, self.after.values
        tested = f"{plural(v['n_test'], 'test clip')}, {plural(v['n_test_speakers'], 'speaker')}"
        shares = [with_interval(x["accuracy"], x["accuracy_low"], x["accuracy_high"]) for x in (v, w)]
        settings = list(_changes(_settings(self.before), _settings(self.after)))
        return [
            f"{self.name} ({', '.join(self.before.task)}; {tested})",
            f"  settings  {'; '.join(settings) if settings else 'the same'}",
            f"  accuracy  {shares[0]} → {shares[1]} %",
            f"  others    {', '.join(_texts(v, w)) or 'the same'}",
            f"  verdict   {self._verdict()}",
        ]

    def _verdict(self) -> str:
        pair = self.pair
        if absent(pair.p):
            why = self.before.measured.resamples.why_not if self.before.measured is not None else ""
            return f"{points(self.gain)} points; no comparison: {why}"
        low, high = (pair.low, pair.high) if pair.a == 1 else (-pair.high, -pair.low)
        worse = pair.worse if pair.a == 1 else pair.better
        word = "no difference shown" if not pair.shown else "better" if self.gain > 0 else "worse"
        limits = "" if absent(low) else f" [{points(low)}, {points(high)}]"
        return (
            f"{word}: {points(self.gain)} points{limits}, {p_in_words(pair.p)}, McNemar "
            f"{p_in_words(pair.p_mcnemar)}; probability {worse:.2f} of being worse by more than half a point"
        )


def compare_stored(before: str, after: str, margin: float) -> list[Comparison]:
    """Every model that both have, or the two that are named.

    Parameters
    ----------
    before, after : a study's folder, or FOLDER:MODEL with a name as the table has it.
    margin : of accuracy, a share.

    Raises
    ------
    UserError : no such study or model; models that were tested on different clips; nothing in common.
    """
    first, second = _rows(before), _rows(after)
    if _parted(before)[1] or _parted(after)[1]:
        tasks = {row.task for row in first} & {row.task for row in second}
        first, second = ([row for row in rows if row.task in tasks] for rows in (first, second))
        if len({row.name for row in first}) > 1 or len({row.name for row in second}) > 1:
            several, some = (before, first) if len(first) > 1 else (after, second)
            raise UserError(f"{several} has several models", todo=f"name one: {_parted(several)[0]}:{some[0].name}")
        pairs = list(zip(first, second, strict=True))
    else:
        other = {(row.task, row.name): row for row in second}
        pairs = [(row, other[row.task, row.name]) for row in first if (row.task, row.name) in other]
        pairs = [(one, two) for one, two in pairs if one.measured is not None and two.measured is not None]
    if not pairs:
        todo = "name two models of one task, each as FOLDER:MODEL"
        raise UserError(f"{before} and {after} have no model of one task in common", todo=todo)
    return [_compare(one, two, margin) for one, two in pairs]


def _compare(before: Row, after: Row, margin: float) -> Comparison:
    if before.measured is None or after.measured is None:
        lacking = before if before.measured is None else after
        raise UserError(f"{lacking.name} has no result: {lacking.status}", todo="run its study again")
    one, two = before.measured.clips, after.measured.clips
    common = set(one["clip"]) & set(two["clip"])
    if len(common) != len(one) or len(common) != len(two):
        what = f"{before.name} and {after.name} were tested on different clips: {len(one):,} and {len(two):,}"
        raise UserError(f"{what}, {len(common):,} in common", todo="compare models of one task")
    correct = np.stack([one["correct"].to_numpy(), two["correct"].to_numpy()], 1)
    pair = compare_pairs(correct, before.measured.resamples)[0]
    name = before.name if before.name == after.name else f"{before.name} → {after.name}"
    return Comparison(name, before, after, pair, margin)


def _parted(given: str) -> tuple[str, str]:
    """Folder and name: FOLDER, or FOLDER:MODEL parted at the first colon that has a folder before it."""
    places = [i for i, letter in enumerate(given) if letter == ":" and Path(given[:i]).is_dir()]
    return (given[: places[0]], given[places[0] + 1 :]) if places and not Path(given).is_dir() else (given, "")


def _rows(given: str) -> list[Row]:
    """The rows of a study, or those of a named model: one a task."""
    folder, name = _parted(given)
    store = Store(Path(folder))
    rows = gather(*stored_with_fusions(store))
    found = [row for row in rows if row.name == name] if name else rows
    if not found:
        known = ", ".join(dict.fromkeys(row.name for row in rows))
        raise UserError(f"no model {name!r}" if name else "no cell", folder, f"it has {known}" if known else "run it")
    return found


def _settings(row: Row) -> dict[str, Any]:
    """Settings by name, those of the frontend and labels with theirs before them."""
    settings = row.records[0].get("settings", {})
    parts = {"": settings.get("model", {})}
    parts |= {f"{name}.": settings.get(name, {}) for name in ("frontend", "train_labels")}
    own = {f"{start}{key}": value for start, part in parts.items() for key, value in part.items()}
    return {"model": row.records[0]["parts"]["model"], **own}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*before, *after]):
        one, two = before.get(key, "–"), after.get(key, "–")
        if one != two:
            yield f"{key} {one} → {two}"


def _texts(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Other scores and costs that read otherwise."""
    for title, key, text in _COSTS:
        one, two = text(before.get(key)), text(after.get(key))
        if one != two:
            yield f"{title} {one} → {two}"
