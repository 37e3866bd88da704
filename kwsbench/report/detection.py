"""Detection of keywords from clip scores, drawn and tabulated: misses against false alarms (DET)."""

from collections.abc import Sequence

import pandas as pd

from kwsbench.evaluate.detection import ALARMS_AN_HOUR, Curve, Detection
from kwsbench.report.rows import Row

OVERALL = "all keywords"


def detection_table(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a model and keyword, and one for all keywords at one threshold: equal error, misses at alarms an hour.

    Shares in 0..1, of the first seed; empty where the clips that should not be heard are too few to show such a rate.
    """
    lines = []
    for row in rows:
        for keyword, curve in curves_of(row):
            named = row.named | {"model": row.model, "setting": row.setting}
            at = {f"false_rejection_at_{rate:g}_an_hour": curve.at_alarms[rate] for rate in ALARMS_AN_HOUR}
            counts = {"n_positives": curve.n_positives, "n_negatives": curve.n_negatives, "hours": curve.hours}
            lines.append(named | {"keyword": keyword, "equal_error": curve.equal_error} | at | counts)
    return pd.DataFrame(lines)


def curves_of(row: Row) -> list[tuple[str, Curve]]:
    found = detection_of(row)
    return [(OVERALL, found.overall), *found.keywords.items()] if found else []


def detection_of(row: Row) -> Detection | None:
    return row.measured.detection if row.measured is not None else None
