"""Misses against false alarms an hour in a stream, drawn, and what the short stream gave."""

from collections.abc import Sequence

import numpy as np

from kwsbench.evaluate.detection import ALARMS_AN_HOUR
from kwsbench.evaluate.streaming import Sweep
from kwsbench.pages.blocks import scrolling
from kwsbench.pages.figures import Axis, grid_x, grid_y, line_look, nice_ticks, powers
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.page.blocks import line_key, row_name
from kwsbench.report.streaming import Listened
from kwsbench.streaming import CHOSEN_AT
from kwsbench.timeline import SHORT_SECONDS
from kwsbench.wording import measure, percent, plural

_WIDTH, _HEIGHT = 560, 360
_MOST = 60.0  # false alarms an hour, as far as a sweep is complete


def streaming_section(streams: Sequence[Listened], colours: dict[str, int]) -> Markup:
    """A line a model, and a small table."""
    hours, keywords = measure(streams[0].sweep.hours), plural(streams[0].sweep.n_events, "keyword")
    told = (
        f"Fitted models listen to {hours} h with {keywords} in it, the same for "
        "every model. Misses: keywords not detected while they are said or just after; false alarms: all other "
        "detections. A line begins where there are none. First seed. streaming.csv beside this page has every number "
        "unrounded."
    )
    keys = [line_key(one.row.name, colours[one.row.name]) for one in streams]
    drawing = tag("figure", tag("figcaption", "Misses against false alarms an hour"), _chart(streams, colours))
    return tag(
        "div",
        tag("h3", "Streaming"),
        tag("p", told, class_="muted"),
        tag("div", tag("div", tag("p", keys, class_="legend"), drawing, class_="card"), _table(streams, colours),
            class_="charts"),
    )  # fmt: skip


def staircase(sweep: Sweep) -> tuple[np.ndarray, np.ndarray]:
    """False alarms an hour, rising from 0, and the lowest false rejection rate with no more of them."""
    alarms = np.unique(sweep.false_alarms)
    least = [sweep.false_rejection[sweep.false_alarms == n].min() for n in alarms.tolist()]
    return alarms / sweep.hours, np.minimum.accumulate(least)


def _chart(streams: Sequence[Listened], colours: dict[str, int]) -> Markup:
    fewest = min(1 / one.sweep.hours for one in streams)  # one false alarm in the whole stream
    x = Axis(fewest / 2, max(_MOST, 4 * fewest), 62, _WIDTH - 20, log=True)
    y = Axis(0, 1, _HEIGHT - 46, 14)
    told = "; ".join(f"{one.row.name}: {_at_alarms(one.sweep)}" for one in streams)
    return tag(
        "svg",
        tag("title", f"Misses against false alarms an hour. {told}."),
        [grid_x(value, x, y, f"{value:g}") for value in powers(x.low, x.high)],
        [grid_y(value, x, y, f"{100 * value:.0f}") for value in nice_ticks(y.low, y.high, 6)],
        tag("text", "false alarms an hour", x=(x.start + x.stop) / 2, y=_HEIGHT - 6, text_anchor="middle",
            class_="axis"),
        tag("text", "misses, % of keywords", x=14, y=(y.start + y.stop) / 2, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 14 {(y.start + y.stop) / 2:.0f})"),
        [_line(one, x, y, colours[one.row.name]) for one in streams],
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="chart", role="img",
    )  # fmt: skip


def _line(one: Listened, x: Axis, y: Axis, colour: int) -> Markup:
    """The staircase as far as the axis; no false alarm stands at its left end."""
    alarms, misses = staircase(one.sweep)
    inside = alarms <= x.high
    points = [f"{x.start:.1f},{y.at(misses[0]):.1f}"]
    for before, alarm, miss in zip(misses[:-1], alarms[1:][inside[1:]], misses[1:], strict=False):
        at = x.at(max(alarm, x.low))
        points += [f"{at:.1f},{y.at(before):.1f}", f"{at:.1f},{y.at(miss):.1f}"]
    points.append(f"{x.stop:.1f},{y.at(misses[inside][-1]):.1f}")
    told = tag("title", f"{one.row.name}: {_at_alarms(one.sweep)}")
    return tag("polyline", told, points=" ".join(points), class_=f"curve {line_look(colour)}")


def _at_alarms(sweep: Sweep) -> str:
    return ", ".join(f"{percent(sweep.at_alarms[rate])} % at {rate:g}" for rate in ALARMS_AN_HOUR)


def _table(streams: Sequence[Listened], colours: dict[str, int]) -> Markup:
    texts = [f"at {rate:g} an hour" for rate in ALARMS_AN_HOUR] + ["hits", "misses", "false alarms"]
    heads = [tag("th", text, scope="col", class_="number") for text in texts]
    lines = []
    for one in streams:
        shown = [percent(one.sweep.at_alarms[rate]) for rate in ALARMS_AN_HOUR] + [str(n) for n in one.short]
        cells = [tag("td", text, class_="number") for text in shown]
        lines.append(tag("tr", tag("th", row_name(one.row, colours[one.row.name]), scope="row"), cells))
    caption = (
        f"Misses in the long stream, %, and what came of {SHORT_SECONDS:,.0f} s at the threshold of at most "
        f"{CHOSEN_AT:g} false alarm an hour there; – : the long stream cannot show such a rate"
    )
    head = tag("tr", tag("th", "Model", scope="col"), heads)
    table = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", lines))
    return scrolling("Streaming", table)
