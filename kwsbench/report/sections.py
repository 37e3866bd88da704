"""What the page shows of one task: comparison, folds, robustness, recall of each word, confusions, learning curves."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kwsbench.evaluate.metrics import recall
from kwsbench.report.curves import Panel, panels_of
from kwsbench.report.figures import (
    Axis,
    Curve,
    Point,
    cost_chart,
    curve_panel,
    interval_axis,
    interval_bar,
    interval_scale,
    level_panel,
)
from kwsbench.report.markup import Markup, tag
from kwsbench.report.robustness import Heard
from kwsbench.report.rows import Row
from kwsbench.report.verdict import Verdict, gap_in_words, p_in_words, points
from kwsbench.report.wording import NONE, absent, amount, count, duration, measure, percent, plural, with_interval
from kwsbench.silence import SILENCE

_MOST_MATRICES = 8  # beyond, they are folded away
_TIGHT, _DENSE = 10, 14  # labels up to which three, two matrices stand side by side; beyond, small type
_Column = tuple[str, str, Callable[[Any], str], str]
_HIGHER_IS_BETTER = ("accuracy", "macro_f1", "worst_speaker", "worst_tenth", "accuracy_without_silence")
_COLUMNS: tuple[_Column, ...] = (
    ("macro F1", "macro_f1", percent, "mean over labels of the F1 score, %"),
    ("worst tenth", "worst_tenth", percent, "mean accuracy of the tenth of the speakers served worst, %"),
    ("without silence", "accuracy_without_silence", percent, "accuracy over clips that are not silence, %"),
    ("params", "params", amount, "learned numbers"),
    ("MACs", "macs", amount, "multiply-adds to score one clip"),
    ("train", "train_s", duration, "time of the fit alone"),
    ("ms/clip", "ms_per_clip", measure, "time to score a clip, features aside"),
    ("peak MB", "peak_mb", count, "most memory of a cell's process"),
)
_COSTS = (
    ("macs", "multiply-adds to score one clip", amount),
    ("ms_per_clip", "milliseconds to score one clip", measure),
    ("model_bytes", "bytes of the model", amount),
    ("train_s", "seconds to train", measure),
)


@dataclass(frozen=True)
class _Shown:
    """What all rows of a comparison share."""

    axis: Axis
    columns: Sequence[_Column]
    letters: Mapping[str, str]


def comparison(rows: Sequence[Row], colours: dict[str, int], letters: Mapping[str, str], number: int = 0) -> Markup:
    """The table of a task with its intervals drawn, and accuracy against cost below.

    Parameters
    ----------
    rows, colours : of the task's models.
    letters : name → those of its ties. number : of the task on the page.
    """
    done = [row for row in rows if row.values]
    axis = interval_axis([(v["accuracy"], v["accuracy_low"], v["accuracy_high"]) for v in (row.values for row in done)])
    silent = any(SILENCE in row.label_names for row in done)
    columns = [column for column in _COLUMNS if silent or column[1] != "accuracy_without_silence"]
    heads = [
        tag("th", "Model", scope="col"),
        tag("th", tag("span", "accuracy % with 95 % interval", class_="hidden"), interval_scale(axis), scope="col"),
        _sorting_head("accuracy %", "accuracy", "right clips of all test clips, %"),
        tag("th", "ties", scope="col", title="models that share a letter are not shown to differ"),
        [_sorting_head(title, key, told) for title, key, _, told in columns],
    ]
    shown = _Shown(axis, columns, letters)
    body = [_comparison_row(row, colours[row.name], shown) for row in rows]
    caption = tag("caption", "Comparison, in the order of the recipe. Interval: 95 %, speakers resampled.")
    name = f"comparison-{number}"
    table = tag("table", caption, tag("thead", tag("tr", heads)), tag("tbody", body), class_="comparison", id=name)
    return tag("div", _filter(name), _scrolling("Comparison", table), _costs(done, colours))


def _sorting_head(title: str, key: str, told: str) -> Markup:
    """A head that sorts by its column; the better values, or the smaller costs, come first."""
    first = "descending" if key in _HIGHER_IS_BETTER else "ascending"
    button = tag("button", title, type="button", data_first=first)
    return tag("th", button, scope="col", class_="number", title=told)


def _filter(table: str) -> Markup:
    box = tag("input", type="search", placeholder="part of a name", data_table=table, aria_label="Show models named")
    return tag("p", tag("label", "Show ", box, tag("output")), class_="filter")


def _scrolling(name: str, table: Markup) -> Markup:
    return tag("div", table, class_="scroll", role="region", tabindex=0, aria_label=name)


def _name(row: Row, colour: int) -> list[Markup]:
    setting = [tag("br"), tag("small", row.setting)] if row.setting else []
    return [tag("span", class_=f"swatch c{colour}", aria_hidden="true"), tag("span", row.model), *setting]


def _comparison_row(row: Row, colour: int, shown: _Shown) -> Markup:
    v = row.values
    badge = None if row.status == "ok" else tag("span", row.status, class_="badge bad")
    head = tag("th", _name(row, colour), " " if badge else None, badge, scope="row")
    if not v:
        told = "no result; the reason stands under Failed cells"
        return tag("tr", head, tag("td", told, colspan=3 + len(shown.columns), class_="muted"))
    bar = interval_bar(shown.axis, v["accuracy"], v["accuracy_low"], v["accuracy_high"], colour)
    share, _, limits = with_interval(v["accuracy"], v["accuracy_low"], v["accuracy_high"]).partition(" ")
    accuracy = [tag("strong", share), " ", tag("span", limits, class_="muted")]
    if v["seeds"] > 1:
        spread = f"{v['seeds']} seeds, sd {100 * v['accuracy_sd_seeds']:.1f}"
        accuracy += [tag("br"), tag("small", spread)]
    numbers = [_valued(text(v.get(key)), v.get(key)) for _, key, text, _ in shown.columns]
    ties = tag("td", shown.letters.get(row.name, ""))
    return tag("tr", head, tag("td", bar, class_="bar"), _valued(accuracy, v["accuracy"]), ties, numbers)


def _valued(text: object, value: Any) -> Markup:
    """A cell of a number, with the number in full for sorting."""
    return tag("td", text, class_="number", data_v="" if absent(value) else repr(float(value)))


def _costs(rows: Sequence[Row], colours: dict[str, int]) -> Markup | None:
    """Accuracy against each cost; a line joins the models that none beats in both."""
    charts = []
    best = max((row.values["accuracy"] for row in rows), default=0.0)
    for key, title, word in _COSTS:
        points = [
            Point(_short(row.name), colours[row.name], v[key], v["accuracy"], v["accuracy_low"], v["accuracy_high"])
            for row in rows
            # a floor would press the others together
            if (v := row.values)["accuracy"] >= best / 2 and v["macs"] > 0 and (v.get(key) or 0) > 0
        ]
        if len(points) > 1:
            told = tag("figcaption", f"Accuracy against {title}")
            charts.append(tag("figure", told, cost_chart(points, title, word), class_="card"))
    return tag("div", charts, class_="charts") if charts else None


def _short(name: str) -> str:
    """A name for a chart: one that is long loses its middle, as its ends tell settings apart."""
    return name if len(name) <= 28 else f"{name[:15]}…{name[-12:]}"


def fold_table(rows: Sequence[Row], colours: dict[str, int]) -> Markup | None:
    """Accuracy of each model on each fold, where there are several."""
    folds = list(dict.fromkeys(fold for row in rows for fold in _folds(row)))
    if len(folds) < 2:
        return None
    heads = [tag("th", fold.rpartition("/")[2], scope="col", class_="number") for fold in folds]
    lines = [
        tag("tr", tag("th", _name(row, colours[row.name]), scope="row"), [_shaded(_folds(row)[fold]) for fold in folds],
            tag("td", percent(row.values["accuracy"]), class_="number"))
        for row in rows
    ]  # fmt: skip
    head = tag("tr", tag("th", "Model", scope="col"), heads, tag("th", "all clips", scope="col", class_="number"))
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    return tag("div", tag("h3", "Accuracy on each fold, %"), _scrolling("Accuracy on each fold", table))


def pair_matrix(verdict: Verdict, colours: dict[str, int]) -> Markup | None:
    """Accuracy of each model (row) less that of each other (column), in points; bold where a difference is shown."""
    n = len(verdict.rows)
    if n < 2:
        return None
    order = sorted(range(n), key=lambda i: -verdict.rows[i].values["accuracy"])
    heads = [tag("th", _two_lines(verdict.rows[j]), scope="col", class_="number") for j in order]
    lines = [
        tag("tr", tag("th", _name(verdict.rows[i], colours[verdict.rows[i].name]), scope="row"),
            tag("td", verdict.letters[i]), [_pair_cell(verdict, i, j) for j in order])
        for i in order
    ]  # fmt: skip
    head = tag("tr", tag("th", "Model", scope="col"), tag("th", "ties", scope="col"), heads)
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    told = (
        "Points of accuracy by which the model of the row is better than that of the column; bold: shown to differ "
        "(95 % interval without 0 and p < 0.05 for all pairs together). Models that share a letter are not shown to "
        "differ."
    )
    title = "Every pair of models"
    return tag("div", tag("h3", title), tag("p", told, class_="muted"), _scrolling(title, table))


def _pair_cell(verdict: Verdict, i: int, j: int) -> Markup:
    if i == j:
        return tag("td", "", aria_hidden="true")
    pair = verdict.pair(i, j)
    gap = pair.difference if pair.a == i else -pair.difference
    a, b = verdict.rows[pair.a].name, verdict.rows[pair.b].name
    told = (
        f"{b} makes {gap_in_words(pair)}; McNemar {p_in_words(pair.p_mcnemar)}; "
        f"only {a} had {pair.wins:,} clips right, only {b} {pair.losses:,}"
    )
    text = tag("strong", points(gap)) if pair.shown else points(gap)
    kind = "number" if not pair.shown else "number good" if gap > 0 else "number wrong"
    return tag("td", text, class_=kind, title=told, style=f"--v:{min(1.0, 10 * abs(gap)):.2f}")


def _folds(row: Row) -> dict[str, float]:
    return row.measured.folds if row.measured is not None else {}


def recalls(rows: Sequence[Row]) -> Markup:
    """Share of each word's clips that each model had right."""
    labels = rows[0].label_names
    shares = np.array([recall(row.confusion) for row in rows])
    clips = rows[0].confusion.sum(axis=1) // rows[0].values["seeds"]
    heads = [tag("th", _two_lines(row), scope="col", class_="number") for row in rows]
    lines = []
    for i in np.flatnonzero(clips):
        first = [tag("th", labels[i], scope="row"), tag("td", count(clips[i]), class_="number")]
        lines.append(tag("tr", first, [_shaded(share) for share in shares[:, i]]))
    head = tag("tr", tag("th", "word", scope="col"), tag("th", "clips", scope="col", class_="number"), heads)
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    return tag("div", tag("h3", "Recall of each word, %"), _scrolling("Recall of each word", table))


