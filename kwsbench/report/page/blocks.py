"""Small blocks that the sections of the page share."""

from kwsbench.report.page.markup import Markup, tag
from kwsbench.report.rows import Row
from kwsbench.report.wording import absent, percent


def scrolling(name: str, table: Markup) -> Markup:
    return tag("div", table, class_="scroll", role="region", tabindex=0, aria_label=name)


def row_name(row: Row, colour: int) -> list[Markup]:
    setting = [tag("br"), tag("small", row.setting)] if row.setting else []
    return [tag("span", class_=f"swatch c{colour}", aria_hidden="true"), tag("span", row.model), *setting]


def two_lines(row: Row) -> list[object]:
    return [row.model, *([tag("br"), tag("small", row.setting)] if row.setting else [])]


def shaded(share: float) -> Markup:
    if absent(share):
        return tag("td", percent(share), class_="number")
    return tag("td", percent(share), class_="number good", style=f"--v:{share:.2f}")
