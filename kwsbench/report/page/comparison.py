"""The comparison of a task: the table with its intervals drawn, accuracy against each cost, and each fold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwsbench.pages.blocks import scrolling, shaded
from kwsbench.pages.figures import (
    Axis,
    Point,
    cost_chart,
    interval_axis,
    interval_bar,
    interval_scale,
)
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.page.blocks import row_name
from kwsbench.report.rows import Row
from kwsbench.silence import SILENCE
from kwsbench.wording import absent, amount, count, duration, measure, percent, with_interval

_Column = tuple[str, str, Callable[[Any], str], str]
_HIGHER_IS_BETTER = (
    "accuracy", "validation_accuracy", "macro_f1", "worst_speaker", "worst_tenth", "accuracy_without_silence",
    "unknown_new",
)  # fmt: skip
_COLUMNS: tuple[_Column, ...] = (
    ("macro F1", "macro_f1", percent, "mean over labels of the F1 score, %"),
    ("worst tenth", "worst_tenth", percent, "mean accuracy of the tenth of the speakers served worst, %"),
    ("without silence", "accuracy_without_silence", percent, "accuracy over clips that are not silence, %"),
    ("new words", "unknown_new", percent, "unknown clips of words with few or no training clips called unknown, %"),
    ("validation", "validation_accuracy", percent, "accuracy over validation clips, which settings are chosen by, %"),
    ("params", "params", amount, "learned numbers"),
    ("MACs", "macs", amount, "multiply-adds to score one clip"),
    ("train", "train_s", duration, "time of the fit alone"),
    ("ms/clip", "ms_per_clip", measure, "time to score a clip, features aside"),
    ("train J", "train_j", amount, "energy of the fit alone, joules"),
    ("mJ/clip", "mj_per_clip", measure, "energy to score a clip, features aside, millijoules"),
    ("peak MB", "peak_mb", count, "most memory of a cell's process"),
)
_WHERE_KNOWN = ("accuracy_without_silence", "unknown_new", "validation_accuracy", "train_j", "mj_per_clip")
_COSTS = (
    ("macs", "multiply-adds to score one clip", amount),
    ("ms_per_clip", "milliseconds to score one clip", measure),
    ("model_bytes", "bytes of the model", amount),
    ("train_s", "seconds to train", measure),
    ("mj_per_clip", "millijoules to score one clip", measure),
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
    known = {key for row in done for key in row.values if silent or key != "accuracy_without_silence"}
    columns = [column for column in _COLUMNS if column[1] not in _WHERE_KNOWN or column[1] in known]
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
    return tag("div", _filter(name), scrolling("Comparison", table), _costs(done, colours))


def _sorting_head(title: str, key: str, told: str) -> Markup:
    """A head that sorts by its column; the better values, or the smaller costs, come first."""
    first = "descending" if key in _HIGHER_IS_BETTER else "ascending"
    button = tag("button", title, type="button", data_first=first)
    return tag("th", button, scope="col", class_="number", title=told)


def _filter(table: str) -> Markup:
    box = tag("input", type="search", placeholder="part of a name", data_table=table, aria_label="Show models named")
    return tag("p", tag("label", "Show ", box, tag("output")), class_="filter")


def _comparison_row(row: Row, colour: int, shown: _Shown) -> Markup:
    v = row.values
    badge = None if row.status == "ok" else tag("span", row.status, class_="badge bad")
    head = tag("th", row_name(row, colour), " " if badge else None, badge, scope="row")
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
        tag("tr", tag("th", row_name(row, colours[row.name]), scope="row"),
            [shaded(_folds(row)[fold]) for fold in folds], tag("td", percent(row.values["accuracy"]), class_="number"))
        for row in rows
    ]  # fmt: skip
    head = tag("tr", tag("th", "Model", scope="col"), heads, tag("th", "all clips", scope="col", class_="number"))
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    return tag("div", tag("h3", "Accuracy on each fold, %"), scrolling("Accuracy on each fold", table))


def _folds(row: Row) -> dict[str, float]:
    return row.measured.folds if row.measured is not None else {}
