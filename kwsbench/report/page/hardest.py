"""The hardest clips of a task: a table, and where the recordings may be heard, a spectrogram and a player of each."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.pages.blocks import scrolling
from kwsbench.pages.markup import Markup, tag
from kwsbench.pages.players import player
from kwsbench.pages.spectrograms import spectrogram_panel
from kwsbench.report.hardest import hardest_clips
from kwsbench.report.rows import Record
from kwsbench.report.verdict import Verdict
from kwsbench.wording import measure, percent

_TITLE = "The hardest clips"

Hear = Callable[[Record, str], tuple[np.ndarray, int] | None]
"""A cell's record, a test clip → int16 (n_samples,) and their rate in Hz; None: there is no recording of it."""


def hardest_section(verdict: Verdict, hear: Hear | None = None) -> Markup | None:
    """Which clips most models have wrong, and what they answer; with ``hear`` what they sound like."""
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
    heard = _heard(verdict, found, hear) if hear else None
    return tag("div", tag("h3", _TITLE), tag("p", told, class_="muted"), shown, heard)


def _heard(verdict: Verdict, found: pd.DataFrame, hear: Hear) -> Markup:
    """A card a clip, and whose recordings they are."""
    by_fold = {record["parts"]["fold"]: record for row in verdict.rows for record in row.used}
    cards = [_card(one, hear(by_fold[one["fold"]], one["clip"])) for one in found.to_dict("records")]
    first = next(iter(by_fold.values()))
    licence = f"Recordings of {first['parts']['corpus']}, licence: {first['licence'] or 'not stated'}."
    return tag("div", tag("p", licence, class_="muted"), tag("div", cards, class_="curves"))


def _card(one: Mapping[Hashable, Any], sound: tuple[np.ndarray, int] | None) -> Markup:
    told = f"{one['label']} said; {percent(one['right'])} % of the models right; answered {one['answers']}"
    head = tag("h4", one["clip"])
    if sound is None:
        return tag("div", head, tag("p", told), tag("p", "generated: there is no recording of it"), class_="card clip")
    samples, rate = sound
    name = f"{one['clip']}, {one['label']}"
    drawn = tag("figure", tag("figcaption", told), spectrogram_panel(f"Spectrogram of {name}", samples, rate))
    return tag("div", head, drawn, player(samples, rate, name), class_="card clip")
