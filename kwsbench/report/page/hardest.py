"""The hardest clips of a task, as a table."""

from kwsbench.pages.blocks import scrolling
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.hardest import hardest_clips
from kwsbench.report.verdict import Verdict
from kwsbench.wording import measure, percent

_TITLE = "The hardest clips"


def hardest_section(verdict: Verdict) -> Markup | None:
    """Which clips most models have wrong, and what they answer."""
    found = hardest_clips(verdict)
    if found.empty:
        return None
    titles = ("clip", "speaker", "said", "models right, %", "surprise, nats", "answered instead")
    head = tag("tr", [tag("th", title, scope="col") for title in titles])
    lines = []
    for one in found.to_dict("records"):
        cells = [one["speaker"], one["label"], percent(one["right"]), measure(one["surprise"]), one["answers"]]
        lines.append(tag("tr", tag("th", one["clip"], scope="row"), [tag("td", text) for text in cells]))
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    told = "Clips that the fewest models have right: noise, a wrong label, a word cut off? Listen to them first."
    shown = tag("details", tag("summary", f"Show {len(found)} clips"), scrolling(_TITLE, table))
    return tag("div", tag("h3", _TITLE), tag("p", told, class_="muted"), shown)
