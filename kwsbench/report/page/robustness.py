"""Accuracy on corrupted test clips, drawn."""

from collections.abc import Sequence

from kwsbench.pages.blocks import scrolling
from kwsbench.pages.figures import Curve, level_panel
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.page.blocks import line_key, two_lines
from kwsbench.report.robustness import Heard
from kwsbench.wording import NONE, with_interval


def robustness_section(heard: Sequence[Heard], colours: dict[str, int]) -> Markup:
    """Accuracy of each model over the ratio to each noise, and under the other corruptions."""
    noises = list(dict.fromkeys(one.name for one in heard if one.is_noise))
    panels = [_noise_panel(name, [one for one in heard if one.name == name], colours) for name in noises]
    names = dict.fromkeys(one.row.name for one in heard)
    keys = [line_key(n, colours[n]) for n in names]
    told = (
        "Accuracy of the fitted models on corrupted copies of the test clips, the same for every model; bars are 95 % "
    )
    told += "intervals, speakers resampled. robustness.csv beside this page has every number unrounded."
    drawn = tag("div", tag("p", keys, class_="legend"), tag("div", panels, class_="panels"), class_="card")
    others = _other_corruptions([one for one in heard if not one.is_noise])
    return tag("div", tag("h3", "Robustness"), tag("p", told, class_="muted"), drawn if panels else None, others)


def _noise_panel(name: str, heard: Sequence[Heard], colours: dict[str, int]) -> Markup:
    curves = []
    for model in dict.fromkeys(one.row.name for one in heard):
        own = sorted((one for one in heard if one.row.name == model), key=lambda one: one.level)
        xs, ys, lows, highs = zip(*((one.level, one.accuracy, one.low, one.high) for one in own), strict=True)
        curves.append(Curve(model, colours[model], xs, ys, lows=lows, highs=highs))
    return tag("figure", tag("figcaption", name), level_panel(name, curves, "clip to noise, dB"))


def _other_corruptions(heard: Sequence[Heard]) -> Markup | None:
    if not heard:
        return None
    rows = list({one.row.name: one.row for one in heard}.values())
    heads = [tag("th", two_lines(row), scope="col", class_="number") for row in rows]
    as_they_are = [with_interval(*(row.values[f"accuracy{end}"] for end in ("", "_low", "_high"))) for row in rows]
    found = {(one.name, one.row.name): with_interval(one.accuracy, one.low, one.high) for one in heard}
    texts = {"as they are": as_they_are}
    for name in dict.fromkeys(one.name for one in heard):
        texts[name] = [found.get((name, row.name), NONE) for row in rows]
    lines = [
        tag("tr", tag("th", name, scope="row"), [tag("td", text, class_="number") for text in shown])
        for name, shown in texts.items()
    ]
    head = tag("tr", tag("th", "clips", scope="col"), heads)
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    return tag("div", tag("h4", "Accuracy %, with 95 % interval"), scrolling("Robustness", table))
