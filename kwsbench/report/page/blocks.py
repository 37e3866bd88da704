"""How the sections of a study's page name a row of the comparison."""

from kwsbench.pages.figures import line_look
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.rows import Row


def row_name(row: Row, colour: int) -> list[Markup]:
    """Its name behind the swatch of its number, see ``line_look``."""
    setting = [tag("br"), tag("small", row.setting)] if row.setting else []
    return [tag("span", class_=f"swatch {line_look(colour)}", aria_hidden="true"), tag("span", row.model), *setting]


def line_key(name: str, colour: int) -> Markup:
    """An entry of a legend: a piece of the model's line, and its name."""
    return tag("span", tag("span", class_=f"line {line_look(colour)}", aria_hidden="true"), name)


def two_lines(row: Row) -> list[object]:
    return [row.model, *([tag("br"), tag("small", row.setting)] if row.setting else [])]
