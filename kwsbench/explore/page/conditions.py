"""Recording conditions, their clusters, digital zeros, and what they give away; drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from kwsbench.explore.conditions import (
    LEVEL,
    NO_SOUND,
    Clusters,
    condition_clusters,
    condition_measures,
    condition_of_speakers,
    limited,
    predictable,
)
from kwsbench.explore.counts import clip_measures
from kwsbench.explore.material import Material
from kwsbench.explore.page.listing import card, figure, listing
from kwsbench.explore.page.part import Part
from kwsbench.pages.distributions import Sample, histogram, number, scatter
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.wording import count, listed, percent, plural, with_interval

MOST_POINTS = 1500
STRETCHES_MS = (10, 50, 100, 250, 500)
LONG_MS = 100  # no pause between sounds of a recorded room is digitally silent for that long
NARROW_HZ, WIDE_RATE = 4500.0, 12000  # a band below the first is narrow where the rate is above the second
MOST_NARROW = 12
BAND_HZ = 250.0


def conditions_part(
    material: Material,
    conditions: pd.DataFrame | None = None,
    measures: pd.DataFrame | None = None,
    sides: pd.Series | None = None,
) -> Part:
    """Noise floors and bandwidths, what is digitally silent, and whether a word or a side can be told from them.

    Parameters
    ----------
    conditions : of ``condition_measures``. measures : of ``clip_measures``.
    sides : clip → side of a split that is asked for as well.
    """
    conditions = condition_measures(material) if conditions is None else conditions
    measures = clip_measures(material) if measures is None else measures
    clusters = condition_clusters(material, conditions)
    told = predictable(material, conditions, sides)
    speakers = condition_of_speakers(material, conditions).join(_rates(material, measures), how="left")
    zeros = _zeros(measures)
    heard = conditions[conditions["bandwidth_hz"].notna()]
    body = [
        card(_plane(material, heard, clusters), _cluster_table(clusters)),
        tag("div", [card(panel) for panel in _panels(heard)], class_="curves panels", style="margin-top:14px"),
        card(_narrow_table(speakers)),
        card(_zero_table(zeros, len(measures))),
        card(
            tag("h3", "What the condition gives away"), _told_table(told), [tag("p", text) for text in in_words(told)]
        ),
    ]
    kept = conditions.assign(cluster=clusters.of)
    tables = {
        "conditions": kept.reset_index(),
        "condition_clusters": clusters.table.reset_index(),
        "condition_speakers": speakers.reset_index(),
        "condition_tells": told,
    }
    said = [*_findings(conditions, clusters, speakers, measures), *in_words(told)]
    return Part("Recording conditions", inner(body), said, tables)


def in_words(told: pd.DataFrame) -> list[str]:
    """What the answers of ``predictable`` mean, a sentence a question."""
    return [_meaning(row) for row in told.itertuples()]


def _meaning(row: Any) -> str:
    if row.why_not:
        return f"Whether the {row.what} can be told from {row.by} cannot be said: {row.why_not}."
    right = f"{with_interval(row.accuracy, row.low, row.high)} % right, by chance {percent(row.chance)} %"
    numbers = f"({right}, {plural(row.classes, row.what)})"
    if np.isnan(row.low):
        return f"How surely the {row.what} can be told from {row.by} cannot be said {numbers}: there is no interval."
    above = bool(row.low > row.chance)
    if row.what == "word" and row.by == "the lead-in":
        found = "A leak: the word can be told" if above else "No leak is seen: the word cannot be told"
        return f"{found} from the lead-in, before anything is said {numbers}."
    if row.what == "word":
        no_leak = ", which is no leak by itself: where a word fills its clip these frames hold the word"
        return f"From {row.by} the word {f'can be told{no_leak}' if above else 'cannot be told'} {numbers}."
    if row.what == "side":
        found = "The sides were recorded otherwise: which one" if above else "No shift is seen: which side"
        told = "can be told from its condition, a shift and no leak, for no model is told the side" if above else \
            "cannot be told from its condition"  # fmt: skip
        return f"{found} a clip is on {told} {numbers}."
    found = "gives its speaker away" if above else "does not give its speaker away"
    why = ": one voice, one microphone, which is what leaks where a split shares speakers" if above else ""
    return f"The condition of a clip {found} {numbers}{why}."


def _rates(material: Material, measures: pd.DataFrame) -> pd.DataFrame:
    """The highest rate of each speaker's recordings."""
    speaker = material.clips.set_index("clip")["speaker"].reindex(measures.index)
    return pd.DataFrame({"rate": measures["rate"].groupby(speaker).max()})


