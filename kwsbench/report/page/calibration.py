"""Calibration, drawn: how often a model is right where it is so sure."""

from collections.abc import Sequence

import pandas as pd

from kwsbench.pages.figures import COLOURS, Axis, grid_x, grid_y, nice_ticks
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.page.blocks import row_name
from kwsbench.report.rows import Row
from kwsbench.wording import absent, measure, percent


def calibration_section(rows: Sequence[Row], colours: dict[str, int]) -> Markup | None:
    """How often a model is right where it is so sure, and how far off it is on the whole."""
    drawn = [row for row in rows if row.measured is not None and not absent(row.values.get("ece"))]
    if not drawn:
        return None
    panels = [_reliability(row, colours[row.name]) for row in drawn]
    told = (
        "Accuracy of the clips of each bin of posteriors (bar) against their mean posterior (line). ECE: the mean gap; "
        "T: the temperature that validation asks for, and the ECE with it."
    )
    return tag(
        "div",
        tag("h3", "Calibration"),
        tag("p", told, class_="muted"),
        tag("div", panels, class_="panels narrow"),
    )


def _reliability(row: Row, colour: int) -> Markup:
    width, height = 220, 180
    x, y = Axis(0, 1, 34, width - 8), Axis(0, 1, height - 26, 10)
    bins = row.measured.reliability if row.measured is not None else pd.DataFrame()
    most = max(int(bins["clips"].max()), 1)
    bars = [
        tag(
            "rect",
            tag("title", f"{clips:.0f} clips of mean posterior {sure:.2f}: {percent(right)} % right"),
            x=f"{x.at(sure) - 5:.1f}", width=10, y=f"{y.at(right):.1f}", height=f"{y.start - y.at(right):.1f}",
            class_="value", opacity=f"{0.3 + 0.7 * clips / most:.2f}",
        )
        for clips, sure, right in bins[["clips", "posterior", "accuracy"]].to_numpy(float)
    ]  # fmt: skip
    v = row.values
    fitted = f", T {measure(v['temperature'])}: {percent(v['ece_calibrated'])} %" if "ece_calibrated" in v else ""
    ece = f"ECE {percent(v['ece'])} %{fitted}"
    drawing = tag(
        "svg",
        tag("title", f"{row.name}: {ece}"),
        [grid_x(t, x, y, f"{t:g}") for t in nice_ticks(0, 1)],
        [grid_y(t, x, y, f"{t:g}") for t in nice_ticks(0, 1)],
        tag("g", bars, class_=f"c{colour % COLOURS}"),
        tag("line", x1=x.start, y1=y.start, x2=x.stop, y2=y.stop, class_="kept"),
        viewBox=f"0 0 {width} {height}", class_="chart small", role="img",
    )  # fmt: skip
    name = row_name(row, colour)
    return tag("figure", tag("figcaption", name, " ", tag("small", ece)), drawing, class_="card")
