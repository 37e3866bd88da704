"""Keywords in streams, counted from each window's posteriors as they are kept: numbers for the table and the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kwsbench.evaluate.detection import ALARMS_AN_HOUR
from kwsbench.evaluate.streaming import Counts, Sweep, count, pooled, streaming
from kwsbench.report.rows import Beside, Record, Row
from kwsbench.streaming import CHOSEN_AT, as_evaluated, listener
from kwsbench.timeline import LONG, SHORT, Streaming

SHORT_COLUMNS = ("short_hits", "short_misses", "short_false_alarms")


@dataclass(frozen=True)
class Listened:
    """What a row heard in the streams of its folds, of its first seed.

    Attributes
    ----------
    sweep : of the long streams, every fold listened to at the same threshold.
    thresholds : of each fold, chosen on its long stream.
    short : of the short streams at those thresholds, added up.
    """

    row: Row
    sweep: Sweep
    thresholds: tuple[float, ...]
    short: Counts


def listened(rows: Sequence[Row], beside: Beside) -> list[Listened]:
    """Every row that listened to streams, in order.

    Parameters
    ----------
    beside : cell, "windows" or "events" → its tables, see ``streaming.listened``.
    """
    return [found for row in rows if (found := _of_row(row, beside)) is not None]


def _of_row(row: Row, beside: Beside) -> Listened | None:
    first = [record for record in row.used if record["parts"]["seed"] == row.used[0]["parts"]["seed"]]
    if not first or not all("streaming" in record for record in first):
        return None
    sweeps, thresholds, shorts = zip(*(_of_cell(record, beside) for record in first), strict=True)
    return Listened(row, pooled(sweeps), thresholds, Counts(*map(sum, zip(*shorts, strict=True))))


def _of_cell(record: Record, beside: Beside) -> tuple[Sweep, float, Counts]:
    how = listener(Streaming(**record["settings"]["streaming"]), record["streaming"]["window_s"])
    windows, events = (beside(record["cell"], kind) for kind in ("windows", "events"))
    long, short = (as_evaluated(windows, events, record["label_names"], name) for name in (LONG, SHORT))
    swept = streaming(*long, how)
    threshold = swept.threshold_at(CHOSEN_AT)
    return swept, threshold, count(*short, how, threshold)


def tabulate_streaming(streams: Sequence[Listened]) -> pd.DataFrame:
    """One line a row; shares in 0..1, empty where the long stream is too short to show such a rate."""
    return pd.DataFrame([_line(one) for one in streams])


def _line(one: Listened) -> dict[str, Any]:
    row, sweep = one.row, one.sweep
    at = {f"false_rejection_at_{rate:g}_an_hour": sweep.at_alarms[rate] for rate in ALARMS_AN_HOUR}
    (threshold,) = one.thresholds if len(one.thresholds) == 1 else (math.nan,)
    return {
        "model": row.model,
        **row.named,
        "setting": row.setting,
        "hours": round(sweep.hours, 6),
        "n_events": sweep.n_events,
        **at,
        "threshold": threshold if math.isfinite(threshold) else math.nan,
        **dict(zip(SHORT_COLUMNS, one.short, strict=True)),
    }
