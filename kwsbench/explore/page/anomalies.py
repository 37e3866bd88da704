"""Clips that are unlike the others: three components to look at, and what two detectors find."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kwsbench.explore.anomalies import Components, components, unusual
from kwsbench.explore.material import Material
from kwsbench.explore.outlines import Outlines, clip_features
from kwsbench.explore.page.part import Part
from kwsbench.pages.blocks import scrolling
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.pages.players import player
from kwsbench.pages.scatter import GROUPS, Cloud, scatter_2d, scatter_3d
from kwsbench.wording import count, measure, percent, plural

MOST = 20  # clips that each detector lists
DRAWN, DRAWN_FLAT = 5000, 1500  # points at most, in three dimensions and in two
REST = "other words"


def anomalies_part(material: Material, *, audio: bool, features: Outlines | None = None) -> Part:
    """The most unusual clips of a corpus.

    Parameters
    ----------
    audio : whether listed clips can be listened to (about 4 kB a second each).
    features : of ``clip_features``, where they are known already.
    """
    if material.clips.empty:
        return Part("Anomalies", tag("p", "There are no clips to look at."))
    features = features or clip_features(material)
    places, found = components(material, features), unusual(material, features)
    isolated = found[found["isolation"].notna()].nsmallest(MOST, "isolation_rank")
    unlikely = found[found["likelihood"].notna()].nsmallest(MOST, "likelihood_rank")
    drawing, scripts = _drawing(material, places, pd.concat([isolated, unlikely])["clip"])
    both = sorted(set(isolated["clip"]) & set(unlikely["clip"]))
    findings = [_finding(found, isolated, unlikely, both)] if len(isolated) or len(unlikely) else []
    told = (
        "A clip is unusual to the isolation forest where its outline (mel bands over eighths of its length) differs "
        "from its word's mean in a way few others do, and to the hidden Markov model where its frames are unlikely "
        "under the model of its word, trained on the other half of the speakers."
    )
    body = inner(
        tag("p", told, class_="muted"),
        drawing,
        _table(material, isolated, "isolation", "Isolation forest", "score", audio),
        _table(material, unlikely, "likelihood", "GMM-HMM of the word", "nats a frame", audio),
        _unscored(found),
    )
    table = found[(found["isolation_rank"] <= 1000) | (found["likelihood_rank"] <= 1000)]
    return Part("Anomalies", body, findings, {"unusual": table.sort_values("likelihood_rank")}, scripts)


def _finding(found: pd.DataFrame, isolated: pd.DataFrame, unlikely: pd.DataFrame, both: list[str]) -> str:
    first = []
    if len(isolated):
        first.append(f"{isolated['clip'].iloc[0]} (isolation score {measure(isolated['isolation'].iloc[0])})")
    if len(unlikely):
        first.append(
            f"{unlikely['clip'].iloc[0]} ({measure(unlikely['below'].iloc[0])} nats a frame below its word's median)"
        )
    shared = f"; {plural(len(both), 'clip is', 'clips are')} among the first {MOST} of both detectors" if both else ""
    return (
        f"Of {plural(len(found), 'clip')} the most unusual to a detector: {', and '.join(first)}{shared}."
        f"{_one_speaker(unlikely)}"
    )


def _one_speaker(listed: pd.DataFrame) -> str:
    """Who most of the listed clips are by, if that is one speaker: then it is the microphone that is unusual."""
    known = listed.loc[listed["speaker"].fillna("") != "", "speaker"].value_counts()
    if known.empty or known.iloc[0] <= len(listed) / 2 or listed["speaker"].nunique() < 2:
        return ""
    return f" {known.iloc[0]} of the {len(listed)} least likely clips are by speaker {known.index[0]}."


def _drawing(material: Material, places: Components, marked: pd.Series) -> tuple[Markup, list[str]]:
    """The scatter with its caption, and its scripts."""
    points = places.points
    titles = [f"component {number} ({percent(share)} %)" for number, share in enumerate(places.shares, 1)]
    if places.shares[0] == 0:
        return tag("p", "All outlines are the same: there are no components to draw."), []
    clouds = _clouds(material, points, marked, DRAWN)
    made = scatter_3d(clouds, titles, "components")
    shown = f"{plural(sum(len(c.names) for c in clouds if not c.ring), 'clip')} of {count(len(points))}"
    by_chance = ", drawn by chance," if len(points) > DRAWN else ""
    if made:
        told = (
            f"{shown}{by_chance} on the three principal components of their outlines ({percent(places.shares.sum())} % "
            "of the variance). Turn and zoom; hold the pointer over a point for its clip, double-click a word to see "
            "it alone. Rings: the clips listed below."
        )
        return tag("div", tag("p", told), made[0], class_="card"), made[1]
    clouds = _clouds(material, points, marked, DRAWN_FLAT)
    number = sum(len(c.names) for c in clouds if not c.ring)
    panels = []
    for pair in ((0, 1), (0, 2)):
        x, y = titles[pair[0]], titles[pair[1]]
        told = f"{plural(number, 'clip')} of {count(len(points))} on {x} and {y}"
        caption = tag("figcaption", told)
        panels.append(tag("figure", caption, scatter_2d(clouds, pair, titles, told), class_="card"))
    how = "In three dimensions, to turn and zoom, with plotly installed: pip install 'kwsbench[explore]'."
    return inner(tag("div", panels, class_="charts"), tag("p", how, class_="muted")), []


def _clouds(material: Material, points: pd.DataFrame, marked: pd.Series, most: int) -> list[Cloud]:
    """A cloud a word, the most frequent first, the rest in one; then the rings."""
    rows = np.arange(len(points))
    if len(rows) > most:
        rows = np.sort(material.rng("points drawn").choice(rows, most, replace=False))
    drawn = points.iloc[rows]
    frequent = drawn["word"].value_counts().index[: GROUPS - 2]
    group = drawn["word"].where(drawn["word"].isin(frequent), REST)
    clouds = [_cloud(str(word), drawn[group == word]) for word in [*frequent, REST] if (group == word).any()]
    rings = points[points["clip"].isin(set(marked))]
    return [*clouds, _cloud("unusual clips", rings, ring=True)] if len(rings) else clouds


def _cloud(name: str, rows: pd.DataFrame, ring: bool = False) -> Cloud:
    at = tuple(rows[axis].to_numpy() for axis in ("first", "second", "third"))
    names = [
        f"{clip}{f', by {speaker}' if speaker else ''}"
        for clip, speaker in zip(rows["clip"], rows["speaker"].fillna(""), strict=True)
    ]
    return Cloud(name, at, names, ring)  # type: ignore[arg-type]


def _table(material: Material, rows: pd.DataFrame, by: str, name: str, unit: str, audio: bool) -> Markup:
    """The clips that one detector lists, with the other's rank beside."""
    title = tag("h3", name, " ", tag("small", f"the {len(rows)} most unusual clips"))
    if rows.empty:
        return inner(title, tag("p", "Too few clips of any word to tell what is unusual."))
    other = "likelihood_rank" if by == "isolation" else "isolation_rank"
    value = "isolation" if by == "isolation" else "likelihood"
    heads = ["", "clip", "word", "speaker", unit, *(["below its word's median"] if by == "likelihood" else [])]
    heads += ["rank by the other detector", *(["listen"] if audio else [])]
    lines = []
    for number, one in enumerate(rows.to_dict("records"), 1):
        cells = [tag("td", number, class_="number"), tag("th", one["clip"], scope="row")]
        cells += [tag("td", one["word"]), tag("td", one["speaker"] or "–")]
        numbers = [_signed(one[value])] + ([measure(one["below"])] if by == "likelihood" else [])
        cells += [tag("td", text, class_="number") for text in [*numbers, count(one[other])]]
        if audio:
            cells.append(tag("td", _listen(material, one["clip"])))
        lines.append(tag("tr", cells))
    head = tag("tr", [tag("th", text, scope="col") for text in heads])
    return inner(title, scrolling(name, tag("table", tag("thead", head), tag("tbody", lines), class_="heat")))


def _signed(value: float) -> str:
    return measure(value).replace("-", "−")


def _listen(material: Material, clip: str) -> Markup:
    recordings = material.sound.recordings
    return player(recordings.samples(clip), int(recordings.table["rate"][clip]), clip)


def _unscored(found: pd.DataFrame) -> Markup | None:
    """How many clips the word models say nothing of."""
    n = int(found["likelihood"].isna().sum())
    if not n:
        return None
    words = found.loc[found["likelihood"].isna(), "word"].nunique()
    few = "too few of the other speakers say the word to train a model of it"
    told = f"No likelihood for {plural(n, 'clip')} of {plural(words, 'word')}: {few}."
    return tag("p", told, class_="muted")
