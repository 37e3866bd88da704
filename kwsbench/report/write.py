"""Writes what people see of a study through the store's one way of writing."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd

from kwsbench.report.cleaned import cleaned_table, excluded_from_test
from kwsbench.report.detection import detection_table
from kwsbench.report.findings import Findings, findings
from kwsbench.report.fusion import TaskRows, with_fusions
from kwsbench.report.hardest import hardest_table
from kwsbench.report.leak import price_table
from kwsbench.report.learning_curve import curve_table
from kwsbench.report.page import build_page
from kwsbench.report.page.hardest import Hear
from kwsbench.report.robustness import tabulate_robustness
from kwsbench.report.rows import Beside, Predictions, Record
from kwsbench.report.streaming import tabulate_streaming
from kwsbench.report.table import latex, markdown
from kwsbench.report.verdict import pair_table


def write_report(
    study_name: str,
    resolved_recipe: dict[str, Any],
    records: Sequence[Record],
    predictions: Predictions,
    write: Callable[[str, str], None],
    beside: Beside | None = None,
    task: TaskRows | None = None,
) -> Findings:
    """Write the tables (CSV, Markdown, LaTeX) and the page; returns what they say.

    Parameters
    ----------
    study_name : name of the study's folder.
    resolved_recipe : the recipe in full, JSON-able; the page shows it, to repeat the study with.
    records : one a cell, in the recipe's order.
    predictions : cell → its table of predictions. beside : cell, kind → what else is kept of it, if anything is.
    write : file name, content → a whole file of the study, or nothing of it.
    task : fingerprint of a task → who is on which side of it; without it fusions say nothing of words heard and new.
    """
    records, predictions = with_fusions(records, predictions, resolved_recipe.get("fusions", {}), task, beside)
    found = findings(records, predictions, beside, excluded_from_test(resolved_recipe))
    for name, table in _tables(found):
        write(name, table.to_csv(index=False))
    write("table.md", markdown(study_name, found.table, found.notes, found.verdicts))
    write("table.tex", latex(study_name, found.table, found.notes))
    write("report.html", build_page(study_name, resolved_recipe, found))
    return found


def write_audio_page(
    study_name: str, resolved_recipe: dict[str, Any], found: Findings, hear: Hear, write: Callable[[str, str], None]
) -> None:
    """Write the page once more as ``report_audio.html``, with the hardest clips to look at and to listen to.

    A file of its own, for recordings are not everybody's to pass on.
    """
    write("report_audio.html", build_page(study_name, resolved_recipe, found, hear))


def _tables(found: Findings) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name of a file and its table; those that have nothing to say are not written."""
    yield "table.csv", found.table
    yield "pairs.csv", pair_table(found.verdicts)
    yield "hardest.csv", hardest_table(found.verdicts)
    detected = detection_table(found.rows)
    if len(detected):
        yield "detection.csv", detected
    if found.robustness:
        yield "robustness.csv", tabulate_robustness(found.robustness)
    if found.streams:
        yield "streaming.csv", tabulate_streaming(found.streams)
    if found.curves:
        yield "learning_curve.csv", curve_table(found.curves)
    if found.leaks:
        yield "leak.csv", price_table(found.leaks)
    if found.cleaned:
        yield "cleaned.csv", cleaned_table(found.cleaned)
