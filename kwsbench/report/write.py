"""Writes what people see of a study through the store's one way of writing."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from kwsbench.report.footnotes import footnotes
from kwsbench.report.page import build_page
from kwsbench.report.rows import Predictions, Record, gather
from kwsbench.report.table import latex, markdown, tabulate
from kwsbench.report.verdict import in_words, pair_table, verdicts


class Report(NamedTuple):
    """What was written.

    Attributes
    ----------
    table, notes : the comparison and its footnotes.
    verdicts : task → the answer, sentence by sentence.
    """

    table: pd.DataFrame
    notes: list[str]
    verdicts: dict[str, list[str]]


def write_report(
    study_name: str,
    resolved_recipe: dict[str, Any],
    records: Sequence[Record],
    predictions: Predictions,
    write: Callable[[str, str], None],
) -> Report:
    """Write table.csv, pairs.csv, table.md, table.tex and report.html; returns what they say.

    Parameters
    ----------
    study_name : name of the study's folder.
    resolved_recipe : the recipe in full, JSON-able; the page shows it, to repeat the study with.
    records : one a cell, in the recipe's order.
    predictions : cell → its table of predictions.
    write : file name, content → a whole file of the study, or nothing of it.
    """
    rows = gather(records, predictions)
    found = verdicts(rows)
    table, notes = tabulate(rows, found), footnotes(records)
    write("table.csv", table.to_csv(index=False))
    write("pairs.csv", pair_table(found).to_csv(index=False))
    write("table.md", markdown(study_name, table, notes, found))
    write("table.tex", latex(study_name, table, notes))
    write("report.html", build_page(study_name, resolved_recipe, rows, table, notes, found))
    return Report(table, notes, {", ".join(task): in_words(verdict) for task, verdict in found.items()})
