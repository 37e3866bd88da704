"""Counts, lengths, levels and files, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from kwsbench.explore.counts import (
    FILES_READ,
    SILENT_DBFS,
    clip_measures,
    file_formats,
    speaker_counts,
    vad_method,
    word_counts,
)
from kwsbench.explore.material import Material
from kwsbench.explore.page.listing import card, figure, listing
from kwsbench.explore.page.part import Part
from kwsbench.pages.distributions import bars, histogram, number
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.wording import count, duration, listed, percent, plural

MOST_BARS = 60
NAMED = 6  # words that a sentence names
FEW = 0.1  # of the median word's clips: a word with less is rare
CLIPPED = 0.001  # share of samples that is heard as distortion
SHOWN = {
    "seconds": "length, s", "rms_dbfs": "RMS level, dBFS", "peak_dbfs": "peak level, dBFS",
    "clipped": "samples at full scale, %", "flat": "samples on flat tops, %", "silence": "frames without speech, %",
    "longest_zero_ms": "longest stretch of digital zeros, ms",
}  # fmt: skip
SHARES = ("clipped", "flat", "silence")


def counts_part(material: Material, measures: pd.DataFrame | None = None) -> Part:
    """How much there is, how long, how loud and in which files; ``measures`` are those of ``clip_measures``."""
    if measures is None:
        measures = clip_measures(material)
    words, speakers, files = word_counts(material), speaker_counts(material), file_formats(material)
    quantiles = _quantiles(measures)
    body = [
        card(_word_drawing(words)),
        tag(
            "div",
            [card(panel) for panel in _panels(speakers, measures)],
            class_="curves panels",
            style="margin-top:14px",
        ),
        card(_quantile_table(quantiles, len(measures))),
        card(_file_table(files, len(material.clips))),
        tag("details", tag("summary", "Every word"), _word_table(words)),
    ]
    tables = {"words": words.reset_index(), "speakers": speakers.reset_index(), "clips": measures.reset_index(),
              "files": files}  # fmt: skip
    return Part("Counts", inner(body), _findings(material, words, speakers, measures, files), tables)


def _findings(
    material: Material, words: pd.DataFrame, speakers: pd.DataFrame, measures: pd.DataFrame, files: pd.DataFrame
) -> list[str]:
    n = len(measures)
    if not n:
        return ["There are no clips."]
    who = f"by {plural(len(speakers), 'speaker')}" if len(speakers) else "by speakers whom nobody has named"
    said = [f"{plural(n, 'clip')} of {plural(len(words), 'word')} {who}, {duration(measures['seconds'].sum())} in all."]
    said += [text for text in (_uneven(words), _short(measures["seconds"])) if text]
    low, high = np.quantile(measures["rms_dbfs"], (0.05, 0.95))
    said.append(
        f"Nine of ten clips have an RMS level of {number(low)} to {number(high)} dBFS, {high - low:.0f} dB apart."
    )
    full, distorted = (measures["clipped"] > 0).sum(), (measures["clipped"] > CLIPPED).sum()
    dead, mute = (measures["peak_dbfs"] <= SILENT_DBFS).sum(), (measures["silence"] == 1).sum()
    if full:
        said.append(
            f"{plural(full, 'clip')} ({percent(full / n)} %) reach full scale; in {distorted:,} of them more than "
            f"{CLIPPED:.1%} of the samples do."
        )
    if mute:
        said.append(f"In {plural(mute, 'clip')} ({percent(mute / n)} %) the voice activity detector hears no speech.")
    if dead:
        said.append(f"{plural(dead, 'clip')} ({percent(dead / n)} %) hold no sample but zero.")
    if len(files) > 1:
        kinds = listed(f"{kind} ({share} %)" for kind, _, share in _kinds(files)[:4])
        said.append(f"Files are not of one kind: {kinds}.")
    if material.sound.quarantined:
        said.append(f"{plural(len(material.sound.quarantined), 'recording')} cannot be used and are set aside.")
    return said


def _uneven(words: pd.DataFrame) -> str:
    clips = words["clips"]
    rare = clips[clips < FEW * clips.median()]
    if len(words) < 2:
        return ""
    if clips.iloc[0] == clips.iloc[-1]:
        return f"Every word has {plural(int(clips.iloc[0]), 'clip')}."
    span = f"Words have {count(clips.iloc[-1])} ({clips.index[-1]}) to {count(clips.iloc[0])} clips ({clips.index[0]})"
    if rare.empty:
        return f"{span}."
    names = listed([*rare.index[:NAMED], *([f"{len(rare) - NAMED} more"] if len(rare) > NAMED else [])])
    return f"{span}; {plural(len(rare), 'word')} with less than a tenth of the median word's: {names}."


def _short(seconds: pd.Series) -> str:
    short, usual = (seconds < 1).sum(), seconds.median()
    if not short:
        return f"No clip is shorter than one second; the median is {number(usual)} s."
    return (
        f"{plural(short, 'clip')} ({percent(short / len(seconds))} %) are shorter than one second; lengths go from "
        f"{number(seconds.min())} to {number(seconds.max())} s, the median is {number(usual)} s."
    )


def _word_drawing(words: pd.DataFrame) -> Markup:
    if len(words) > MOST_BARS:
        drawing = histogram(
            "Clips of a word", words["clips"].to_numpy(float), "clips of a word", log=True, y_title="words"
        )
        return figure(f"Clips of each of the {len(words):,} words", drawing)
    told = "; ".join(f"{word} {clips:,}" for word, clips in words["clips"].items())
    drawing = bars(f"Clips of each word: {told}", [str(w) for w in words.index], list(words["clips"]), "clips")
    return figure("Clips of each word", drawing) if len(words) else tag("p", "There are no words.")


def _panels(speakers: pd.DataFrame, measures: pd.DataFrame) -> list[Markup]:
    drawn = []
    if len(speakers):
        clips = speakers["clips"].to_numpy(float)
        drawing = histogram("Clips of a speaker", clips, "clips of a speaker", log=True, y_title="speakers")
        drawn.append(figure("Clips of each speaker", drawing))
    else:
        drawn.append(tag("p", "Nobody knows who speaks: clips cannot be counted by speaker."))
    told = {
        "seconds": "Lengths of clips",
        "rms_dbfs": "RMS levels; a sine of full scale has −3 dBFS",
        "peak_dbfs": "Peak levels",
        "silence": f"Share of 10 ms frames without speech, by {vad_method()}",
    }
    for column, caption in told.items():
        values = measures[column].to_numpy(float) * (100 if column in SHARES else 1)
        drawn.append(figure(caption, histogram(caption, values, SHOWN[column])))
    return drawn


def _quantiles(measures: pd.DataFrame) -> pd.DataFrame:
    return measures[list(SHOWN)].quantile([0, 0.01, 0.1, 0.5, 0.9, 0.99, 1]).T if len(measures) else pd.DataFrame()


def _quantile_table(quantiles: pd.DataFrame, n: int) -> Markup:
    rows = [
        [SHOWN[str(name)], *(number(v * (100 if name in SHARES else 1)) for v in row)]
        for name, *row in quantiles.itertuples()
    ]
    heads = ["", "least", "1 % below", "10 %", "half", "90 %", "99 %", "most"]
    return listing(f"Measures of {plural(n, 'clip')}", heads, rows)


def _kinds(files: pd.DataFrame) -> list[tuple[str, int, str]]:
    """What each kind of file is called, how many there are, and their share in percent."""
    found = []
    rows: list[Any] = list(files.itertuples())
    for row in rows:
        channels = plural(row.channels, "channel")
        kind = (
            f"{row.format} {row.subtype}, {channels}, {row.rate / 1000:g} kHz"
            if row.rate
            else f"{row.format}, not read"
        )
        found.append((kind, row.files, percent(row.files / files["files"].sum())))
    return found


def _file_table(files: pd.DataFrame, n: int) -> Markup:
    of = f", of {FILES_READ:,} of {n:,} drawn by chance" if n > FILES_READ else ""
    rows = [[kind, count(n_files), f"{share} %"] for kind, n_files, share in _kinds(files)]
    return listing(f"Kinds of files, by their headers{of}", ["kind", "files", "share"], rows)


def _word_table(words: pd.DataFrame) -> Markup:
    rows = [[word, count(a), count(b), count(c)] for word, a, b, c in words.itertuples()]
    return listing("Clips and speakers of each word", ["word", "clips", "speakers", "clips of who says it most"], rows)
