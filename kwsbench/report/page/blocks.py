"""How the sections of a study's page name a row of the comparison."""

from kwsbench.pages.markup import Markup, tag
from kwsbench.report.rows import Row


def row_name(row: Row, colour: int) -> list[Markup]:
    setting = [tag("br"), tag("small", row.setting)] if row.setting else []
    return [tag("span", class_=f"swatch c{colour}", aria_hidden="true"), tag("span", row.model), *setting]


def two_lines(row: Row) -> list[object]:
    return [row.model, *([tag("br"), tag("small", row.setting)] if row.setting else [])]
