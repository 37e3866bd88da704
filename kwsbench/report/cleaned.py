"""What a list of doubtful clips changes: each model on the whole test side, and on that side without them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.evaluate.bootstrap import Estimate, accuracy_estimate, ratio
from kwsbench.report.rows import Row
from kwsbench.wording import listed, percent, plural, with_interval

COLUMNS = (
    "model", "setting", "corpus", "labels", "split", "n_test", "n_left_out", "accuracy", "accuracy_low",
    "accuracy_high", "cleaned_accuracy", "cleaned_accuracy_low", "cleaned_accuracy_high", "difference",
    "difference_low", "difference_high", "left_out_accuracy",
)  # fmt: skip
CIRCULAR = (
    "Where a classifier made the list, its own mistakes are on it beside those of the labels: the cleaned figure is "
    "too kind to every model, and the most to those that are like that classifier."
)

NOTHING = "The recipe's exclude names no clip of this test side: there is nothing to clean."


@dataclass(frozen=True)
class Cleaned:
    """A model scored twice from the same answers; shares in 0..1.

    Attributes
    ----------
    row : of the comparison, on the whole test side.
    n_left_out : test clips that the list takes out.
    cleaned : accuracy without them. difference : of that less the whole's, speakers drawn anew for both together.
    left_out : accuracy on the clips of the list alone; NaN where it names none of this test side.
    """

    row: Row
    n_left_out: int
    cleaned: Estimate
    difference: Estimate
    left_out: float


def cleaned(rows: Sequence[Row], clips: Collection[str]) -> list[Cleaned]:
    """Every row that has an accuracy, with and without the listed ``clips``; none where no clip is listed."""
    named = set(clips)
    return [_of_row(row, named) for row in rows if row.measured is not None and row.values] if named else []


def excluded_from_test(recipe: dict[str, Any]) -> tuple[str, ...]:
    """The clips that a resolved recipe leaves out of the test, see ``recipe.exclude.Exclude``."""
    found = recipe.get("exclude") or {}
    return tuple(found["clips"]) if "test" in found.get("sides", ()) else ()


def _of_row(row: Row, named: set[str]) -> Cleaned:
    assert row.measured is not None
    clips, resamples = row.measured.clips, row.measured.resamples
    correct = clips["correct"].to_numpy(dtype=float)
    # clips are named with their fold, see ``rows._pooled``
    out = clips["clip"].str.partition("\t")[2].isin(named).to_numpy()
    nothing = Estimate(*[float("nan")] * 4)
    if out.all():
        return Cleaned(row, int(out.sum()), nothing, nothing, float(correct.mean()))
    if not out.any():
        return Cleaned(row, 0, accuracy_estimate(correct, resamples), nothing._replace(value=0.0), float("nan"))
    ones = np.ones(len(correct))
    sums = resamples.sums(np.column_stack([correct * ~out, ones * ~out, correct, ones]))
    found = resamples.estimates({"cleaned": (ratio, slice(0, 2)), "difference": (_difference, slice(0, 4))}, sums)
    return Cleaned(row, int(out.sum()), found["cleaned"], found["difference"], float(correct[out].mean()))


def _difference(sums: np.ndarray) -> np.ndarray:
    """Of two means over clips, from their sums and counts."""
    return ratio(sums[..., 0:2]) - ratio(sums[..., 2:4])


def cleaned_table(found: Sequence[Cleaned]) -> pd.DataFrame:
    """One line a row, columns ``COLUMNS``, unrounded."""
    lines = [
        (
            one.row.model, one.row.setting, *one.row.task, one.row.values["n_test"], one.n_left_out,
            *(one.row.values[name] for name in ("accuracy", "accuracy_low", "accuracy_high")),
            *one.cleaned[:3], *one.difference[:3], one.left_out,
        )
        for one in found
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=pd.Index(COLUMNS))


def cleaned_notes(found: Sequence[Cleaned]) -> list[str]:
    """For under the table: how much the listed clips weigh."""
    notes = []
    for (corpus, labels, split), group in cleaned_by_task(found).items():
        if not group[0].n_left_out:
            notes.append(f"{corpus}, {labels}, {split}: {NOTHING}")
            continue
        told = listed(f"{one.row.name} by {raised(one)}" for one in group)
        notes.append(
            f"{corpus}, {labels}, {split}: without the {plural(group[0].n_left_out, 'test clip')} that the recipe's "
            f"exclude names, of {group[0].row.values['n_test']:,}, accuracy differs for {told} points. {CIRCULAR}"
        )
    return notes


def raised(one: Cleaned) -> str:
    """The difference in points of a percent with its interval: "1.9 [1.1, 2.8]"."""
    difference = one.difference
    return with_interval(difference.value, difference.low, difference.high).replace("-", "−")


def reordered(group: Sequence[Cleaned]) -> str:
    """What becomes of the order of a task's models, as a sentence."""
    whole = sorted(group, key=lambda one: -one.row.values["accuracy"])
    clean = sorted(whole, key=lambda one: -one.cleaned.value)
    if [one.row.name for one in whole] == [one.row.name for one in clean]:
        return "The order of the models is the same with and without these clips."
    best = clean[0]
    first = (
        f"{best.row.name} is the first both times"
        if best is whole[0]
        else f"the first is {whole[0].row.name} on the whole, {best.row.name} ({percent(best.cleaned.value)} %) without"
    )
    return f"The order of the models changes without these clips: {first}."


def cleaned_by_task(found: Sequence[Cleaned]) -> dict[tuple[str, str, str], list[Cleaned]]:
    groups: dict[tuple[str, str, str], list[Cleaned]] = {}
    for one in found:
        groups.setdefault(one.row.task, []).append(one)
    return groups
