"""Small drawings in inline SVG: intervals, accuracy against cost, learning curves. The page's style has the colours."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kwsbench.pages.markup import Markup, tag
from kwsbench.wording import amount, measure, percent, with_interval

COLOURS = 8  # classes c0 to c7 of the page's style
_DOT = 5.5  # radius of a point in a chart
_EASY = 10  # points that have room for their names; more make a chart higher
_LETTER = 8.2  # width of a letter of a name
_PLACES = (-6, 4, 14, -19, 27, -32, 40)  # of names, in pixels below the middle of their points, the nearest first
STROKES = ("", " dashed", " long")  # when all colours are taken they come again, dotted, then dashed


def line_look(number: int) -> str:
    """The classes of the line of model ``number``, and of its key: 24 that differ."""
    return f"c{number % COLOURS}{STROKES[number // COLOURS % len(STROKES)]}"


class Axis(NamedTuple):
    """Values ``low`` to ``high`` on pixels ``start`` to ``stop``, linear or by powers of ten."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, x = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.stop - self.start) * (x - low) / (high - low)


@dataclass(frozen=True)
class Point:
    """A model in a chart: ``cost`` on x, accuracy with its interval (NaN: none) on y, all shares in 0..1.

    ``colour`` is its number, see ``line_look``.
    """

    name: str
    colour: int
    cost: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """A quantity over the steps of a fit, or another; NaN where a step has no value.

    ``colour`` is a number, see ``line_look``; ``dashed`` tells it from another of that colour. ``lows`` and ``highs``
    are limits of each value, NaN where it has none.
    """

    name: str
    colour: int
    xs: Sequence[float]
    ys: Sequence[float]
    dashed: bool = False
    lows: Sequence[float] = ()
    highs: Sequence[float] = ()


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most ``most`` round numbers (1, 2, 5 times a power of ten apart) within ``low`` to ``high``."""
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [i * step for i in range(first, last + 1)]


INTERVAL_SIZE = (240, 30)


def interval_axis(rows: Sequence[tuple[float, float, float]]) -> Axis:
    """The axis that the intervals of a table share, in steps of 5 %.

    It is drawn for the rows that are at least half as good as the best, so that a floor among them does not press the
    others together; ``interval_bar`` points to what lies below it.

    Parameters
    ----------
    rows : accuracy, low, high of each; NaN limits where there is no interval.
    """
    best = max((accuracy for accuracy, _, _ in rows), default=1.0)
    shown = [value for row in rows if row[0] >= best / 2 for value in row if math.isfinite(value)] or [0.0, 1.0]
    low = math.floor(min(shown) * 20 - 0.2) / 20
    high = math.ceil(max(shown) * 20 + 0.2) / 20
    return Axis(max(low, 0.0), min(high, 1.0), 14, INTERVAL_SIZE[0] - 16)


def interval_scale(axis: Axis) -> Markup:
    """The axis above a column of intervals, in percent."""
    width, height = INTERVAL_SIZE
    ticks = [
        tag("text", f"{100 * value:.3g}", x=axis.at(value), y=height - 7, text_anchor="middle", class_="tick")
        for value in nice_ticks(axis.low, axis.high)
    ]
    return tag("svg", ticks, viewBox=f"0 0 {width} {height}", width=width, height=height, aria_hidden="true")


def interval_bar(axis: Axis, accuracy: float, low: float, high: float, colour: int) -> Markup:
    """A value with its interval; says its numbers to who cannot see it."""
    width, height = INTERVAL_SIZE
    middle = height / 2
    grid = [
        tag("line", x1=axis.at(v), x2=axis.at(v), y1=0, y2=height, class_="grid")
        for v in nice_ticks(axis.low, axis.high)
    ]
    if accuracy < axis.low:
        marks = [tag("path", d=f"M2 {middle} l9 -5 v10 z", class_="dot")]
    else:
        marks = [tag("rect", x=axis.at(accuracy) - 1.5, y=middle - 9, width=3, height=18, rx=1.5, class_="value")]
        if math.isfinite(low):
            left, right = axis.at(max(low, axis.low)), axis.at(high)
            whisker = tag("rect", x=left, y=middle - 5, width=max(right - left, 1), height=10, rx=3, class_="whisker")
            marks.insert(0, whisker)
    return tag(
        "svg",
        tag("title", f"accuracy {with_interval(accuracy, low, high)} %"),
        grid,
        tag("g", marks, class_=f"c{colour % COLOURS}"),
        viewBox=f"0 0 {width} {height}", width=width, height=height, role="img",
    )  # fmt: skip


def cost_chart(points: Sequence[Point], x_title: str, word: Callable[[float], str]) -> Markup:
    """Accuracy against cost on a logarithmic axis, points named where there is room; ``word`` writes a cost."""

    def marks(x: Axis, y: Axis) -> list[Markup]:
        labels = _labels(points, x, y)
        named = [_cost_point(p, x, y, word, _name_at(p, label)) for p, label in zip(points, labels, strict=True)]
        return [*_front(points, x, y), *named]

    named = "; ".join(f"{p.name}: {percent(p.accuracy)} % at {word(p.cost)}" for p in points)
    return _chart(points, x_title, word, named, marks)


def line_chart(lines: Sequence[Sequence[Point]], x_title: str, word: Callable[[float], str]) -> Markup:
    """Accuracy against cost on a logarithmic axis, the points of each line joined; for a legend beside it."""

    def marks(x: Axis, y: Axis) -> list[Markup]:
        found = []
        for number, line in enumerate(lines):
            # whiskers of several lines at one cost stand side by side
            shifted = x._replace(start=x.start + 4 * number, stop=x.stop + 4 * number)
            path = " ".join(f"{shifted.at(p.cost):.1f},{y.at(p.accuracy):.1f}" for p in line)
            drawn = tag("polyline", points=path, class_=f"curve {line_look(line[0].colour)}")
            found.append(tag("g", drawn, [_cost_point(p, shifted, y, word) for p in line]))
        return found

    named = "; ".join(
        f"{line[0].name}: {', '.join(f'{percent(p.accuracy)} % at {word(p.cost)}' for p in line)}" for line in lines
    )
    return _chart([p for line in lines for p in line], x_title, word, named, marks)


def _chart(
    points: Sequence[Point], x_title: str, word: Callable[[float], str], named: str,
    marks: Callable[[Axis, Axis], list[Markup]],
) -> Markup:  # fmt: skip
    """The frame of accuracies against costs; ``named`` tells the numbers, ``marks`` draws them on the axes."""
    width, height = 560, 320 + 8 * max(len(points) - _EASY, 0)
    limits = [v for p in points for v in (p.accuracy, p.low, p.high) if math.isfinite(v)]
    pad = max(0.06 * (max(limits) - min(limits)), 0.005)
    y = Axis(max(min(limits) - pad, 0), min(max(limits) + pad, 1), height - 46, 14)
    costs = [p.cost for p in points]
    x = Axis(min(costs) / 1.8, max(costs) * 1.8, 58, width - 20, log=True)
    return tag(
        "svg",
        tag("title", f"Accuracy against {x_title}. {named}."),
        [grid_x(value, x, y, word(value)) for value in powers(x.low, x.high)],
        [grid_y(value, x, y, f"{100 * value:.4g}") for value in nice_ticks(y.low, y.high, 6)],
        tag("text", x_title, x=(x.start + x.stop) / 2, y=height - 6, text_anchor="middle", class_="axis"),
        tag("text", "accuracy %", x=14, y=(y.start + y.stop) / 2, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 14 {(y.start + y.stop) / 2:.0f})"),
        marks(x, y),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def _front(points: Sequence[Point], x: Axis, y: Axis) -> list[Markup]:
    """A line through the points that no other beats in both cost and accuracy (Pareto), where there are several."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    line = " ".join(f"{x.at(p.cost):.1f},{y.at(p.accuracy):.1f}" for p in front)
    return [tag("polyline", points=line, class_="front")] if len(front) > 1 else []


