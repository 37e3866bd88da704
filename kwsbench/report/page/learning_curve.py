"""Accuracy against how much is trained on, drawn."""

from collections.abc import Iterator, Sequence

from kwsbench.pages.figures import Point, line_chart
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.learning_curve import CUTS, LearningCurve, crossing_of_pairs
from kwsbench.report.page.blocks import line_key
from kwsbench.report.rows import Row
from kwsbench.wording import count


def curve_sections(curves: Sequence[LearningCurve], colours: dict[str, int]) -> Iterator[Markup]:
    """The figure of each curve with its sentence."""
    for number, curve in enumerate(curves):
        lines = [_points(name, line, colours[name]) for name, line in curve.lines.items()]
        legend = [line_key(name, colours[name]) for name in curve.lines]
        against = CUTS[curve.cut]
        told = f"Accuracy on the same test clips against the number of {against}, with 95 % intervals"
        caption = tag("figcaption", told, tag("span", legend, class_="legend"))
        figure = tag("figure", caption, line_chart(lines, against, count), class_="card")
        head = tag("h2", f"{against.capitalize()} ", tag("small", ", ".join(curve.task)))
        told_of = crossing_of_pairs(curve)
        lead = tag("p", f"Against the number of {against}:") if told_of else None
        pairs = tag("ul", [tag("li", one) for one in told_of]) if told_of else None
        yield tag("section", head, lead, pairs, tag("div", figure, class_="charts"), id=f"learning-curve-{number}")


def _points(name: str, line: dict[int, Row], colour: int) -> list[Point]:
    found = [(size, row.values) for size, row in line.items()]
    return [Point(name, colour, n, v["accuracy"], v["accuracy_low"], v["accuracy_high"]) for n, v in found]
