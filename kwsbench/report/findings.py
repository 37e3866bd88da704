"""All that a report says of a study, found once for the table, the terminal and the page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from kwsbench.report.cleaned import Cleaned, cleaned, cleaned_notes
from kwsbench.report.footnotes import footnotes
from kwsbench.report.leak import Price, price_notes, prices
from kwsbench.report.learning_curve import LearningCurve, curve_notes, learning_curves
from kwsbench.report.robustness import Heard, measured
from kwsbench.report.rows import Beside, Predictions, Record, Row, gather
from kwsbench.report.streaming import Listened, listened
from kwsbench.report.table import tabulate
from kwsbench.report.verdict import Verdict, verdicts


@dataclass(frozen=True)
class Findings:
    """What was found in a study's records and predictions.

    Attributes
    ----------
    rows : of the comparison. table, notes : the same for reading, with footnotes.
    verdicts : task → every pair of its models.
    robustness : rows on corrupted test clips. streams : rows on streams. curves : against what is trained on.
    leaks : random splits against others. cleaned : rows without listed test clips.
    """

    rows: list[Row]
    table: pd.DataFrame
    notes: list[str]
    verdicts: Mapping[tuple[str, str, str], Verdict]
    robustness: list[Heard]
    streams: list[Listened]
    curves: list[LearningCurve]
    leaks: list[Price]
    cleaned: list[Cleaned]


def findings(
    records: Sequence[Record],
    predictions: Predictions,
    beside: Beside | None = None,
    left_out: Collection[str] = (),
) -> Findings:
    """Of a study.

    Parameters
    ----------
    records : one a cell, in the recipe's order.
    predictions : cell → its table of predictions. beside : cell, kind → what else is kept of it, if anything is.
    left_out : clips without which the test sides are scored too.
    """
    rows = gather(records, predictions)
    found, curves, leaks = verdicts(rows), learning_curves(rows), prices(rows)
    clean = cleaned(rows, left_out)
    notes = [*curve_notes(curves), *price_notes(leaks), *cleaned_notes(clean), *footnotes(records)]
    heard, streams = (measured(rows, predictions, beside), listened(rows, beside)) if beside else ([], [])
    return Findings(rows, tabulate(rows, found), notes, found, heard, streams, curves, leaks, clean)
