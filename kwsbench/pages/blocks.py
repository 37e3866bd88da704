"""Small blocks that the sections of pages share."""

from kwsbench.pages.markup import Markup, tag
from kwsbench.wording import absent, percent


def scrolling(name: str, table: Markup) -> Markup:
    """A table that is scrolled where it is too wide, by the keyboard too; ``name`` is what it is called aloud."""
    return tag("div", table, class_="scroll", role="region", tabindex=0, aria_label=name)


def shaded(share: float) -> Markup:
    """A share as a cell of a table, in percent, its ground the darker the larger it is."""
    if absent(share):
        return tag("td", percent(share), class_="number")
    return tag("td", percent(share), class_="number good", style=f"--v:{share:.2f}")
