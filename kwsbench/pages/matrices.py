"""Matrices of named rows and columns as pictures, with a scale below."""

import base64
from collections.abc import Sequence

import numpy as np

from kwsbench.pages.figures import Axis, nice_ticks
from kwsbench.pages.images import png
from kwsbench.pages.markup import Markup, tag
from kwsbench.pages.names import short
from kwsbench.wording import measure

WIDTH, SCALE = 520, 62  # of the drawing, and what is below the picture, in pixels
LEFT, TOP, RIGHT = 92, 92, 14


def matrix_panel(
    title: str, matrix: np.ndarray, names: Sequence[str], scale_title: str, limits: tuple[float, float]
) -> Markup:
    """A square matrix, the first row on top, names on the left and above.

    Parameters
    ----------
    title : told to who cannot see it.
    matrix : float (n, n).
    names : of rows and of columns.
    scale_title : of the values, with their unit.
    limits : values of the darkest and the lightest colour.
    """
    low, high = limits if limits[1] > limits[0] else (limits[0] - 1, limits[0])
    side = WIDTH - LEFT - RIGHT
    cell, bottom = side / len(names), TOP + side
    rows = [
        tag("text", short(name), x=LEFT - 8, y=TOP + cell * (i + 0.5) + 4, text_anchor="end", class_="tick")
        for i, name in enumerate(names)
    ]
    columns = []
    for i, name in enumerate(names):
        x = LEFT + cell * (i + 0.5) + 4
        columns.append(tag("text", short(name), class_="tick", transform=f"translate({x:.1f} {TOP - 6}) rotate(-90)"))
    scale = Axis(low, high, LEFT, LEFT + side)
    ticks = [
        tag("text", measure(v).replace("-", "−"), x=scale.at(v), y=bottom + 34, text_anchor="middle", class_="tick")
        for v in nice_ticks(low, high)
    ]
    return tag(
        "svg",
        tag("title", title),
        rows,
        columns,
        _picture(matrix[::-1], limits=(low, high), at=(LEFT, TOP, side, side)),
        _picture(np.linspace(low, high, 128)[None, :], limits=(low, high), at=(LEFT, bottom + 12, side, 8)),
        ticks,
        tag("text", scale_title, x=LEFT + side / 2, y=bottom + 54, text_anchor="middle", class_="axis"),
        viewBox=f"0 0 {WIDTH} {bottom + SCALE}", class_="chart", role="img",
    )  # fmt: skip


def _picture(matrix: np.ndarray, limits: tuple[float, float], at: tuple[float, float, float, float]) -> Markup:
    coded = base64.b64encode(png(matrix, *limits)).decode()
    x, y, width, height = at
    return tag("image", href=f"data:image/png;base64,{coded}", x=x, y=y, width=width, height=height,
               preserveAspectRatio="none", style="image-rendering: pixelated")  # fmt: skip