def _narrow(speakers: pd.DataFrame) -> pd.DataFrame:
    return speakers[(speakers["widest_hz"] <= NARROW_HZ) & (speakers["rate"] > WIDE_RATE)]


def _findings(
    conditions: pd.DataFrame, clusters: Clusters, speakers: pd.DataFrame, measures: pd.DataFrame
) -> list[str]:
    heard = conditions["noise_dbfs"][conditions["bandwidth_hz"].notna()]
    said = []
    if len(heard):
        low, half, high = np.quantile(heard, (0.05, 0.5, 0.95))
        kinds = clusters.table[clusters.table.index != NO_SOUND]
        tried = ", as many as are tried" if len(kinds) == len(clusters.bic) else ""
        said.append(
            f"The noise floor of nine of ten clips lies between {number(low)} and {number(high)} dBFS, half below "
            f"{number(half)}; the clips fall into {plural(len(kinds), 'cluster')} of noise and bandwidth{tried}."
        )
    return [*said, _narrow_said(conditions, speakers, measures), _silent_said(measures)]


def _narrow_said(conditions: pd.DataFrame, speakers: pd.DataFrame, measures: pd.DataFrame) -> str:
    wide = (measures["rate"] > WIDE_RATE).to_numpy()
    if not wide.any():
        return "At these rates a telephone's band cannot be told from the recordings' own."
    cut = int((limited(conditions).to_numpy() & wide).sum())
    said = (
        f"{plural(cut, 'clip')} ({percent(cut / wide.sum())} %) end in a steep fall at or below 4.5 kHz, as behind a "
        "telephone or a speech codec"
    )
    if speakers.empty:
        return f"{said}."
    narrow = _narrow(speakers).index
    names = f" ({listed(narrow)})" if 0 < len(narrow) <= 4 else ""
    of = f"of {plural(len(speakers), 'speaker')} with three clips and more"
    return f"{said}; {of}, {len(narrow)}{names} hardly ever reach above {NARROW_HZ / 1000:g} kHz."


def _silent_said(measures: pd.DataFrame) -> str:
    zero, still = ((measures[c] >= LONG_MS).sum() for c in ("longest_zero_ms", "longest_still_ms"))
    if not still:
        return f"No clip holds {LONG_MS} ms of digital silence."
    return (
        f"{plural(zero, 'clip')} ({percent(zero / len(measures))} %) hold {LONG_MS} ms and more of digital zeros, "
        f"{still:,} of nothing but −1, 0 and 1: no room is that quiet, something cut or muted the recording."
    )


def _plane(material: Material, heard: pd.DataFrame, clusters: Clusters) -> Markup:
    if heard.empty:
        return tag("p", "No clip has a frame of sound.")
    rng = material.rng("plane")
    drawn = heard if len(heard) <= MOST_POINTS else heard.iloc[np.sort(rng.choice(len(heard), MOST_POINTS, False))]
    of = clusters.of.reindex(drawn.index)
    # within their band, so that points of one band do not hide each other
    bandwidth = (drawn["bandwidth_hz"] - rng.uniform(0, BAND_HZ, len(drawn))) / 1000
    groups = [
        (Sample(f"cluster {k}", int(k), drawn["noise_dbfs"][of == k].to_numpy()), bandwidth[of == k].to_numpy())
        for k in sorted(of.unique())
    ]
    sampled = f" of {plural(len(drawn), 'clip')} drawn by chance from {len(heard):,}" if len(drawn) < len(heard) else ""
    told = f"Noise floor and bandwidth{sampled}; each point stands at random within its band of 250 Hz"
    drawing = scatter("Noise floor and bandwidth", groups, "noise floor, dBFS", "bandwidth, kHz")
    return tag(
        "div", figure(told, drawing, *((sample.name, sample.colour) for sample, _ in groups)), style="max-width:760px"
    )


