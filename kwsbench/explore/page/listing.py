"""Small tables and figures, as the parts of the page show them."""

from collections.abc import Iterable, Sequence
from typing import Any

from kwsbench.pages.blocks import scrolling
from kwsbench.pages.markup import Markup, tag


def listing(name: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markup:
    """A table whose first column names the rows and whose others are numbers, under the caption ``name``."""
    head = [tag("th", text, scope="col", class_="number" if i else None) for i, text in enumerate(heads)]
    body = [
        tag("tr", tag("th", first, scope="row"), [tag("td", cell, class_="number") for cell in rest])
        for first, *rest in rows
    ]
    table = tag("table", tag("caption", name), tag("thead", tag("tr", head)), tag("tbody", body))
    return scrolling(name, table)


def figure(told: str, drawing: Markup, *legend: tuple[str, int]) -> Markup:
    """A drawing with its caption; the legend is names and colours (0 to 7)."""
    names = [tag("span", tag("span", class_=f"swatch c{colour}", aria_hidden="true"), name) for name, colour in legend]
    return tag("figure", tag("figcaption", told, tag("span", names, class_="legend") if names else None), drawing)


def card(*children: Any) -> Markup:
    """A block with a ground of its own."""
    return tag("div", *children, class_="card")
