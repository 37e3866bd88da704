"""Speaker by speaker, drawn: how unequally a model serves people."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kwsbench.evaluate.metrics import MIN_CLIPS
from kwsbench.pages.figures import COLOURS, Axis, nice_ticks
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.page.blocks import row_name
from kwsbench.report.rows import Row
from kwsbench.wording import percent, plural


def speaker_section(rows: Sequence[Row], colours: dict[str, int]) -> Markup | None:
    """A strip a model: a dot for each speaker with enough clips, and the mean of the worst tenth."""
    strips = [strip for row in rows if (strip := _strip(row, colours[row.name])) is not None]
    if not strips:
        return None
    told = f"Each dot is a speaker with at least {MIN_CLIPS} test clips; the line is the mean of the worst tenth."
    return tag("div", tag("h3", "Speakers"), tag("p", told, class_="muted"), tag("div", strips, class_="strips"))


def _strip(row: Row, colour: int) -> Markup | None:
    found = row.measured.speakers if row.measured is not None else pd.DataFrame({"clips": []})
    found = found[found["clips"] >= MIN_CLIPS]
    if found.empty:
        return None
    width, height = 560, 64
    x = Axis(0, 1, 14, width - 14)
    at = found["accuracy"].to_numpy()
    # dots of equal accuracy stand above each other, as far as there is room
    bins = np.round(at * 100).astype(int)
    above = pd.Series(bins).groupby(bins).cumcount().to_numpy()
    room = (height - 28) / max(int(above.max()), 6)
    dots = [
        tag("circle", tag("title", f"{speaker}: {percent(share)} % of {clips} clips"),
            cx=f"{x.at(share):.1f}", cy=f"{height - 22 - n * room:.1f}", r=2.6, class_="speck")
        for speaker, share, clips, n in zip(found["speaker"], at, found["clips"], above, strict=True)
    ]  # fmt: skip
    worst = row.values["worst_tenth"]
    mark = tag("line", x1=x.at(worst), x2=x.at(worst), y1=2, y2=height - 18, class_="kept")
    ticks = [
        tag("text", f"{100 * t:g}", x=x.at(t), y=height - 4, text_anchor="middle", class_="tick")
        for t in nice_ticks(0, 1)
    ]
    told = f"{plural(len(found), 'speaker')}, worst tenth {percent(worst)} %"
    drawing = tag("svg", tag("title", f"{row.name}: {told}"), ticks, mark,
                  tag("g", dots, class_=f"c{colour % COLOURS}"),
                  viewBox=f"0 0 {width} {height}", class_="chart strip", role="img")  # fmt: skip
    name = row_name(row, colour)
    return tag("figure", tag("figcaption", name, " ", tag("small", told)), drawing)
