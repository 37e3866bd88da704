"""Recordings that are there twice, and speaker ids that may be one person."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kwsbench.explore.duplicates import Likeness, exact_duplicates, likeness
from kwsbench.explore.material import Material
from kwsbench.explore.outlines import Outlines, clip_features
from kwsbench.explore.page.part import Part
from kwsbench.explore.speakers import LEAST_CLIPS, LEAST_SPEAKERS, SpeakerCheck, check_speakers
from kwsbench.pages.blocks import scrolling
from kwsbench.pages.figures import Axis, grid_x, grid_y, nice_ticks
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.pages.players import player
from kwsbench.wording import count, measure, percent, plural

MOST = 20  # pairs that a table shows
BINS = 40


def duplicates_part(material: Material, *, audio: bool, features: Outlines | None = None) -> Part:
    """Exact and near duplicates, within speakers and across, and suspicious pairs of speakers.

    Parameters
    ----------
    audio : whether listed pairs can be listened to (about 4 kB a second each).
    features : of ``clip_features``, where they are known already.
    """
    if material.clips.empty:
        return Part("Duplicates", tag("p", "There are no clips to look at."))
    features = features or clip_features(material)
    exact, found = exact_duplicates(material), likeness(material, features)
    speakers = check_speakers(material, features, found.pairs)
    findings = [_exact_finding(exact, len(material.clips)), _near_finding(found), *_speaker_findings(speakers)]
    body = inner(
        tag("h3", "Recordings that are there twice"),
        tag("p", findings[0]),
        tag("p", findings[1]),
        _likeness_chart(found),
        _pairs_table(material, found.pairs, audio),
        tag("h3", "Speaker ids that may be one person"),
        [tag("p", text) for text in findings[2:]],
        _speaker_chart(speakers),
        _speakers_table(speakers.pairs),
    )
    tables = {"exact_duplicates": exact, "near_duplicates": found.pairs, "suspicious_speakers": speakers.pairs}
    return Part("Duplicates", body, findings, tables)


def _exact_finding(exact: pd.DataFrame, n_clips: int) -> str:
    groups = exact["sha256"].nunique()
    if not groups:
        return f"No two of {plural(n_clips, 'clip')} hold the same samples."
    apart = exact.groupby("sha256")[["same_speaker", "same_word"]].first()
    across, mixed = int((~apart["same_speaker"]).sum()), int((~apart["same_word"]).sum())
    return (
        f"{plural(groups, 'recording is', 'recordings are')} there twice or more, sample by sample, as "
        f"{plural(len(exact), 'clip')} of {count(n_clips)}: {count(across)} of them under more than one speaker, "
        f"{count(mixed)} under more than one word."
    )


def _near_finding(found: Likeness) -> str:
    if not len(found.checked):
        return "There are no two clips with sound in them to compare."
    near = found.pairs[~found.pairs["exact"]]
    across = int((~near["same_speaker"]).sum())
    highest = found.checked[found.checked < found.threshold].max(initial=0)
    altered = "one recording, louder, shifted, cut or coded anew"
    told = (
        f"Beside those, {plural(len(near), 'pair')} of clips hold {altered}, {count(across)} under two speakers."
        if len(near)
        else f"Beside those, no two clips hold {altered}."
    )
    return (
        f"{told} The samples of {plural(len(found.checked), 'likely pair')} were "
        f"compared; a pair counts from a similarity of {found.threshold:.2f}, the most alike one that does not has "
        f"{highest:.2f}."
    )


def _speaker_findings(check: SpeakerCheck) -> list[str]:
    shared = int((check.pairs["near_duplicates"] > 0).sum())
    strong = (
        f"{plural(shared, 'pair')} of speaker ids share a recording: the same person, or a wrong id."
        if shared
        else "No recording is shared by two speaker ids."
    )
    if not check.n_speakers:
        return [
            strong,
            f"Voices are compared from {LEAST_SPEAKERS} speakers with {LEAST_CLIPS} clips each on: there are fewer.",
        ]
    n = check.n_speakers * (check.n_speakers - 1) // 2
    scored = int((check.pairs["score"] >= check.threshold).sum())
    return [
        strong,
        f"{plural(scored, 'pair')} of {count(n)} of speaker ids sound like one person (a score of "
        f"{measure(check.threshold)} nats or more, which {measure(1e4 * check.false_matches)} in 10,000 pairs of "
        f"different ids reach with half of their clips each, and {percent(1 - check.missed)} % of the halves of one "
        "id); equal error rate "
        f"{percent(check.equal_error)} %.",
        "Halves of one id share a microphone and a room, and so do some different people: a listed pair is to be "
        f"listened to, not proved, and a person who changed both is not found. {plural(check.n_left_out, 'id')} with "
        f"fewer than {LEAST_CLIPS} clips, or not drawn, took no part.",
    ]


def _likeness_chart(found: Likeness) -> Markup | None:
    if len(found.checked) < 2 or len(found.chance) < 2:
        return None
    told = (
        f"Similarity of {plural(len(found.checked), 'likely pair')} and of {plural(len(found.chance), 'pair')} of "
        f"different recordings of one word drawn by chance; line: {found.threshold:.2f}"
    )
    groups = [("likely pairs", found.checked), ("pairs drawn by chance", found.chance)]
    return _distributions(groups, (0.0, 1.0), "similarity", found.threshold, told)


def _speaker_chart(check: SpeakerCheck) -> Markup | None:
    if not len(check.same):
        return None
    low, high = np.quantile(check.different, 0.5), np.quantile(check.same, 0.98)
    limits = (float(min(low, check.threshold)), float(max(high, check.threshold)) + 1)
    told = (
        f"Scores of the two halves of {plural(len(check.same), 'speaker id')} and of {count(len(check.different))} "
        f"pairs of halves of different ids, what lies beyond the axis at its ends; line: {measure(check.threshold)} "
        "nats"
    )
    groups = [("one id", check.same), ("different ids", check.different)]
    return _distributions(groups, limits, "log likelihood ratio, nats", check.threshold, told)


def _distributions(
    groups: list[tuple[str, np.ndarray]], limits: tuple[float, float], x_title: str, line: float, told: str
) -> Markup:
    """Shares of values by bins, a step curve a group, and a line at a threshold."""
    width, height = 560, 240
    edges = np.linspace(*limits, BINS + 1)
    shares = [np.histogram(np.clip(values, *limits), edges)[0] / len(values) for _, values in groups]
    x = Axis(*limits, 58, width - 14)
    y = Axis(0, float(max(s.max() for s in shares)) * 1.05, height - 46, 14)
    curves, legend = [], []
    for colour, ((name, _), share) in enumerate(zip(groups, shares, strict=True)):
        corners = zip(np.repeat(edges, 2)[1:-1], np.repeat(share, 2), strict=True)
        points = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in corners)
        curves.append(tag("polyline", points=points, class_=f"curve c{colour}"))
        legend.append(tag("span", tag("span", class_=f"line c{colour}"), name))
    at = x.at(min(max(line, limits[0]), limits[1]))
    drawn = tag(
        "svg",
        tag("title", told),
        [grid_x(v, x, y, f"{v:g}".replace("-", "−")) for v in nice_ticks(x.low, x.high, 7)],
        [grid_y(v, x, y, f"{100 * v:.3g}") for v in nice_ticks(y.low, y.high)],
        curves,
        tag("line", x1=at, x2=at, y1=y.start, y2=y.stop, class_="kept"),
        tag("text", x_title, x=(x.start + x.stop) / 2, y=height - 6, text_anchor="middle", class_="axis"),
        tag("text", "% of pairs", x=14, y=(y.start + y.stop) / 2, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 14 {(y.start + y.stop) / 2:.0f})"),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip
    caption = tag("figcaption", told, tag("span", legend, class_="legend"))
    return tag("div", tag("figure", caption, drawn, class_="card"), class_="charts")


def _pairs_table(material: Material, pairs: pd.DataFrame, audio: bool) -> Markup | None:
    """The pairs that harm a split first: across speakers, across words, then near ones."""
    if pairs.empty:
        return None
    shown = pairs.sort_values(["same_speaker", "same_word", "exact"], kind="stable").head(MOST)
    heads = ["clip", "is also", "similarity", "speaker", "word", *(["listen"] if audio else [])]
    lines = []
    for one in shown.to_dict("records"):
        cells = [tag("th", one["clip_a"], scope="row"), tag("td", one["clip_b"])]
        cells.append(tag("td", "exact" if one["exact"] else f"{one['similarity']:.3f}", class_="number"))
        cells += [
            tag("td", "same" if one[name] else tag("strong", "another")) for name in ("same_speaker", "same_word")
        ]
        if audio:
            heard = ["clip_a"] if one["exact"] else ["clip_a", "clip_b"]
            cells.append(tag("td", [tag("div", _listen(material, one[name])) for name in heard]))
        lines.append(tag("tr", cells))
    told = f"{plural(len(shown), 'pair')} of {count(len(pairs))}, those of different speakers and words first"
    return _shown("Duplicates", told, heads, lines)


def _speakers_table(pairs: pd.DataFrame) -> Markup | None:
    if pairs.empty:
        return None
    heads = ["speaker", "may be", "score, nats", "clips", "clips", "recordings in common"]
    lines = []
    for one in pairs.head(MOST).to_dict("records"):
        numbers = [measure(one["score"]), count(one["clips_a"]), count(one["clips_b"]), count(one["near_duplicates"])]
        cells = [tag("th", one["speaker_a"], scope="row"), tag("td", one["speaker_b"])]
        lines.append(tag("tr", cells, [tag("td", text, class_="number") for text in numbers]))
    told = f"{plural(len(lines), 'pair')} of {count(len(pairs))}, the strongest evidence first"
    return _shown("Speakers", told, heads, lines)


def _shown(name: str, told: str, heads: list[str], lines: list[Markup]) -> Markup:
    head = tag("tr", [tag("th", text, scope="col") for text in heads])
    table = tag("table", tag("caption", told), tag("thead", head), tag("tbody", lines), class_="heat")
    return scrolling(name, table)


def _listen(material: Material, clip: str) -> Markup:
    recordings = material.sound.recordings
    return player(recordings.samples(clip), int(recordings.table["rate"][clip]), clip)
