"""Many points as drawings: two dimensions in SVG, three to turn and zoom with plotly, where it is installed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from kwsbench.pages.figures import COLOURS, Axis, grid_x, grid_y, nice_ticks
from kwsbench.pages.markup import Markup, tag

_SYMBOLS = ("circle", "square", "diamond", "cross", "x")
GROUPS = COLOURS * len(_SYMBOLS)  # that can be told apart

# colours are read off the page, so that they follow its light or dark palette, and drawn anew when that changes
_DRAW = """(function () {
  const host = document.getElementById(%(id)s), groups = %(groups)s, titles = %(titles)s;
  const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
  function draw() {
    const axis = (title) => ({ title: { text: title }, color: of("--muted"), gridcolor: of("--grid"),
      zerolinecolor: of("--rule"), showbackground: false });
    const traces = groups.map((g) => ({ type: "scatter3d", mode: "markers", name: g.name, x: g.at[0], y: g.at[1],
      z: g.at[2], text: g.names, hovertemplate: "%%{text}<extra>" + g.name + "</extra>", marker: { size: g.size,
      symbol: g.symbol, color: of("--c" + g.colour), opacity: g.ring ? 1 : 0.65, line: { width: 0 } } }));
    const layout = { height: 620, margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)",
      font: { color: of("--ink"), family: "system-ui, sans-serif" }, hoverlabel: { font: { size: 13 } },
      legend: { itemsizing: "constant", font: { size: 12 } },
      scene: { camera: { eye: { x: 1.4, y: 1.4, z: 0.9 } },
        xaxis: axis(titles[0]), yaxis: axis(titles[1]), zaxis: axis(titles[2]) } };
    return Plotly.react(host, traces, layout, { responsive: true, displaylogo: false });
  }
  draw().then(() => host.setAttribute("data-drawn", groups.length));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
"""


@dataclass(frozen=True)
class Cloud:
    """Points of one group: ``at`` three sequences of equal length, ``names`` what each is called.

    ``ring``: drawn as rings, larger, to mark points of other groups.
    """

    name: str
    at: tuple[Sequence[float], Sequence[float], Sequence[float]]
    names: Sequence[str]
    ring: bool = False


def scatter_3d(clouds: Sequence[Cloud], titles: Sequence[str], name: str) -> tuple[Markup, list[str]] | None:
    """Points to turn and zoom, and the scripts for it (plotly's own are 4.8 MB); None where plotly is not installed.

    Parameters
    ----------
    clouds : a click on a group's name hides it, a double click shows it alone.
    titles : of the three axes.
    name : of the element, unique on the page.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        return None
    groups = []
    for number, cloud in enumerate(clouds):
        symbol = "circle-open" if cloud.ring else _SYMBOLS[number // COLOURS % len(_SYMBOLS)]
        at = [[round(float(v), 2) for v in values] for values in cloud.at]
        look = {"symbol": symbol, "colour": number % COLOURS, "size": 7 if cloud.ring else 2.5, "ring": cloud.ring}
        groups.append({"name": cloud.name, "at": at, "names": list(cloud.names), **look})
    script = _DRAW % {"id": _json(name), "groups": _json(groups), "titles": _json(list(titles))}
    host = tag(
        "div", id=name, style="min-height: 620px", role="img", aria_label=f"{', '.join(titles)} in three dimensions"
    )
    return host, [get_plotlyjs(), script]


def scatter_2d(clouds: Sequence[Cloud], which: tuple[int, int], titles: Sequence[str], told: str) -> Markup:
    """Two of the three dimensions of all points in SVG; ``told`` says the numbers, ``titles`` are of all three."""
    width, height = 460, 380
    a, b = which
    xs, ys = ([v for cloud in clouds for v in cloud.at[k]] for k in which)
    x, y = Axis(*_limits(xs), 56, width - 12), Axis(*_limits(ys), height - 46, 12)
    marks = []
    for number, cloud in enumerate(clouds):
        look = "error" if cloud.ring else "speck"
        more = {"r": 5, "fill": "none"} if cloud.ring else {"r": 2}
        places = zip(cloud.at[a], cloud.at[b], cloud.names, strict=True)
        dots = [
            tag("circle", tag("title", n), cx=round(x.at(u), 1), cy=round(y.at(v), 1), class_=look, **more)
            for u, v, n in places
        ]
        marks.append(tag("g", dots, class_=f"c{number % COLOURS}"))
    return tag(
        "svg",
        tag("title", told),
        [grid_x(v, x, y, _minus(v)) for v in nice_ticks(x.low, x.high)],
        [grid_y(v, x, y, _minus(v)) for v in nice_ticks(y.low, y.high)],
        marks,
        tag("text", titles[a], x=(x.start + x.stop) / 2, y=height - 8, text_anchor="middle", class_="axis"),
        tag("text", titles[b], x=14, y=(y.start + y.stop) / 2, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 14 {(y.start + y.stop) / 2:.0f})"),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = 0.04 * (high - low) or 1.0
    return low - pad, high + pad


def _minus(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _json(value: object) -> str:
    """JSON that may stand in a script: nothing in it ends the script or begins a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
