"""Matrices as pictures: spectrograms and the like, with axes, in inline SVG around a PNG."""

import base64
from collections.abc import Sequence
from io import BytesIO

import numpy as np

from kwsbench.pages.figures import Axis, grid_x, grid_y, nice_ticks
from kwsbench.pages.markup import Markup, tag

# lightness rises evenly, so that it reads without colour too: night, blue, teal, sand, paper
_STOPS = np.array([(13, 14, 40), (38, 58, 122), (28, 122, 138), (160, 176, 120), (250, 243, 214)], float)


def png(matrix: np.ndarray, low: float | None = None, high: float | None = None) -> bytes:
    """A PNG, a pixel an element, the first row at the bottom, dark to light.

    Parameters
    ----------
    matrix : float (rows, columns); NaN is drawn as ``low``.
    low, high : values of the darkest and the lightest colour; default: least and largest of the finite ones.
    """
    from PIL import Image

    values = np.asarray(matrix, float)
    finite = values[np.isfinite(values)]
    ends = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    least, most = ends[0] if low is None else low, ends[1] if high is None else high
    share = np.clip((np.nan_to_num(values, nan=least, posinf=most, neginf=least) - least) / ((most - least) or 1), 0, 1)
    table = np.stack([np.interp(np.linspace(0, 4, 256), np.arange(5), _STOPS[:, c]) for c in range(3)], axis=1)
    picture = Image.fromarray(np.rint(share[::-1] * 255).astype(np.uint8), mode="P")
    picture.putpalette(np.rint(table).astype(np.uint8).tobytes())
    kept = BytesIO()
    picture.save(kept, "PNG", optimize=True)
    return kept.getvalue()


def heat_panel(
    title: str,
    matrix: np.ndarray,
    x: tuple[float, float, str],
    y: tuple[float, float, str],
    *,
    limits: tuple[float, float] | None = None,
    size: tuple[int, int] = (340, 200),
    over: tuple[Markup, ...] | list[Markup] = (),
    y_ticks: Sequence[tuple[float, str]] | None = None,
) -> Markup:
    """A matrix as a picture with axes.

    Parameters
    ----------
    title : told to who cannot see it.
    matrix : float (rows, columns), the first row at the bottom.
    x, y : first value, last value and title with its unit of either axis, such as ``(0, 1, "s")``.
    limits : values of the darkest and the lightest colour.
    size : of the drawing in pixels.
    over : drawn on top; the picture spans pixels 50 to width − 10 and 14 to height − 40, see ``heat_axes``.
    y_ticks : values of y and what is written beside them; default: round numbers. For axes that are not linear in what
        they tell, such as Hz on a mel scale.
    """
    width, height = size
    across, up = heat_axes(x[:2], y[:2], size)
    marks = [(v, f"{v:g}") for v in nice_ticks(y[0], y[1])] if y_ticks is None else y_ticks
    picture = base64.b64encode(png(matrix, *(limits or (None, None)))).decode()
    return tag(
        "svg",
        tag("title", title),
        [grid_x(v, across, up, f"{v:g}") for v in nice_ticks(x[0], x[1])],
        [grid_y(v, across, up, text) for v, text in marks],
        tag("image", href=f"data:image/png;base64,{picture}", x=across.start, y=up.stop,
            width=across.stop - across.start, height=up.start - up.stop, preserveAspectRatio="none",
            style="image-rendering: pixelated"),
        list(over),
        tag("text", x[2], x=(across.start + across.stop) / 2, y=height - 6, text_anchor="middle", class_="axis"),
        tag("text", y[2], x=12, y=(up.start + up.stop) / 2, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 12 {(up.start + up.stop) / 2:.0f})"),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def heat_axes(x: tuple[float, float], y: tuple[float, float], size: tuple[int, int] = (340, 200)) -> tuple[Axis, Axis]:
    """Where values lie in a ``heat_panel`` of that size, for what is drawn over it."""
    width, height = size
    return Axis(x[0], x[1], 50, width - 10), Axis(y[0], y[1], height - 40, 14)