def _cluster_table(clusters: Clusters) -> Markup:
    rows = [
        ["no sound" if k == NO_SOUND else f"cluster {k}", count(row["clips"]), count(row["speakers"]),
         *(_or_none(row[c]) for c in ("noise_dbfs", "noise_low_db", "noise_high_db", "bandwidth_hz"))]
        for k, row in clusters.table.iterrows()
    ]  # fmt: skip
    heads = [
        "medians",
        "clips",
        "speakers",
        "noise floor, dBFS",
        "below 300 Hz, dB",
        "above 3.4 kHz, dB",
        "bandwidth, Hz",
    ]
    how = f"by the BIC of mixtures of up to {len(clusters.bic)}" if len(clusters.bic) else "too few clips to tell more"
    return listing(f"Clusters of recording conditions, {how}", heads, rows)


def _or_none(value: float) -> str:
    return number(value) if np.isfinite(value) else "–"


def _panels(heard: pd.DataFrame) -> list[Markup]:
    if heard.empty:
        return []
    noise = histogram("Noise floor", heard["noise_dbfs"].to_numpy(float), "dBFS")
    bandwidth = heard["bandwidth_hz"].to_numpy(float)
    a_band = round(np.ptp(bandwidth) / BAND_HZ) + 1
    band = histogram("Bandwidth", bandwidth / 1000, "kHz", bins=a_band)
    return [
        figure("Noise floor: the quietest fifth of the frames, from 50 Hz on", noise),
        figure("Bandwidth: up to the last 250 Hz within 60 dB of the strongest", band),
    ]


def _narrow_table(speakers: pd.DataFrame) -> Markup:
    if speakers.empty:
        return tag("p", "No speaker is known with three clips and more.")
    rows = [
        [who, count(row["clips"]), count(row["widest_hz"]), percent(row["limited"]), number(row["noise_dbfs"])]
        for who, row in speakers.sort_values("widest_hz", kind="stable").head(MOST_NARROW).iterrows()
    ]
    heads = [
        "speaker",
        "clips",
        "90 % of clips end below, Hz",
        "steep fall below 4.5 kHz, % of clips",
        "noise floor, dBFS",
    ]
    return listing("Speakers of the narrowest band, of those with three clips and more", heads, rows)


def _zeros(measures: pd.DataFrame) -> pd.DataFrame:
    """Clips with stretches of at least so many ms, a row a length."""
    columns = ["leading_zero_ms", "trailing_zero_ms", "longest_zero_ms", "longest_still_ms"]
    return pd.DataFrame({ms: (measures[columns] >= ms).sum() for ms in STRETCHES_MS}).T


def _zero_table(zeros: pd.DataFrame, n: int) -> Markup:
    rows = [[f"{ms} ms and more", *map(count, row)] for ms, *row in zeros.itertuples()]
    heads = ["stretch", "zeros at the start", "zeros at the end", "zeros anywhere", "−1, 0, 1 anywhere"]
    return listing(f"Of {plural(n, 'clip')}, those with long digital silence", heads, rows)


def _told_table(told: pd.DataFrame) -> Markup:
    rows = [
        [f"{row.what}, from {row.by}", count(row.clips), count(row.classes), percent(row.chance),
         with_interval(row.accuracy, row.low, row.high)]
        for row in told.itertuples()
    ]  # fmt: skip
    heads = ["told", "clips", "classes", "by chance, %", f"mean recall, % [{LEVEL:.0%} interval]"]
    return listing(
        "Told by a random forest of clips (for words and sides: of speakers) that it has not seen", heads, rows
    )
