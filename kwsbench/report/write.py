"""Writes what people see of a study through the store's one way of writing."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from kwsbench.report.footnotes import footnotes
from kwsbench.report.page import build_page
from kwsbench.report.rows import Predictions, Record, gather
from kwsbench.report.table import latex, markdown, tabulate


def write_report(
    study_name: str,
    resolved_recipe: dict[str, Any],
    records: Sequence[Record],
    predictions: Predictions,
    write: Callable[[str, str], None],
) -> tuple[pd.DataFrame, list[str]]:
    """Write table.csv, table.md, table.tex and report.html; returns the table and its footnotes.

    Parameters
    ----------
    study_name : name of the study's folder.
    resolved_recipe : the recipe in full, JSON-able; the page shows it, to repeat the study with.
    records : one a cell, in the recipe's order.
    predictions : cell → its table of predictions.
    write : file name, content → a whole file of the study, or nothing of it.
    """
    rows = gather(records, predictions)
    table, notes = tabulate(rows), footnotes(records)
    write("table.csv", table.to_csv(index=False))
    write("table.md", markdown(study_name, table, notes))
    write("table.tex", latex(study_name, table, notes))
    write("report.html", build_page(study_name, resolved_recipe, rows, table, notes))
    return table, notes
