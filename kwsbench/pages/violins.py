"""Violins: how values are spread in each of many groups, a row a group, names on the left."""

from collections.abc import Sequence

import numpy as np

from kwsbench.pages.figures import Axis, grid_x, nice_ticks
from kwsbench.pages.markup import Markup, tag
from kwsbench.pages.names import short
from kwsbench.wording import measure

WIDTH, LEFT, ROW, TOP, BOTTOM = 520, 92, 19, 8, 44
POINTS = 40  # of an outline


def violins(
    title: str, groups: Sequence[tuple[str, np.ndarray]], x_title: str, limits: tuple[float, float], colour: int = 0
) -> Markup:
    """Mirrored kernel densities (Gaussian, Scott's bandwidth) each as wide as its row, with quartiles and median.

    Parameters
    ----------
    title : told to who cannot see it, with the medians.
    groups : name and values (n,) of each, from the top; without values a row stays empty.
    x_title : with the unit.
    limits : of the axis; outlines are cut there.
    colour : class of the page's style, 0 to 7.
    """
    height = TOP + ROW * len(groups) + BOTTOM
    x, y = Axis(*limits, LEFT, WIDTH - 14), Axis(0, 1, height - BOTTOM, TOP)
    outlines = [_outline(values, limits) for _, values in groups]
    rows: list[Markup | list[Markup]] = []
    for number, ((name, values), (at, density)) in enumerate(zip(groups, outlines, strict=True)):
        middle = TOP + ROW * (number + 0.5)
        rows.append(tag("text", short(name), x=LEFT - 8, y=middle + 4, text_anchor="end", class_="tick"))
        if len(values):
            rows.append(_violin(values, at, density, x, middle))
    told = ", ".join(f"{name} {_signed(float(np.median(values)))}" for name, values in groups if len(values))
    return tag(
        "svg",
        tag("title", f"{title}. Medians: {told}."),
        [grid_x(v, x, y, _signed(v)) for v in nice_ticks(*limits, 7)],
        tag("g", rows, class_=f"c{colour}"),
        tag("text", x_title, x=(x.start + x.stop) / 2, y=height - 8, text_anchor="middle", class_="axis"),
        viewBox=f"0 0 {WIDTH} {height}", class_="chart", role="img",
    )  # fmt: skip


def _outline(values: np.ndarray, limits: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Where, and how dense: two (POINTS,) arrays; empty where all values are alike."""
    from scipy.stats import gaussian_kde

    low, high = (float(np.min(values)), float(np.max(values))) if len(values) else (0.0, 0.0)
    if high - low < 1e-6 * (limits[1] - limits[0]):
        return np.zeros(0), np.zeros(0)
    at = np.linspace(max(low, limits[0]), min(high, limits[1]), POINTS)
    return at, gaussian_kde(values)(at)


def _violin(values: np.ndarray, at: np.ndarray, density: np.ndarray, x: Axis, middle: float) -> list[Markup]:
    half = 0.47 * ROW * density / density.max(initial=1e-300)
    there = [f"{x.at(v):.1f} {middle - h:.1f}" for v, h in zip(at, half, strict=True)]
    back = [f"{x.at(v):.1f} {middle + h:.1f}" for v, h in zip(at[::-1], half[::-1], strict=True)]
    low, median, high = (x.at(float(np.clip(q, x.low, x.high))) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    area = [tag("path", d=f"M{'L'.join(there + back)}Z", class_="whisker")] if there else []
    return [
        *area,
        tag("line", x1=low, x2=high, y1=middle, y2=middle, class_="error"),
        tag("circle", cx=median, cy=middle, r=3.2, class_="dot"),
    ]


def _signed(value: float) -> str:
    return measure(value).replace("-", "−")
