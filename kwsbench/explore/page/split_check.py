"""Sides of the splits, their sizes and the distances between them, drawn."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kwsbench.explore.conditions import condition_measures
from kwsbench.explore.counts import clip_measures
from kwsbench.explore.material import Material
from kwsbench.explore.page.listing import card, figure, listing
from kwsbench.explore.page.part import Part
from kwsbench.explore.split_check import (
    CHANCE,
    DRAWS,
    side_counts,
    side_distances,
    side_overlaps,
    splits_to_check,
    word_sides,
)
from kwsbench.pages.distributions import Sample, cumulative, number
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.proof import SIDES
from kwsbench.schemes import LEAKY
from kwsbench.splits import Split
from kwsbench.wording import count, listed, percent, plural

NAMES = {
    "word": "words", "seconds": "length", "rms_dbfs": "RMS level", "peak_dbfs": "peak level",
    "silence": "share without speech", "noise_dbfs": "noise floor", "noise_low_db": "noise below 300 Hz",
    "noise_high_db": "noise above 3.4 kHz", "bandwidth_hz": "bandwidth", "longest_zero_ms": "longest digital zeros",
}  # fmt: skip
DRAWN = {"rms_dbfs": "dBFS", "noise_dbfs": "dBFS", "seconds": "s"}
LARGE = 0.2  # a distance that is seen without a test


def split_check_part(
    material: Material, measures: pd.DataFrame | None = None, conditions: pd.DataFrame | None = None
) -> Part:
    """What is on each side and how far apart the sides are; for its arguments see ``conditions_part``."""
    measures = clip_measures(material) if measures is None else measures
    conditions = condition_measures(material) if conditions is None else conditions
    together = measures.join(conditions)
    checked = splits_to_check(material)
    hashes = material.sound.recordings.table["sha256"]
    body: list[Markup] = []
    said: list[str] = []
    tables: dict[str, pd.DataFrame] = {}
    for split in checked.splits:
        counts, overlaps = side_counts(split), side_overlaps(split, hashes)
        distances = side_distances(split, together, seed=material.seed)
        body.append(
            card(
                tag("h3", f"Split {split.name}"),
                _side_table(counts),
                tag("p", _shared(split, overlaps)),
                _distance_table(distances),
                _drawings(split, together),
            )
        )
        said += [_sizes(split, counts), _shared(split, overlaps), _apart(split, distances)]
        key = split.name.replace("/", "_").replace("+", "_")
        tables[f"sides_{key}"] = word_sides(split).reset_index()
        tables[f"distances_{key}"] = distances
    refused = [f"No split by {text}." for text in checked.refused]
    if not checked.splits:
        said.append(f"No split can be made of these clips: {'; '.join(checked.refused)}.")
    return Part("Split check", inner(body, [tag("p", text, class_="muted") for text in refused]), said, tables)


def _sizes(split: Split, counts: pd.DataFrame) -> str:
    n_words, rows = len(word_sides(split)), list[Any](counts.itertuples())
    sides = [f"{plural(row.clips, 'clip')} of {plural(row.speakers, 'speaker')} ({row.Index})" for row in rows]
    missing = [f"{row.Index} lacks {plural(n_words - row.words, 'word')}" for row in rows if row.words < n_words]
    return f"Split {split.name}: {listed(sides)}{'; ' + listed(missing) if missing else ''}."


def _shared(split: Split, overlaps: pd.DataFrame) -> str:
    speakers, recordings = overlaps["speakers"].max(), overlaps["recordings"].max()
    alike = "no recording" if not recordings else plural(recordings, "recording")
    if not speakers:
        return f"Split {split.name}: no speaker and {alike} on two sides."
    leak = "a leak" if not split.name.startswith(LEAKY) else "a leak, as its name says"
    return f"Split {split.name}: {plural(speakers, 'speaker')} and {alike} on two sides, {leak}."


def _apart(split: Split, distances: pd.DataFrame) -> str:
    if distances["by_chance"].isna().all():
        far = distances[distances["distance"] >= LARGE]
        return (
            f"Split {split.name}: too few speakers to say what distances chance would give; "
            f"{_of(far, distances)} {LARGE:g} and more{_farthest(distances)}."
        )
    beyond = distances[distances["distance"] > distances["by_chance"]]
    return (
        f"Split {split.name}: {_of(beyond, distances)} beyond what speakers drawn by chance give "
        f"({(1 - CHANCE) * len(distances):.1f} would be by chance){_farthest(beyond)}."
    )


def _of(some: pd.DataFrame, distances: pd.DataFrame) -> str:
    return f"{len(some)} of {len(distances)} distances between sides {'is' if len(some) == 1 else 'are'}"


def _farthest(distances: pd.DataFrame) -> str:
    if distances.empty:
        return ""
    row = distances.sort_values("distance", kind="stable").iloc[-1]
    return f"; the largest is {row['distance']:.2f}, in {NAMES[row['quantity']]} of {row['a']} and {row['b']}"


def _side_table(counts: pd.DataFrame) -> Markup:
    rows = [
        [side, count(row["clips"]), percent(row["share"]), count(row["speakers"]), count(row["words"]),
         f"{row['least_word']}: {count(row['least_clips'])}"]
        for side, row in counts.iterrows()
    ]  # fmt: skip
    return listing("Sides", ["side", "clips", "%", "speakers", "words", "rarest word"], rows)


def _distance_table(distances: pd.DataFrame) -> Markup:
    pairs = list(dict.fromkeys(zip(distances["a"], distances["b"], strict=True)))
    cells = {(row.a, row.b, row.quantity): _distance(row) for row in distances.itertuples()}
    quantities = dict.fromkeys(distances["quantity"])
    rows = [[NAMES[quantity], *(cells[a, b, quantity] for a, b in pairs)] for quantity in quantities]
    told = (
        "Distances between sides, 0 to 1: of words total variation, of the others Kolmogorov–Smirnov; in brackets what "
        f"{CHANCE:.0%} of {DRAWS} draws of speakers stay below, bold where it is passed; then by how much clips would "
        "have to be moved on average (Wasserstein)"
    )
    return listing(told, ["", *(f"{a}, {b}" for a, b in pairs)], rows)


def _distance(row: Any) -> Markup:
    beyond = row.distance > row.by_chance
    chance = f" ({row.by_chance:.3f})" if pd.notna(row.by_chance) else ""
    moved = f" · {number(row.moved)} {row.unit}".rstrip() if pd.notna(row.moved) else ""
    return inner(tag("strong" if beyond else "span", f"{row.distance:.3f}"), chance, moved)


def _drawings(split: Split, measures: pd.DataFrame) -> Markup:
    sides = [side for side in SIDES if (split.sides == side).any()]
    drawn = []
    for quantity, unit in DRAWN.items():
        values = measures[quantity].reindex(split.sides.index)
        samples = [Sample(s, i, values[split.sides == s].to_numpy(float)) for i, s in enumerate(sides)]
        title = NAMES[quantity].capitalize() if not NAMES[quantity].startswith("RMS") else NAMES[quantity]
        drawing = cumulative(title, samples, f"{NAMES[quantity]}, {unit}")
        drawn.append(figure(f"{title} by side, split {split.name}", drawing, *((s, i) for i, s in enumerate(sides))))
    return tag("div", drawn, class_="panels")