def _two_lines(row: Row) -> list[object]:
    return [row.model, *([tag("br"), tag("small", row.setting)] if row.setting else [])]


def _shaded(share: float) -> Markup:
    if absent(share):
        return tag("td", percent(share), class_="number")
    return tag("td", percent(share), class_="number good", style=f"--v:{share:.2f}")


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
    title = tag("h4", _name(row, colour))
    scrolling = _scrolling(f"Confusions of {row.name}", table)
    return tag("div", title, scrolling, tag("p", _worst_confusions(row)), class_="card")


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


def robustness(heard: Sequence[Heard], colours: dict[str, int]) -> Markup:
    """Accuracy of each model over the ratio to each noise, and under the other corruptions."""
    noises = list(dict.fromkeys(one.name for one in heard if one.is_noise))
    panels = [_noise_panel(name, [one for one in heard if one.name == name], colours) for name in noises]
    names = dict.fromkeys(one.row.name for one in heard)
    keys = [tag("span", tag("span", class_=f"line c{colours[n]}", aria_hidden="true"), n) for n in names]
    told = (
        "Accuracy of the fitted models on corrupted copies of the test clips, the same for every model; bars are 95 % "
    )
    told += "intervals, speakers resampled. robustness.csv beside this page has every number unrounded."
    drawn = tag("div", tag("p", keys, class_="legend"), tag("div", panels, class_="panels"), class_="card")
    others = _other_corruptions([one for one in heard if not one.is_noise])
    return tag("div", tag("h3", "Robustness"), tag("p", told, class_="muted"), drawn if panels else None, others)


