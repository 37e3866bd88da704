"""The comparison on a terminal: coloured where it is one, plain aligned text elsewhere."""

import textwrap
from collections.abc import Sequence
from typing import TextIO

import pandas as pd
from rich.console import Console

from kwsbench.report.findings import Findings
from kwsbench.report.rows import TASK
from kwsbench.report.table import READING, Column, reading_cells, table_title, tasks_of
from kwsbench.report.verdict import in_words

WIDTH = 100
_GAP = 2
_NAME_WIDTH = 24


def terminal_report(found: Findings, stream: TextIO) -> None:
    """Print the comparison, one block a task with the verdict below, and the footnotes.

    Parameters
    ----------
    found : in a study; columns that have no room are left out, ``table.csv`` has them all.
    stream : a terminal gets colours and its own width up to 100 columns, anything else plain text of at most 100.
    """
    console = Console(file=stream, highlight=False)
    width = min(WIDTH, console.width) if console.is_terminal else WIDTH
    title = table_title("", found.table)
    for heading, rows in tasks_of(found.table):
        text = f"{heading} ({title})" if title else heading
        _say(console, textwrap.fill(text, width), "bold")
        titles, cells, widths = _fitting(rows, width)
        _say(console, _line(titles, widths), "cyan")
        _say(console, "─" * sum([*widths, _GAP * (len(widths) - 1)]), "dim")
        for row, status in zip(cells, rows["status"], strict=True):
            _say(console, _line(row, widths), "" if status == "ok" else "red")
        _say(console, "")
        corpus, labels, split = rows.iloc[0][TASK]
        verdict = found.verdicts.get((corpus, labels, split))
        for said in in_words(verdict) if verdict else []:
            _say(console, textwrap.fill(said, width), "bold")
        _say(console, "")
    for i, note in enumerate(found.notes, 1):
        _say(console, textwrap.fill(note, width, initial_indent=f"{i:2d}. ", subsequent_indent="    "), "dim")


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style or None, markup=False, emoji=False, soft_wrap=True)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Cells side by side; a name that is longer than its column goes on below."""
    name, *below = textwrap.wrap(cells[0], widths[0], subsequent_indent="  ")
    others = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    line = (" " * _GAP).join([name.ljust(widths[0]), *others]).rstrip()
    return "\n".join([line, *below])


def _fitting(rows: pd.DataFrame, width: int) -> tuple[list[str], list[list[str]], list[int]]:
    """Titles, cells and widths that fit: columns go in their order of ``goes``, then the names get what is left."""
    columns: list[Column] = list(READING)
    while True:
        titles, cells = reading_cells(rows, columns)
        widths = [max(len(line[i]) for line in (titles, *cells)) for i in range(len(titles))]
        too_much = sum(widths) + _GAP * (len(widths) - 1) - width
        # names may be broken: they need not keep columns of figures away
        too_much -= max(widths[0] - _NAME_WIDTH, 0)
        droppable = [column for column in columns if column.goes]
        if too_much <= 0 or not droppable:
            break
        columns.remove(max(droppable, key=lambda column: column.goes))
    left = width - sum(widths[1:]) - _GAP * (len(widths) - 1)
    widths[0] = min(widths[0], max(left, len(titles[0])))
    return titles, cells, widths
