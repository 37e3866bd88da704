"""Keywords as detectors, drawn: misses against false alarms (DET), hits against them (ROC), and equal error rates."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from kwsbench.evaluate.detection import Detection
from kwsbench.pages.blocks import scrolling
from kwsbench.pages.figures import Axis, grid_x, grid_y, line_look, nice_ticks
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.detection import curves_of, detection_of
from kwsbench.report.page.blocks import row_name
from kwsbench.report.rows import Row
from kwsbench.wording import percent, plural

_RATES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)  # ticks of a DET axis
_ROC = (0.2, 0.4)  # most false alarms and fewest hits of a ROC curve that are drawn: beyond them no detector is of use
_WIDTH, _HEIGHT = 560, 400
_MOST_INSIDE = 8  # names within the axes


def detection_section(rows: Sequence[Row], colours: dict[str, int]) -> Markup | None:
    """DET curves of all keywords at one threshold, and the equal error rate of each keyword."""
    spotting = [(row, found) for row in rows if (found := detection_of(row)) and found.overall.n_negatives]
    if not spotting:
        return None
    negatives = spotting[0][1].overall.n_negatives
    told = (
        f"A threshold on the log odds of the best keyword. Misses: keyword clips that are not heard as their keyword; "
        f"false alarms: of the {plural(negatives, 'clip')} of other words and silence. First seed."
    )
    misses, hits = _det_chart(spotting, colours), _roc_chart(spotting, colours)
    return tag(
        "div",
        tag("h3", "Detection"),
        tag("p", told, class_="muted"),
        tag(
            "div",
            tag("figure", tag("figcaption", "Misses against false alarms (DET)"), misses, class_="card"),
            tag("figure", tag("figcaption", "Hits against false alarms (ROC)"), hits, class_="card"),
            _equal_errors([row for row, _ in spotting], colours),
            class_="charts wide",
        ),
    )


def _det_chart(spotting: Sequence[tuple[Row, Detection]], colours: dict[str, int]) -> Markup:
    x, y = _det_axis(62, _WIDTH - 20), _det_axis(_HEIGHT - 46, 14)
    ticks = [(float(ndtri(rate)), f"{100 * rate:g}") for rate in _RATES]
    grid = [[grid_x(at, x, y, text), grid_y(at, x, y, text)] for at, text in ticks]
    lines = [_line(row, found, *found.overall.deviates, x, y, colours[row.name]) for row, found in spotting]
    return _chart("misses", spotting, colours, x, y, grid, lines)


def _roc_chart(spotting: Sequence[tuple[Row, Detection]], colours: dict[str, int]) -> Markup:
    x, y = Axis(0, _ROC[0], 62, _WIDTH - 20), Axis(_ROC[1], 1, _HEIGHT - 46, 14)
    grid = [
        [grid_x(at, x, y, f"{100 * at:g}") for at in nice_ticks(x.low, x.high)],
        [grid_y(at, x, y, f"{100 * at:g}") for at in nice_ticks(y.low, y.high)],
    ]
    lines = [
        _line(row, found, found.overall.false_alarm, 1 - found.overall.false_rejection, x, y, colours[row.name])
        for row, found in spotting
    ]
    return _chart("hits", spotting, colours, x, y, grid, lines)


def _chart(
    what: str, spotting: Sequence[tuple[Row, Detection]], colours: dict[str, int], x: Axis, y: Axis,
    grid: Sequence[object], lines: list[Markup],
) -> Markup:  # fmt: skip
    """The frame of both charts: ``what`` is "misses" or "hits"."""
    places, height = _key_places(len(spotting), 72 if what == "misses" else _WIDTH - 200, y.start)
    ends = "; ".join(f"{row.name}: equal error {percent(found.overall.equal_error)} %" for row, found in spotting)
    return tag(
        "svg",
        tag("title", f"{what.capitalize()} against false alarms. {ends}."),
        grid,
        tag("text", "false alarms, % of the clips that are no keyword", x=(x.start + x.stop) / 2, y=_HEIGHT - 6,
            text_anchor="middle", class_="axis"),
        tag("text", f"{what}, % of keyword clips", x=14, y=(y.start + y.stop) / 2, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 14 {(y.start + y.stop) / 2:.0f})"),
        lines,
        [_key(row, colours[row.name], *place) for (row, _), place in zip(spotting, places, strict=True)],
        viewBox=f"0 0 {_WIDTH} {height}", class_="chart", role="img",
    )  # fmt: skip


def _key_places(n: int, left: float, bottom: float) -> tuple[list[tuple[float, float]], int]:
    """Where each of ``n`` names stands, and how high the figure is with them.

    In a lower corner, from ``left`` on, where few lines come; below the axes in two columns where they are too many.
    """
    if n <= _MOST_INSIDE:
        return [(left, bottom - 12 - 18 * i) for i in reversed(range(n))], _HEIGHT
    rows = math.ceil(n / 2)
    return [(62 + 250 * (i // rows), _HEIGHT + 16 + 18 * (i % rows)) for i in range(n)], _HEIGHT + 18 * rows + 8


def _key(row: Row, colour: int, x: float, y: float) -> Markup:
    line = tag("line", x1=x, x2=x + 22, y1=y - 4.5, y2=y - 4.5, class_=f"curve {line_look(colour)}")
    return tag("g", line, tag("text", row.name, x=x + 28, y=y, class_="name"))


def _det_axis(start: float, stop: float) -> Axis:
    return Axis(float(ndtri(_RATES[0])), float(ndtri(_RATES[-1])), start, stop)


def _line(
    row: Row, found: Detection, alarm: np.ndarray, other: np.ndarray, x: Axis, y: Axis, colour: int
) -> Markup:  # fmt: skip
    """A curve, ``other`` against ``alarm`` (points,), as far as it lies within the axes."""
    inside = (alarm >= x.low) & (alarm <= x.high) & (other >= y.low) & (other <= y.high)
    points = [(x.at(float(a)), y.at(float(b))) for a, b in zip(alarm[inside], other[inside], strict=True)]
    kept = [p for i, p in enumerate(points) if i == 0 or math.dist(p, points[i - 1]) > 0.3]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in kept)
    told = tag("title", f"{row.name}: equal error {percent(found.overall.equal_error)} %")
    return tag("polyline", told, points=line, class_=f"curve {line_look(colour)}")


def _equal_errors(rows: Sequence[Row], colours: dict[str, int]) -> Markup:
    keywords = list(dict.fromkeys(keyword for row in rows for keyword, _ in curves_of(row)))
    heads = [tag("th", keyword, scope="col", class_="number") for keyword in keywords]
    lines = []
    for row in rows:
        found = {keyword: curve.equal_error for keyword, curve in curves_of(row)}
        cells = [tag("td", percent(found.get(keyword)), class_="number") for keyword in keywords]
        name = row_name(row, colours[row.name])
        lines.append(tag("tr", tag("th", name, scope="row"), cells))
    head = tag("tr", tag("th", "Model", scope="col"), heads)
    table = tag("table", tag("caption", "Equal error rate of each keyword, %"), tag("thead", head), tag("tbody", lines))
    return scrolling("Equal error rates", table)
