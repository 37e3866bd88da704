"""What 8 kHz costs: energy by word, spectra before and after, bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import pandas as pd

from kwsbench.audio import to_int16
from kwsbench.explore.material import Material
from kwsbench.explore.page.part import Part
from kwsbench.explore.resampling import (
    A_WORD,
    LOW_RATE,
    Resampled,
    Saved,
    clip_resampled,
    energy_above,
    representative_clip,
    size_saved,
)
from kwsbench.pages.blocks import scrolling
from kwsbench.pages.figures import Curve
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.pages.players import player
from kwsbench.pages.traces import line_panel
from kwsbench.wording import NONE, absent, amount, count, percent, plural

FLOOR_DB = 70.0  # below the loudest, where the axis of the spectra ends


def resampling_part(material: Material, *, audio: bool = False) -> Part:
    """Energy above 4 kHz by word, a clip of the word with most and of that with least before and after, bytes saved.

    Parameters
    ----------
    audio : with players of those clips, before and after.
    """
    title = "Resampling to 8 kHz"
    saved = size_saved(material)
    size = _bytes(saved)
    if not saved.changed:
        return Part(title, tag("p", f"No recording has more than {LOW_RATE:,} samples a second: nothing to save."))
    table = energy_above(material, LOW_RATE / 2)
    if table.empty:
        return Part(title, tag("p", "Nothing sounds in the recordings that were looked at. ", size), [size])
    ends = [table["word"].iloc[0], *([table["word"].iloc[-1]] if len(table) > 1 else [])]
    drawn = [_clip(material, word, audio) for word in ends]
    how = (
        f"{plural(int(table['clips'].sum()), 'clip')} at their own rate, at most {A_WORD} a word drawn by chance; "
        f"silent ones and those recorded at {LOW_RATE:,} Hz or less are left out. A clip's share is of its whole "
        "energy, noise included, its mean taken away. The clips drawn are those nearest to the median of their word."
    )
    body = inner(
        tag("p", how, class_="muted"),
        tag("p", size),
        tag("div", drawn, class_="charts"),
        scrolling("Energy above 4 kHz by word", _word_table(table)),
    )
    return Part(title, body, [_finding(table), size], {"energy_above_4khz": table})


def _clip(material: Material, word: str, audio: bool) -> Markup:
    clip = representative_clip(material, word)
    rate = int(material.sound.recordings.table["rate"][clip])
    found = clip_resampled(material.signal(clip, None), rate)
    names = (f"as recorded, {rate:,} Hz", f"at {LOW_RATE:,} Hz", f"at {LOW_RATE:,} Hz, spectrum cut (FFT)")
    lines = ((found.hz, found.db), (found.hz_after, found.db_after), (found.hz_fft, found.db_fft))
    curves = [
        Curve(name, (7, 0, 1)[i], hz.tolist(), db.tolist(), dashed=i == 2)
        for i, (name, (hz, db)) in enumerate(zip(names, lines, strict=True))
    ]
    top = float(np.max(found.db))
    told = f"“{word}”: power by frequency, {_loss(found)}"
    drawing = line_panel(
        told, curves, "Hz", "dB of full scale, per Hz", size=(480, 260), y_limits=(top - FLOOR_DB, top + 3)
    )
    legend = [
        tag("span", tag("span", class_=f"line c{c.colour}{' dashed' if c.dashed else ''}"), c.name) for c in curves
    ]
    heard = None
    if audio:
        both = ((found.samples, found.rate), (found.after, found.rate_after))
        heard = [tag("p", f"{r:,} Hz ", player(to_int16(x), r, f"{word} at {r:,} Hz")) for x, r in both]
    caption = tag("figcaption", told, "; ", tag("code", clip), tag("span", legend, class_="legend"))
    return tag("div", tag("figure", caption, drawing), heard, class_="card")


def _word_table(table: pd.DataFrame) -> Markup:
    heads = ("word", "clips", "median clip %", "half of the clips %", "of all energy together %")
    head = tag("tr", [tag("th", h, class_="number" if i else None, scope="col") for i, h in enumerate(heads)])
    rows = [
        tag(
            "tr",
            tag("th", row.word, scope="row"),
            tag("td", count(row.clips), class_="number"),
            tag("td", _percent(row.median), class_="number"),
            tag("td", f"{_percent(row.q1)} to {_percent(row.q3)}", class_="number"),
            tag("td", _percent(row.share), class_="number"),
        )
        for row in cast(Iterable[Any], table.itertuples())
    ]
    caption = tag("caption", "Share of the energy above 4 kHz, which 8,000 samples a second cannot hold.")
    return tag("table", caption, tag("thead", head), tag("tbody", rows))


def _loss(found: Resampled) -> str:
    return f"{_percent(found.above)} % of the energy lies above {found.rate_after / 2:,.0f} Hz"


def _finding(table: pd.DataFrame) -> str:
    most, least = table.iloc[0], table.iloc[-1]
    told = f"Above 4 kHz lie {_percent(most['median'])} % of the energy of the median clip of {_named(most)}"
    if len(table) == 1:
        return f"{told}."
    return (
        f"{told}, the most of {plural(len(table), 'word')}, and {_percent(least['median'])} % of {_named(least)}, the "
        f"least; {_percent(table['median'].median())} % in the middle. That is what a model at 8 kHz does not hear."
    )


def _named(row: pd.Series) -> str:
    return f"“{row['word']}” ({plural(int(row['clips']), 'clip')})"


def _percent(share: float) -> str:
    """At most two digits, for shares that are small: 0.0602 → "6", 0.00041 → "0.041"; "below 0.001"."""
    if absent(share):
        return NONE
    return "below 0.001" if 0 < share < 1e-5 else f"{float(f'{100 * share:.2g}'):g}"


def _bytes(saved: Saved) -> str:
    kept = 1 - saved.after / saved.before if saved.before else 0.0
    frames = 1 - saved.frames_after / saved.frames_before if saved.frames_before else 0.0
    which = "all" if saved.changed == saved.clips else f"{saved.changed:,} of the"
    return (
        f"At 8 kHz {which} {plural(saved.clips, 'recording')} take {amount(saved.after)}B as 16-bit samples instead of "
        f"{amount(saved.before)}B ({percent(kept)} % less), and their log spectrograms {amount(saved.frames_after)}B "
        f"instead of {amount(saved.frames_before)}B ({percent(frames)} % less)."
    )
