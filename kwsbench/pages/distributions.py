"""How values are spread: bars of counts, histograms, distribution functions, points in a plane; in inline SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kwsbench.pages.figures import COLOURS, Axis, grid_x, grid_y, nice_ticks, powers
from kwsbench.pages.markup import Markup, tag
from kwsbench.wording import amount, count

SIZE = (340, 200)
BINS = 40


@dataclass(frozen=True)
class Sample:
    """Values with a name and a colour of the page's style (0 to 7)."""

    name: str
    colour: int
    values: np.ndarray


def bars(title: str, names: Sequence[str], values: Sequence[float], y_title: str) -> Markup:
    """A bar a name, its name written up the side; ``title`` is told to who cannot see it."""
    width, height, foot = 1100, 300, 24 + 5 * max(map(len, names))
    y = Axis(0, max(*values, 1) * 1.05, height - foot, 14)
    left, step = 66, (width - 76) / len(names)
    drawn = []
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        middle = left + (i + 0.5) * step
        top = y.at(value)
        drawn.append(
            tag("g",
                tag("rect", tag("title", f"{name}: {count(value)}"), x=middle - 0.4 * step, width=0.8 * step, y=top,
                    height=max(y.start - top, 1.0), class_="value"),
                tag("text", name, x=middle + 4, y=y.start + 8, text_anchor="end", class_="tick",
                    transform=f"rotate(-60 {middle + 4:.1f} {y.start + 8:.1f})"))
        )  # fmt: skip
    return tag(
        "svg",
        tag("title", title),
        [grid_y(v, Axis(0, 1, left, width - 10), y, amount(v)) for v in nice_ticks(0, y.high)],
        tag("g", drawn, class_="c0"),
        _up(y_title, y),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def histogram(
    title: str, values: np.ndarray, x_title: str, *, log: bool = False, y_title: str = "clips", bins: int = BINS
) -> Markup:
    """Counts of values in bins of one width, or of one ratio where ``log``; values that are no numbers are left out.

    ``log`` needs values above zero.
    """
    width, height = SIZE
    finite = values[np.isfinite(values)]
    low, high = _limits(finite, log)
    edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(finite, edges)
    x = Axis(low, high, 50, width - 12, log)
    y = Axis(0, max(int(counts.max()), 1) * 1.05, height - 40, 14)
    drawn = [
        tag("rect", x=x.at(a), width=max(x.at(b) - x.at(a) - 0.6, 0.6), y=y.at(n), height=y.start - y.at(n))
        for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
        if n
    ]
    quartiles = [number(v) for v in np.quantile(finite, (0, 0.05, 0.5, 0.95, 1))] if len(finite) else []
    told = "least {}, 5 % below {}, half below {}, 95 % below {}, most {}".format(*quartiles) if quartiles else "none"
    return tag(
        "svg",
        tag("title", f"{title}: {told} {x_title}"),
        _ticks(x, y),
        [grid_y(v, x, y, amount(v)) for v in nice_ticks(0, y.high) if v == round(v)],
        tag("g", drawn, class_="value c0"),
        _across(x_title, x, height),
        _up(y_title, y),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def cumulative(title: str, samples: Sequence[Sample], x_title: str) -> Markup:
    """The share of each sample's values that lie below, over the middle 99 % of all of them."""
    width, height = SIZE
    finite = [sample.values[np.isfinite(sample.values)] for sample in samples]
    together = np.concatenate(finite)
    low, high = _limits(np.quantile(together, (0.005, 0.995)) if len(together) else together, False)
    x, y = Axis(low, high, 50, width - 12), Axis(0, 1, height - 40, 14)
    shares = np.linspace(0, 1, 101)
    lines, told = [], []
    for sample, values in zip(samples, finite, strict=True):
        if not len(values):
            continue
        at = np.clip(np.quantile(values, shares), low, high)
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in zip(at, shares, strict=True))
        lines.append(tag("polyline", points=path, class_=f"curve c{sample.colour % COLOURS}"))
        told.append(f"{sample.name}: half below {number(np.median(values))}")
    return tag(
        "svg",
        tag("title", f"{title}, {x_title}: {'; '.join(told)}"),
        _ticks(x, y),
        [grid_y(v, x, y, f"{100 * v:.0f}") for v in nice_ticks(0, 1)],
        lines,
        _across(x_title, x, height),
        _up("% below", y),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def scatter(
    title: str,
    groups: Sequence[tuple[Sample, np.ndarray]],
    x_title: str,
    y_title: str,
    size: tuple[int, int] = (560, 320),
) -> Markup:
    """Points in a plane; each group is a sample of x with its y, (n,) both."""
    width, height = size
    xs, ys = (np.concatenate(all_of) for all_of in ([s.values for s, _ in groups], [y for _, y in groups]))
    x, y = Axis(*_limits(xs, False), 58, width - 12), Axis(*_limits(ys, False), height - 46, 14)
    drawn = [
        tag("g",
            [tag("circle", cx=f"{x.at(a):.0f}", cy=f"{y.at(b):.0f}", r=2)
             for a, b in zip(sample.values, up, strict=True)],
            class_=f"speck c{sample.colour % COLOURS}")
        for sample, up in groups
    ]  # fmt: skip
    told = "; ".join(
        f"{s.name}: half below {number(np.median(s.values))} and {number(np.median(v))}" for s, v in groups
    )
    return tag(
        "svg",
        tag("title", f"{title}, {x_title} and {y_title}: {told}"),
        _ticks(x, y),
        [grid_y(v, x, y, number(v)) for v in nice_ticks(y.low, y.high)],
        drawn,
        _across(x_title, x, height),
        _up(y_title, y),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def number(value: float) -> str:
    """At most three digits with a true minus: −43.9, 0.98, 8,000."""
    text = count(value) if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def _limits(values: np.ndarray, log: bool) -> tuple[float, float]:
    """Least and most of the values, apart where they are the same."""
    if not len(values):
        return (1.0, 10.0) if log else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if log:
        return (low, high) if high > 1.2 * low else (low / 2, high * 2)
    return (low, high) if high - low > 1e-9 * max(abs(low), abs(high), 1e-300) else (low - 0.5, high + 0.5)


def _ticks(x: Axis, y: Axis) -> list[list[Markup]]:
    at = powers(x.low, x.high) if x.log else nice_ticks(x.low, x.high, 6)
    return [grid_x(v, x, y, number(v) if not math.isclose(v, 0, abs_tol=1e-12) else "0") for v in at]


def _across(text: str, x: Axis, height: int) -> Markup:
    return tag("text", text, x=(x.start + x.stop) / 2, y=height - 6, text_anchor="middle", class_="axis")


def _up(text: str, y: Axis) -> Markup:
    middle = (y.start + y.stop) / 2
    turn = f"rotate(-90 12 {middle:.0f})"
    return tag("text", text, x=12, y=middle, text_anchor="middle", class_="axis", transform=turn)
