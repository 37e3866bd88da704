"""Dendrograms: which things are alike, joined pair by pair; names on the left, distance to the right."""

from collections.abc import Sequence

import numpy as np

from kwsbench.pages.figures import Axis, grid_x, nice_ticks
from kwsbench.pages.markup import Markup, tag
from kwsbench.pages.names import short
from kwsbench.wording import measure

WIDTH, LEFT, ROW, TOP, BOTTOM = 520, 92, 17, 8, 44
TOLD = 5  # joins told to who cannot see them


def dendrogram(title: str, linkage: np.ndarray, names: Sequence[str], x_title: str, colour: int = 0) -> Markup:
    """A tree of joins, the first leaf on top.

    Parameters
    ----------
    title : told to who cannot see it, with the nearest joins.
    linkage : (n − 1, 4) as ``scipy.cluster.hierarchy.linkage`` gives it, for n ≥ 2 names in their order there.
    x_title : of the distance, with its unit.
    colour : class of the page's style, 0 to 7.
    """
    from scipy.cluster import hierarchy

    # scipy's leaves lie at 5, 15, 25 …
    found = hierarchy.dendrogram(linkage, no_plot=True, labels=list(names))
    height = TOP + ROW * len(names) + BOTTOM
    x = Axis(0, float(linkage[:, 2].max()) * 1.04 or 1.0, LEFT, WIDTH - 14)
    y = Axis(0, 10 * len(names), TOP, height - BOTTOM)
    joins = [
        tag("polyline", points=" ".join(f"{x.at(b):.1f},{y.at(a):.1f}" for a, b in zip(i, d, strict=True)),
            class_=f"curve c{colour}")
        for i, d in zip(found["icoord"], found["dcoord"], strict=True)
    ]  # fmt: skip
    leaves = [
        tag("text", short(name), x=LEFT - 8, y=y.at(10 * row + 5) + 4, text_anchor="end", class_="tick")
        for row, name in enumerate(found["ivl"])
    ]
    return tag(
        "svg",
        tag("title", f"{title}. {_told(linkage, names)}."),
        [grid_x(v, x, y._replace(start=y.stop, stop=y.start), measure(v)) for v in nice_ticks(0, x.high, 7)],
        joins,
        leaves,
        tag("text", x_title, x=(x.start + x.stop) / 2, y=height - 8, text_anchor="middle", class_="axis"),
        viewBox=f"0 0 {WIDTH} {height}", class_="chart", role="img",
    )  # fmt: skip


def _told(linkage: np.ndarray, names: Sequence[str]) -> str:
    members = [[name] for name in names]
    told = []
    for a, b, distance, _ in linkage:
        left, right = members[int(a)], members[int(b)]
        members.append(left + right)
        told.append(f"{', '.join(left)} with {', '.join(right)} at {measure(distance)}")
    return "Joined first: " + "; ".join(told[:TOLD])
