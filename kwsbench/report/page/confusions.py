"""What was taken for what: recall of each word, and a matrix a model."""

import math
from collections.abc import Sequence

import numpy as np

from kwsbench.evaluate.metrics import recall
from kwsbench.pages.blocks import scrolling, shaded
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.page.blocks import row_name, two_lines
from kwsbench.report.rows import Row
from kwsbench.wording import count, percent, plural

_MOST_MATRICES = 8  # beyond, they are folded away
_TIGHT, _DENSE = 10, 14  # labels up to which three, two matrices stand side by side; beyond, small type


def recalls(rows: Sequence[Row]) -> Markup:
    """Share of each word's clips that each model had right."""
    labels = rows[0].label_names
    shares = np.array([recall(row.confusion) for row in rows])
    clips = rows[0].confusion.sum(axis=1) // rows[0].values["seeds"]
    heads = [tag("th", two_lines(row), scope="col", class_="number") for row in rows]
    lines = []
    for i in np.flatnonzero(clips):
        first = [tag("th", labels[i], scope="row"), tag("td", count(clips[i]), class_="number")]
        lines.append(tag("tr", first, [shaded(share) for share in shares[:, i]]))
    head = tag("tr", tag("th", "word", scope="col"), tag("th", "clips", scope="col", class_="number"), heads)
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    return tag("div", tag("h3", "Recall of each word, %"), scrolling("Recall of each word", table))


def confusions(rows: Sequence[Row], colours: dict[str, int]) -> Markup:
    """A matrix a model: of the clips of a word (row), the percent answered as each label (column)."""
    cards = [_confusion(row, colours[row.name]) for row in rows]
    told = "Rows are what was said, columns what was answered, in percent of the row's clips; empty: never."
    grid = tag("div", cards, class_="matrices")
    many = len(cards) > _MOST_MATRICES or len(rows[0].label_names) > _DENSE
    shown = tag("details", tag("summary", f"Show {plural(len(cards), 'matrix', 'matrices')}"), grid) if many else grid
    return tag("div", tag("h3", "Confusions"), tag("p", told, class_="muted"), shown)


def _confusion(row: Row, colour: int) -> Markup:
    labels, matrix = row.label_names, row.confusion
    kept = [i for i in range(len(labels)) if matrix[i].sum()]
    columns = [j for j in range(len(labels)) if matrix[:, j].any() or j in kept]
    heads = [tag("th", tag("span", labels[j]), scope="col") for j in columns]
    lines = [tag("tr", tag("th", labels[i], scope="row"), [_cell(matrix, i, j, labels) for j in columns]) for i in kept]
    head = tag("tr", tag("td", aria_hidden="true"), heads)
    kind = "dense" if len(columns) > _DENSE else "roomy" if len(columns) > _TIGHT else ""
    table = tag("table", tag("thead", head), tag("tbody", lines), class_=f"confusion {kind}".strip())
    title = tag("h4", row_name(row, colour))
    whole = scrolling(f"Confusions of {row.name}", table)
    return tag("div", title, whole, tag("p", _worst_confusions(row)), class_="card")


def _cell(matrix: np.ndarray, i: int, j: int, labels: Sequence[str]) -> Markup:
    if not matrix[i, j]:
        return tag("td")
    share = matrix[i, j] / matrix[i].sum()
    strength = share if i == j else math.sqrt(share)  # a few percent of errors should be seen
    kind = "good" if i == j else "wrong"
    told = f"{labels[i]} answered as {labels[j]}: {matrix[i, j]} of {matrix[i].sum()}"
    text = f"{100 * share:.0f}" if share >= 0.005 else "·"
    return tag("td", text, class_=kind, style=f"--v:{strength:.2f}", title=told)


def _worst_confusions(row: Row) -> str:
    shares = row.confusion / np.maximum(row.confusion.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    worst = [np.unravel_index(k, shares.shape) for k in np.argsort(-shares, axis=None, kind="stable")[:3]]
    names = row.label_names
    told = [f"{names[i]} as {names[j]} {percent(shares[i, j])} %" for i, j in worst if shares[i, j] > 0]
    return f"Most often: {', '.join(told)}." if told else "No confusion."
