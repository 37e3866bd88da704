"""The price of a leak: the same models on a split that keeps speakers apart, and on a random one of the same sizes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.evaluate.bootstrap import LEVEL, ratio
from kwsbench.report.rows import Record, Row
from kwsbench.schemes import RANDOM
from kwsbench.wording import listed, with_interval

_SIDES = {"apart": "", "mixed": "leaky_"}
_COPIED = ("n_test", "n_test_speakers", "accuracy", "accuracy_low", "accuracy_high")


@dataclass(frozen=True)
class Price:
    """How much a model is flattered by a test whose speakers were heard in training.

    Attributes
    ----------
    apart, mixed : the model's row with speakers on one side each, and with clips drawn at random.
    low, high : 95 % interval of the difference; NaN where one of the two has none.
    """

    apart: Row
    mixed: Row
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Accuracy with clips drawn at random less that with speakers apart, in −1..1."""
        return float(self.mixed.values["accuracy"] - self.apart.values["accuracy"])


def prices(rows: Sequence[Row]) -> list[Price]:
    """Each model that has a row on a random split and one on the split whose sizes that has."""
    done = [row for row in rows if row.values]
    found = []
    for mixed in done:
        split = _settings(mixed).get("split", {})
        if split.get("scheme") == RANDOM:
            wanted = _comparison(mixed, {"scheme": split["like"]})
            found += [Price(row, mixed, *_interval(row, mixed)) for row in done if _comparison(row, {}) == wanted]
    return found


def _settings(row: Row) -> dict[str, Any]:
    record: Record = row.records[0]
    found: dict[str, Any] = record.get("settings", {})
    return found


def _comparison(row: Row, scheme: dict[str, str]) -> tuple[Any, ...]:
    """What the two rows of a price have in common, once one has the other's ``scheme``."""
    settings, parts = _settings(row), row.records[0]["parts"]
    task = [settings.get(name) for name in ("corpus", "labels", "train_labels")]
    split = {name: value for name, value in settings.get("split", {}).items() if name != "like"} | scheme
    return row.name, parts["corpus"], parts["labels"], task, split


def _interval(apart: Row, mixed: Row) -> tuple[float, float]:
    """95 % interval of the difference: speakers of both test sides are drawn anew, each side by itself.

    Folds of both splits together may test the same speakers; the interval is then wider than it had to be.
    """
    if np.isnan([apart.values["accuracy_low"], mixed.values["accuracy_low"]]).any():
        return float("nan"), float("nan")
    low, high = np.quantile(_drawn(mixed) - _drawn(apart), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _drawn(row: Row) -> np.ndarray:
    """Accuracy of each draw of a row's test speakers; the draws of two tasks have seeds of their own."""
    assert row.measured is not None
    correct = row.measured.clips["correct"].to_numpy()
    resamples = row.measured.resamples
    return ratio(resamples.drawn(resamples.sums(np.column_stack([correct, np.ones(len(correct))]))))


def price_table(found: Sequence[Price]) -> pd.DataFrame:
    """One row a price; shares in 0..1 and unrounded, those of the random split in the columns ``leaky_…``."""
    lines = []
    for price in found:
        line: dict[str, Any] = {"model": price.apart.model, "setting": price.apart.setting}
        line |= {"corpus": price.apart.task[0], "labels": price.apart.task[1]}
        for side, start in _SIDES.items():
            row: Row = getattr(price, side)
            line |= {f"{start}split": row.task[2]} | {f"{start}{name}": row.values[name] for name in _COPIED}
        lines.append(
            line | {"difference": price.difference, "difference_low": price.low, "difference_high": price.high}
        )
    return pd.DataFrame(lines)


def price_notes(found: Sequence[Price]) -> list[str]:
    """For under the table: by how much each model is flattered."""
    notes = []
    for task, group in prices_by_task(found).items():
        told = listed(f"{price.apart.name} by {flattery(price)}" for price in group)
        notes.append(
            f"{task[0]}, {task[1]}: against speakers kept apart ({task[2]}), clips drawn at random ({task[3]}, sides "
            f"of the same sizes), so that speakers of the test are heard in training, flatter {told} points; in "
            "brackets the 95 % interval of the difference, speakers of both test sides drawn anew and independently."
        )
    return notes


def flattery(price: Price) -> str:
    """The difference in points of a percent with its interval: "4.9 [2.1, 7.8]"."""
    return with_interval(price.difference, price.low, price.high).replace("-", "−")


def prices_by_task(found: Sequence[Price]) -> dict[tuple[str, str, str, str], list[Price]]:
    groups: dict[tuple[str, str, str, str], list[Price]] = {}
    for price in found:
        groups.setdefault((*price.apart.task, price.mixed.task[2]), []).append(price)
    return groups