def _noise_panel(name: str, heard: Sequence[Heard], colours: dict[str, int]) -> Markup:
    curves = []
    for model in dict.fromkeys(one.row.name for one in heard):
        own = sorted((one for one in heard if one.row.name == model), key=lambda one: one.level)
        xs, ys, lows, highs = zip(*((one.level, one.accuracy, one.low, one.high) for one in own), strict=True)
        curves.append(Curve(model, colours[model], xs, ys, lows=lows, highs=highs))
    return tag("figure", tag("figcaption", name), level_panel(name, curves, "clip to noise, dB"))


def _other_corruptions(heard: Sequence[Heard]) -> Markup | None:
    if not heard:
        return None
    rows = list({one.row.name: one.row for one in heard}.values())
    heads = [tag("th", _two_lines(row), scope="col", class_="number") for row in rows]
    as_they_are = [with_interval(*(row.values[f"accuracy{end}"] for end in ("", "_low", "_high"))) for row in rows]
    found = {(one.name, one.row.name): with_interval(one.accuracy, one.low, one.high) for one in heard}
    texts = {"as they are": as_they_are}
    for name in dict.fromkeys(one.name for one in heard):
        texts[name] = [found.get((name, row.name), NONE) for row in rows]
    lines = [
        tag("tr", tag("th", name, scope="row"), [tag("td", text, class_="number") for text in shown])
        for name, shown in texts.items()
    ]
    head = tag("tr", tag("th", "clips", scope="col"), heads)
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    return tag("div", tag("h4", "Accuracy %, with 95 % interval"), _scrolling("Robustness", table))


def learning(rows: Sequence[Row], colours: dict[str, int]) -> Markup | None:
    """The learning curves of every row whose fit kept a history."""
    cards = []
    for row in rows:
        panels = panels_of(row, colours[row.name])
        if panels:
            drawn = tag("div", [_panel(panel) for panel in panels], class_="panels")
            cards.append(tag("div", tag("h4", _name(row, colours[row.name])), drawn, class_="card"))
    return tag("div", tag("h3", "Learning curves"), tag("div", cards, class_="curves")) if cards else None


def _panel(panel: Panel) -> Markup:
    legend = []
    for name, colour, dashed in dict.fromkeys((curve.name, curve.colour, curve.dashed) for curve in panel.curves):
        kind = f"line c{colour}{' dashed' if dashed else ''}"
        legend.append(tag("span", tag("span", class_=kind, aria_hidden="true"), name))
    drawing = curve_panel(panel.title, panel.curves, panel.x_title, panel.best)
    return tag("figure", tag("figcaption", panel.title, tag("span", legend, class_="legend")), drawing)
