"""Fit logs → panels of learning curves, whatever a model chose to record."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kwsbench.pages.figures import COLOURS, Curve, curve_panel
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.page.blocks import row_name
from kwsbench.report.rows import Record, Row

STEPS = ("epoch", "iteration")
_CLOCKS = ("seconds", "lr", "learning_rate", "time", "step", "temperature")
WORDS = "training objective of each word"
_MOST_RUNS, _MOST_PANELS = 12, 4


@dataclass(frozen=True)
class Panel:
    """Curves that share a vertical axis; ``best`` is the step that was kept, where one fit is drawn."""

    title: str
    curves: tuple[Curve, ...]
    x_title: str
    best: float | None


def panels_of(row: Row, number: int) -> list[Panel]:
    """The panels of a row: accuracies, losses, values per word, then whatever else was recorded.

    Up to twelve fits (seeds, folds) are drawn over each other; values per word are drawn for the first fit alone. One
    or two curves have the colour of the row's ``number``, that of the training side dashed; more have their own.
    """
    runs = [record for record in row.records if record["status"] == "ok" and record["fit"]["history"]][:_MOST_RUNS]
    if not runs:
        return []
    keys = list(dict.fromkeys(key for record in runs for step in record["fit"]["history"] for key in step))
    panels, colour = [], number % COLOURS
    for title, names in _groups(keys, row.label_names)[:_MOST_PANELS]:
        drawn = runs[:1] if title == WORDS else runs
        curves = tuple(
            curve
            for record in drawn
            for i, name in enumerate(names)
            if (curve := _curve(record["fit"]["history"], name, colour if len(names) <= 2 else i, title)) is not None
        )
        if curves:
            panels.append(Panel(title, curves, _step_name(keys), _best(runs[0]) if len(drawn) == 1 else None))
    return panels


def _step_name(keys: Sequence[str]) -> str:
    return next((key for key in STEPS if key in keys), "step")


def _groups(keys: Sequence[str], labels: Sequence[str]) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {"accuracy": [], "loss": [], WORDS: []}
    for key in keys:
        if key in labels:
            groups[WORDS].append(key)
        elif key in STEPS or key in _CLOCKS or key.endswith(("_s", "_seconds")):
            continue
        else:
            kind = "accuracy" if "acc" in key else "loss" if "loss" in key else key
            groups.setdefault(kind, []).append(key)
    return [(title, names) for title, names in groups.items() if names]


def _steps(history: Sequence[dict[str, Any]]) -> list[float]:
    return [float(next((step[key] for key in STEPS if key in step), i)) for i, step in enumerate(history, 1)]


def _curve(history: Sequence[dict[str, Any]], name: str, colour: int, title: str) -> Curve | None:
    values = [math.nan if step.get(name) is None else float(step[name]) for step in history]
    if not any(math.isfinite(value) for value in values):
        return None
    if title == "accuracy" and max(value for value in values if math.isfinite(value)) <= 1:
        values = [100 * value for value in values]
    dashed = name.startswith("train") or colour >= COLOURS
    return Curve(name, colour % COLOURS, _steps(history), values, dashed)


def _best(record: Record) -> float | None:
    best, history = record["fit"]["best"], record["fit"]["history"]
    # that the last step was kept needs no mark
    return _steps(history)[best] if 0 <= best < len(history) - 1 else None


def learning(rows: Sequence[Row], colours: dict[str, int]) -> Markup | None:
    """The learning curves of every row whose fit kept a history."""
    cards = []
    for row in rows:
        panels = panels_of(row, colours[row.name])
        if panels:
            drawn = tag("div", [_panel(panel) for panel in panels], class_="panels")
            cards.append(tag("div", tag("h4", row_name(row, colours[row.name])), drawn, class_="card"))
    return tag("div", tag("h3", "Learning curves"), tag("div", cards, class_="curves")) if cards else None


def _panel(panel: Panel) -> Markup:
    legend = []
    for name, colour, dashed in dict.fromkeys((curve.name, curve.colour, curve.dashed) for curve in panel.curves):
        kind = f"line c{colour}{' dashed' if dashed else ''}"
        legend.append(tag("span", tag("span", class_=kind, aria_hidden="true"), name))
    drawing = curve_panel(panel.title, panel.curves, panel.x_title, panel.best)
    return tag("figure", tag("figcaption", panel.title, tag("span", legend, class_="legend")), drawing)