def powers(low: float, high: float) -> list[float]:
    """Powers of ten within the limits; with their 3s, or their 2s and 5s, where they alone would be too few."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        inside = [v for e in exponents for digit in digits if low <= (v := digit * 10.0**e) <= high]
        if len(inside) >= 3:
            break
    return inside


def _labels(points: Sequence[Point], x: Axis, y: Axis) -> list[tuple[float, float, str] | None]:
    """Where each name stands (x, y, anchor): the nearest place by its point that covers neither a dot nor a name.

    None where all places are taken; the best are named first.
    """
    at = [(x.at(p.cost), y.at(p.accuracy)) for p in points]
    taken = [(px - _DOT, py - _DOT, px + _DOT, py + _DOT) for px, py in at]
    found: list[tuple[float, float, str] | None] = [None] * len(points)
    for i in sorted(range(len(points)), key=lambda i: -points[i].accuracy):
        (px, py), length = at[i], _LETTER * len(points[i].name)
        for down, anchor in itertools.product(_PLACES, ("start", "end")):
            begin = px + 10 if anchor == "start" else px - 10 - length
            box = (begin, py + down - 10, begin + length, py + down + 3)
            inside = x.start <= box[0] and box[2] <= x.stop + 8 and y.stop - 8 <= box[1] and box[3] <= y.start
            if inside and not any(_overlap(box, other) for k, other in enumerate(taken) if k != i):
                taken.append(box)
                found[i] = (begin if anchor == "start" else px - 10, py + down, anchor)
                break
    return found


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes (left, top, right, bottom) have something in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _name_at(point: Point, label: tuple[float, float, str] | None) -> Markup | None:
    if label is None:
        return None
    return tag("text", point.name, x=label[0], y=label[1], text_anchor=label[2], class_="name")


def _cost_point(point: Point, x: Axis, y: Axis, word: Callable[[float], str], name: Markup | None = None) -> Markup:
    px, py = x.at(point.cost), y.at(point.accuracy)
    accuracy = with_interval(point.accuracy, point.low, point.high)
    told = tag("title", f"{point.name}: {accuracy} % at {word(point.cost)}")
    line = None
    if math.isfinite(point.low):
        line = tag("line", x1=px, x2=px, y1=y.at(point.low), y2=y.at(point.high), class_="error")
    dot = tag("circle", cx=px, cy=py, r=_DOT, class_="dot")
    return tag("g", told, line, dot, name, class_=f"c{point.colour % COLOURS}")


def grid_x(value: float, x: Axis, y: Axis, text: str) -> list[Markup]:
    """A line of the grid at a value of x, and its text below."""
    at = x.at(value)
    line = tag("line", x1=at, x2=at, y1=y.start, y2=y.stop, class_="grid")
    return [line, tag("text", text, x=at, y=y.start + 15, text_anchor="middle", class_="tick")]


def grid_y(value: float, x: Axis, y: Axis, text: str) -> list[Markup]:
    """A line of the grid at a value of y, and its text on the left."""
    at = y.at(value)
    line = tag("line", x1=x.start, x2=x.stop, y1=at, y2=at, class_="grid")
    return [line, tag("text", text, x=x.start - 6, y=at + 4, text_anchor="end", class_="tick")]


def curve_panel(title: str, curves: Sequence[Curve], x_title: str, best: float | None) -> Markup:
    """Curves over the steps of a fit; ``best``, if given, marks the step that was kept."""
    width, height = 340, 200
    xs = [v for curve in curves for v in curve.xs]
    ys = [v for curve in curves for v in curve.ys if math.isfinite(v)]
    pad = 0.05 * (max(ys) - min(ys)) or 0.05 * abs(ys[0]) or 0.05
    y = Axis(min(ys) - pad, max(ys) + pad, height - 40, 14)
    x = Axis(min(xs), max(max(xs), min(xs) + 1), 50, width - 10)
    whole = [v for v in nice_ticks(x.low, x.high, 7) if v == round(v)]
    kept = None
    if best is not None:
        left = x.at(best) > width / 2
        where = {"x": x.at(best) + (-4 if left else 4), "y": y.stop + 9, "text_anchor": "end" if left else "start"}
        line = tag("line", x1=x.at(best), x2=x.at(best), y1=y.start, y2=y.stop - 4, class_="kept")
        kept = [line, tag("text", "kept", class_="tick", **where)]
    ends = "; ".join(
        f"{c.name}: {measure(_first(c.ys))} to {measure(_first(list(c.ys)[::-1]))}" for c in curves[:COLOURS]
    )
    return tag(
        "svg",
        tag("title", f"{title} over {x_title}s. {ends}"),
        [grid_x(v, x, y, f"{v:.0f}") for v in whole],
        [grid_y(v, x, y, _tick(v)) for v in nice_ticks(y.low, y.high)],
        kept,
        [_curve(curve, x, y) for curve in curves],
        tag("text", x_title, x=(x.start + x.stop) / 2, y=height - 6, text_anchor="middle", class_="axis"),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def level_panel(title: str, curves: Sequence[Curve], x_title: str) -> Markup:
    """Accuracies, shares in 0..1 on the whole of that axis, over the levels of a corruption, with their intervals."""
    width, height = 340, 240
    xs = [v for curve in curves for v in curve.xs]
    y = Axis(0, 1, height - 40, 14)
    x = Axis(min(xs), max(max(xs), min(xs) + 1), 50, width - 12)
    told = "; ".join(
        f"{c.name}: {', '.join(f'{percent(b)} % at {a:g}' for a, b in zip(c.xs, c.ys, strict=True))}" for c in curves
    )
    return tag(
        "svg",
        tag("title", f"Accuracy in {title} over {x_title}. {told}."),
        [grid_x(v, x, y, f"{v:g}".replace("-", "−")) for v in nice_ticks(x.low, x.high, 7)],
        [grid_y(v, x, y, f"{100 * v:.0f}") for v in nice_ticks(y.low, y.high)],
        [_limits(curve, x, y) for curve in curves],
        [_curve(curve, x, y) for curve in curves],
        tag("text", x_title, x=(x.start + x.stop) / 2, y=height - 6, text_anchor="middle", class_="axis"),
        tag("text", "accuracy %", x=14, y=(y.start + y.stop) / 2, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 14 {(y.start + y.stop) / 2:.0f})"),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def _limits(curve: Curve, x: Axis, y: Axis) -> Markup:
    limits = zip(curve.xs, curve.lows, curve.highs, strict=True)
    lines = [
        tag("line", x1=x.at(a), x2=x.at(a), y1=y.at(low), y2=y.at(high), class_="error")
        for a, low, high in limits
        if math.isfinite(low)
    ]
    return tag("g", lines, class_=f"c{curve.colour % COLOURS}")


def _tick(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e4 else amount(value) if value > 0 else f"−{amount(-value)}"


def _first(values: Sequence[float]) -> float:
    return next((v for v in values if math.isfinite(v)), math.nan)


def _curve(curve: Curve, x: Axis, y: Axis) -> Markup:
    points = [(x.at(a), y.at(b)) for a, b in zip(curve.xs, curve.ys, strict=True) if math.isfinite(b)]
    told = tag("title", curve.name)
    if len(points) == 1:
        return tag("circle", told, cx=points[0][0], cy=points[0][1], r=3, class_=f"dot c{curve.colour % COLOURS}")
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    look = f"c{curve.colour % COLOURS} dashed" if curve.dashed else line_look(curve.colour)
    return tag("polyline", told, points=path, class_=f"curve {look}")
