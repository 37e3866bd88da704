"""Accuracy on corrupted test clips, from what each model answered to each clip: numbers for the table and the page."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from kwsbench.corruptions import NOISE_NAMES, RECORDINGS
from kwsbench.evaluate import bootstrap
from kwsbench.report.rows import Beside, Predictions, Row
from kwsbench.seeds import derive_seed

COLUMNS = (
    "model", "corpus", "labels", "split", "setting", "condition", "level", "accuracy", "accuracy_low", "accuracy_high",
    "accuracy_as_they_are", "n_test", "seeds",
)  # fmt: skip
# a condition that is no noise, in words that take its level
_WORDS = {
    "shift_ms": "moved by {:+g} ms",
    "gain_db": "{:+g} dB",
    "speed": "played {:g} times as fast",
    "telephone": "by telephone",
    "clipping": "clipped at {:g} of the peak",
    "reverb_s": "reverberation of {:g} s",
}


@dataclass(frozen=True)
class Heard:
    """A row's accuracy on the test clips under one condition, shares in 0..1; limits are NaN without an interval."""

    row: Row
    condition: str
    level: float
    accuracy: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        return self.condition in NOISE_NAMES

    @property
    def name(self) -> str:
        """The condition in words: the noise by itself, anything else with its level."""
        if self.is_noise:
            return "noise recordings" if self.condition == RECORDINGS else f"{self.condition} noise"
        return _WORDS[self.condition].format(self.level).replace("-", "−")


def measured(rows: Sequence[Row], predictions: Predictions, beside: Beside) -> list[Heard]:
    """Every row under every condition, in order; folds are pooled and seeds averaged as they are in the row itself.

    Parameters
    ----------
    predictions : cell → its table of predictions on the clips as they are, for labels and speakers.
    beside : cell, "robustness" → its table of ``clip, condition, level, predicted``.
    """
    return [heard for row in rows for heard in _of_row(row, predictions, beside)]


def _of_row(row: Row, predictions: Predictions, beside: Beside) -> list[Heard]:
    tables = []
    for record in row.used:
        if "robustness" not in record:
            return []
        known = predictions(record["cell"])[["clip", "speaker", "label"]]
        found = beside(record["cell"], "robustness").merge(known, on="clip", validate="many_to_one")
        tables.append(found.assign(fold=record["parts"]["fold"], right=(found["predicted"] == found["label"]) * 1.0))
    if not tables:
        return []
    by_clip = pd.concat(tables).groupby(["condition", "level", "fold", "clip"], sort=False)
    clips = by_clip.agg(speaker=("speaker", "first"), right=("right", "mean")).reset_index()
    return [_heard(row, group) for _, group in clips.groupby(["condition", "level"], sort=False)]


def _heard(row: Row, clips: pd.DataFrame) -> Heard:
    """Of the clips of one condition: ``condition, level, speaker, right``."""
    condition, level = clips["condition"].iloc[0], clips["level"].iloc[0]
    right, speakers = clips["right"].to_numpy(), clips["speaker"].to_numpy(dtype=object)
    low, high = bootstrap(right, speakers, seed=derive_seed(*row.task, "interval"))
    return Heard(row, str(condition), float(level), float(right.mean()), low, high)


def tabulate_robustness(heard: Sequence[Heard]) -> pd.DataFrame:
    """One line a row and condition, columns ``COLUMNS``; ``accuracy_as_they_are``: of the same clips uncorrupted."""
    lines = [
        (
            one.row.model, *one.row.task, one.row.setting, one.condition, one.level, one.accuracy, one.low, one.high,
            one.row.values["accuracy"], one.row.values["n_test"], one.row.values["seeds"],
        )
        for one in heard
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=pd.Index(COLUMNS))
