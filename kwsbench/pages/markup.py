"""HTML and SVG as nested calls; text is escaped unless it is markup already."""

from html import escape
from typing import Any

_VOID = {"meta", "link", "br", "hr", "input"}


class Markup(str):
    """Text that is HTML already."""


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """One element.

    Parameters
    ----------
    name : such as "td".
    children : markup, text (escaped), numbers, lists of these; None is nothing.
    attributes : ``class_="x"`` → class="x", ``aria_label`` → aria-label; floats with two digits; None is left out.
    """
    written = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{inner(*children)}</{name}>")


def inner(*children: Any) -> Markup:
    """Children one after another, without an element around them."""
    return Markup("".join(_content(child) for child in children))


def _content(child: Any) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, list | tuple):
        return inner(*child)
    return escape(_number(child), quote=False)


def _number(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
