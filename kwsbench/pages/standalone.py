"""Every figure of the page as a file of its own, SVG, PDF or PNG: its style within, in the light palette."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

from kwsbench.errors import UserError
from kwsbench.pages.figures import COLOURS

_FIGURE = re.compile(r'<figcaption>(?P<told>.*?)</figcaption>(?P<svg><svg [^>]*class="chart.*?</svg>)', re.DOTALL)
_DRAWN = ("grid", "tick", "axis", "name", "dot", "speck", "value", "whisker", "error", "curve", "front", "kept", "band")
_MIX = re.compile(r"fill: color-mix\(in srgb, (?P<colour>[^ ]+) (?P<share>\d+)%, transparent\)")


def figures_of(page: str) -> Iterator[tuple[str, str]]:
    """Name of a file, without its ending, and the SVG of each figure of a page, in order."""
    style = _style(Path(__file__).with_name("page.css").read_text(encoding="utf-8"))
    for number, found in enumerate(_FIGURE.finditer(page), 1):
        told = html.unescape(re.sub(r"<[^>]*>", " ", found["told"]))
        words = re.findall(r"[a-z0-9_]+", told.lower())[:8]
        _, _, width, height = re.search(r'viewBox="([^"]*)"', found["svg"])[1].split()  # type: ignore[index]
        size = f'xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        drawn = found["svg"].replace("<svg ", f"<svg {size} ", 1)
        head, rest = drawn.split(">", 1)
        yield f"{number:02d}-{'-'.join(words)}", f"{head}><style>{style}</style>{rest}\n"


def as_kind(svg: str, kind: str) -> str | bytes:
    """The figure as "svg", "pdf" or "png" (two pixels a unit).

    Raises
    ------
    UserError : cairosvg is not there.
    """
    if kind == "svg":
        return svg
    try:
        import cairosvg
    except (ImportError, OSError) as e:
        todo = "pip install 'kwsbench[pdf]', and have Cairo"
        raise UserError(f"no {kind.upper()} can be written: {e}", f"--{kind}", todo) from e
    if kind == "pdf":
        found: bytes = cairosvg.svg2pdf(bytestring=svg.encode())
    else:
        found = cairosvg.svg2png(bytestring=svg.encode(), scale=2, background_color="white")
    return found


def _style(css: str) -> str:
    """What the page's style says of drawings, with the light colours in place of its variables."""
    colours = dict(re.findall(r"(--\w+): ([^;]+);", css[: css.index("}")]))
    rules = ["text { font-family: 'DejaVu Sans', sans-serif }"]
    for selector, said in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        selector = selector.strip()
        if not selector.startswith(".") or selector[1:].partition(".")[0] not in _DRAWN:
            continue
        said = _MIX.sub(lambda m: f"fill: {m['colour']}; fill-opacity: 0.{m['share']}", said)
        said = re.sub(r"var\((--(?!c\))\w+)\)", lambda m: colours[m[1]], said).strip()
        if "var(--c)" not in said:
            rules.append(f"{selector} {{ {said} }}")
            continue
        for i in range(COLOURS):
            own = said.replace("var(--c)", colours[f"--c{i}"])
            rules.append(f".c{i} {selector}, {selector}.c{i} {{ {own} }}")
    return " ".join(rules)
