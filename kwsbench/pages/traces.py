"""Waves, spectra and borders: lines over time or frequency with units on both axes, in inline SVG."""

import math
from collections.abc import Sequence

import numpy as np

from kwsbench.pages.figures import COLOURS, Axis, Curve, grid_x, grid_y, nice_ticks
from kwsbench.pages.images import heat_axes
from kwsbench.pages.markup import Markup, tag

LEAST_HEIGHT = 0.8  # pixels of a wave, so that silence is seen as a line


def envelope(samples: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest value of each of at most ``columns`` equal stretches: float64 (m,) twice."""
    m = min(columns, len(samples))
    starts = np.arange(m) * len(samples) // max(m, 1)
    if not m:
        return np.zeros(0), np.zeros(0)
    return np.minimum.reduceat(samples, starts).astype(float), np.maximum.reduceat(samples, starts).astype(float)


def wave_panel(
    title: str,
    samples: np.ndarray,
    rate: int,
    *,
    size: tuple[int, int] = (340, 200),
    over: Sequence[Markup] = (),
) -> Markup:
    """A recording as a band from the least to the largest sample of each pixel's stretch of time.

    Parameters
    ----------
    title : told to who cannot see it.
    samples : float (n,), full scale 1, at ``rate`` Hz.
    size : of the drawing in pixels.
    over : drawn on top; axes as ``heat_axes`` has them, seconds across.
    """
    across, _ = heat_axes((0, max(len(samples), 1) / rate), (-1, 1), size)
    lows, highs = envelope(samples, int(across.stop - across.start))
    reach = max(float(np.abs(samples).max(initial=0.0)) * 1.05, 0.001)
    _, up = heat_axes((0, 1), (-reach, reach), size)
    xs = np.linspace(across.start, across.stop, len(lows))
    tops, bottoms = (np.array([up.at(v) for v in values]) for values in (highs, lows))
    bottoms = np.maximum(bottoms, tops + LEAST_HEIGHT)
    there = [f"{x:.0f},{y:.1f}" for x, y in zip(xs, tops, strict=True)]
    back = [f"{x:.0f},{y:.1f}" for x, y in zip(xs[::-1], bottoms[::-1], strict=True)]
    band = tag("polygon", points=" ".join(there + back), class_="value")
    return _framed(title, across, up, "seconds", "amplitude", size, [tag("g", band, class_="c0"), *over])


def line_panel(
    title: str,
    curves: Sequence[Curve],
    x_title: str,
    y_title: str,
    *,
    size: tuple[int, int] = (560, 280),
    y_limits: tuple[float, float] | None = None,
) -> Markup:
    """Curves over a quantity, with units on both axes.

    Parameters
    ----------
    title : told to who cannot see it.
    curves : of one drawing; NaN is left out.
    x_title, y_title : with units, such as "Hz" and "dB".
    y_limits : default: what the curves reach.
    """
    xs = [v for curve in curves for v in curve.xs]
    ys = [v for curve in curves for v in curve.ys if math.isfinite(v)] or [0.0, 1.0]
    pad = 0.05 * (max(ys) - min(ys)) or 0.5
    low, high = y_limits or (min(ys) - pad, max(ys) + pad)
    across = Axis(min(xs), max(max(xs), min(xs) + 1e-9), 62, size[0] - 24)
    up = Axis(low, high, size[1] - 40, 14)
    return _framed(title, across, up, x_title, y_title, size, [_line(curve, across, up) for curve in curves])


def border(at: float, y: Axis, *, dashed: bool = False, on_picture: bool = True) -> Markup:
    """An upright line at pixel ``at``; on a picture it can be seen on dark and on light."""
    place = {"x1": at, "x2": at, "y1": y.start, "y2": y.stop}
    dash = "5 4" if dashed else "none"
    if not on_picture:
        return tag("line", **place, class_="kept", style=f"stroke-dasharray: {dash}; stroke-width: 1.5")
    # the page's classes follow light and dark, a picture does not: colours of its own, light on a dark rim
    under = tag("line", **place, stroke="#0d0e28", stroke_width=3, opacity=0.55)
    line = tag("line", **place, stroke="#fff", stroke_width=1.3, stroke_dasharray=dash)
    return tag("g", under, line)


def over_picture(text: str, x: float, y: float, anchor: str = "start") -> Markup:
    """Words that can be read on dark and on light."""
    rim = "paint-order: stroke; stroke: #0d0e28; stroke-width: 3px; stroke-linejoin: round; font-size: 11px"
    return tag("text", text, x=x, y=y, text_anchor=anchor, fill="#fff", style=rim)


def _line(curve: Curve, x: Axis, y: Axis) -> Markup:
    points = [
        f"{x.at(a):.1f},{y.at(min(max(b, y.low), y.high)):.1f}"
        for a, b in zip(curve.xs, curve.ys, strict=True)
        if math.isfinite(b)
    ]
    look = f"curve c{curve.colour % COLOURS}{' dashed' if curve.dashed else ''}"
    return tag("polyline", points=" ".join(points), class_=look)


def _framed(
    title: str, x: Axis, y: Axis, x_title: str, y_title: str, size: tuple[int, int], drawn: Sequence[Markup]
) -> Markup:
    width, height = size
    middle = (y.start + y.stop) / 2
    return tag(
        "svg",
        tag("title", title),
        [grid_x(v, x, y, f"{v:,.12g}") for v in nice_ticks(x.low, x.high, 6)],
        [grid_y(v, x, y, f"{v:.3g}".replace("-", "−")) for v in nice_ticks(y.low, y.high)],
        list(drawn),
        tag("text", x_title, x=(x.start + x.stop) / 2, y=height - 6, text_anchor="middle", class_="axis"),
        tag("text", y_title, x=12, y=middle, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 12 {middle:.0f})"),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip
