"""Clips of a few words in every view, and their words cut into the states of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd

from kwsbench.audio import to_int16
from kwsbench.errors import UserError
from kwsbench.explore.alignment import MOST_CLIPS, Alignment, align_word
from kwsbench.explore.material import Material
from kwsbench.explore.page.part import Part
from kwsbench.explore.views import RANGE_DB, ClipViews, View, clip_views, log_spectrogram
from kwsbench.features.scales import hz_to_mel
from kwsbench.pages.blocks import scrolling
from kwsbench.pages.images import heat_axes, heat_panel
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.pages.players import player
from kwsbench.pages.traces import border, over_picture, wave_panel
from kwsbench.wording import count, listed, plural

WORDS, CLIPS = 3, 4  # words that are shown, clips of each that are aligned under each other
WANTED = ("yes", "no", "six", "stop", "seven", "marvin")  # shown first where a corpus has them
ENOUGH = 20  # clips of a word that make it worth showing
SIZE = (340, 190)
MEL_TICKS = (500, 1000, 2000, 4000, 8000, 16000)


def views_part(material: Material, *, audio: bool) -> Part:
    """A clip of each of three words in every view, and four of each aligned to the states of its model.

    Parameters
    ----------
    audio : with players of the clips.
    """
    words = shown_words(material.clips["word"])
    aligned: dict[str, Alignment] = {}
    unable: list[str] = []
    for word in words:
        try:
            aligned[word] = align_word(material, word)
        except UserError as e:
            unable.append(e.what)
    if not aligned:
        told = tag("p", "No clip can be shown: ", "; ".join(unable) or "there is none", ".")
        return Part("A clip, every view", told)
    first = [_first(material, alignment, audio) for alignment in aligned.values()]
    states = pd.concat([alignment.states() for alignment in aligned.values()], ignore_index=True)
    body = inner(
        tag("p", _how_chosen(aligned), class_="muted"),
        first,
        tag("h3", "The states of a word over its spectrograms"),
        tag("p", _how_aligned(aligned), class_="muted"),
        [tag("p", f"Not aligned: {what}.") for what in unable],
        tag("div", [_column(material, a, audio) for a in aligned.values()], class_="panels"),
        scrolling("States of the words", _state_table(states)),
    )
    findings = [_finding(alignment) for alignment in aligned.values()]
    clips = pd.concat([_with_borders(a) for a in aligned.values()], ignore_index=True)
    return Part("A clip, every view", body, findings, {"states": states, "alignment": clips})


def shown_words(words: pd.Series) -> list[str]:
    """At most three words: those wanted most that have 20 clips or more, then those with the most clips."""
    counts = words.value_counts().rename_axis("word").reset_index(name="n")
    often = counts.sort_values(["n", "word"], ascending=[False, True])["word"].tolist()
    known = dict(zip(counts["word"], counts["n"], strict=True))
    wanted = [word for word in WANTED if known.get(word, 0) >= ENOUGH]
    return list(dict.fromkeys([*wanted, *often]))[:WORDS]


# -- one clip ----------------------------------------------------------------------------------------------------------


def _first(material: Material, alignment: Alignment, audio: bool) -> Markup:
    """The likeliest clip of a word: all its views."""
    row = alignment.clips.loc[alignment.best(1)[0]]
    rate = int(material.sound.recordings.table["rate"][row["clip"]])
    views = clip_views(material.signal(row["clip"], None), rate)
    spoken = f", speaker {row['speaker']}" if row["speaker"] else ""
    kept = listed(f"{a:.2f} to {b:.2f} s ({method})" for method, (a, b) in views.speech.items())
    return tag(
        "div",
        tag("h3", f"“{alignment.word}”"),
        tag("p", tag("code", row["clip"]), f"{spoken}; {views.seconds:.2f} s at {count(rate)} Hz. Speech: {kept}."),
        player(to_int16(views.samples), rate, f"{alignment.word}, {row['clip']}") if audio else None,
        tag("div", _panels(alignment.word, views), class_="panels"),
        class_="card",
    )


def _panels(word: str, views: ClipViews) -> list[Markup]:
    log = views.log_spectrogram
    dark = float(np.percentile(log.values, 5))
    light = float(log.values.max())
    over = _speech(views, (0, views.seconds), on_picture=False)
    wave = wave_panel(f"“{word}”, {views.seconds:.2f} s", views.samples, views.rate, size=SIZE, over=over)
    scale = f"{dark:.0f} to {light:.0f}".replace("-", "−")
    return [
        _figure("Wave, and where speech is detected", wave),
        _figure(
            f"Log spectrogram, ln {scale}",
            _spectrogram(f"“{word}”: log spectrogram, {scale}", log, (dark, light), _speech(views, _span(log))),
        ),
        _figure(f"Mel power, {len(views.mel.rows)} bands, −{RANGE_DB:.0f} to 0 dB", _mel(word, views)),
        *(
            _figure(name, _cepstra(f"“{word}”: {name}", view))
            for name, view in (
                ("MFCC, 13 (0: log energy)", views.mfcc),
                ("Δ MFCC", views.deltas),
                ("ΔΔ MFCC", views.deltas2),
            )
        ),
    ]


def _span(view: View, seconds: float = 0.0) -> tuple[float, float]:
    """Seconds that the pixels of a picture's frames reach over, or up to where it is filled up to."""
    return float(view.times[0] - view.step / 2), max(float(view.times[-1] + view.step / 2), seconds)


def _spectrogram(title: str, view: View, limits: tuple[float, float], over: Sequence[Markup]) -> Markup:
    top = float(view.rows[-1])
    return heat_panel(
        title, view.values, (*_span(view), "seconds"), (0, top, "Hz"), limits=limits, size=SIZE, over=list(over)
    )


def _mel(word: str, views: ClipViews) -> Markup:
    top = views.rate / 2
    ticks = [(float(hz_to_mel(hz)), str(hz)) for hz in MEL_TICKS if hz <= top]
    title = f"“{word}”: power of mel bands, dB below the loudest"
    ends = (0, float(hz_to_mel(top)), "Hz, mel scale")
    return heat_panel(
        title, views.mel.values, (*_span(views.mel), "seconds"), ends, limits=(-RANGE_DB, 0), size=SIZE,
        over=_speech(views, _span(views.mel)), y_ticks=ticks,
    )  # fmt: skip


def _cepstra(title: str, view: View) -> Markup:
    # the loudest frames would leave nothing of the rest: the outermost hundredths are cut
    low, high = (float(v) for v in np.percentile(view.values, [1, 99]))
    title = f"{title}, {low:.1f} (dark) to {high:.1f} (light)".replace("-", "−")
    ends = (-0.5, len(view.rows) - 0.5, "coefficient")
    return heat_panel(title, view.values, (*_span(view), "seconds"), ends, limits=(low, high), size=SIZE)


def _speech(views: ClipViews, span: tuple[float, float], on_picture: bool = True) -> list[Markup]:
    """The borders of speech: full lines by energy, dashed by WebRTC's detector."""
    across, up = heat_axes(span, (0, 1), SIZE)
    return [
        border(across.at(min(max(second, span[0]), span[1])), up, dashed=method != "energy", on_picture=on_picture)
        for method, ends in views.speech.items()
        for second in ends
    ]


# -- the states of a word ----------------------------------------------------------------------------------------------


def _column(material: Material, alignment: Alignment, audio: bool) -> Markup:
    """The likeliest clips of a word by different speakers, under each other, on one axis of time."""
    rows = alignment.best(CLIPS)
    clips = alignment.clips["clip"]
    signals = {i: material.signal(clips[i], alignment.rate) for i in rows}
    longest = max(len(signal) for signal in signals.values()) / alignment.rate
    panels = [tag("h4", f"“{alignment.word}”, {plural(alignment.n_states, 'state')}")]
    for i, signal in signals.items():
        told = alignment.clips["speaker"][i] or clips[i]
        view = log_spectrogram(signal, alignment.rate)
        panels.append(_figure(told, _aligned(alignment, i, view, longest)))
        if audio:
            panels.append(player(to_int16(signal), alignment.rate, f"{alignment.word}, {clips[i]}"))
    return tag("div", panels, style="width: 340px; max-width: 100%")


def _aligned(alignment: Alignment, row: int, view: View, seconds: float) -> Markup:
    span = _span(view, seconds - view.step / 2)
    missing = max(0, round((span[1] - span[0]) / view.step) - view.values.shape[1])
    filled = np.pad(view.values, ((0, 0), (0, missing)), constant_values=np.nan)
    across, up = heat_axes(span, (0, 1), SIZE)
    borders = alignment.borders[row]
    at = [across.at(min(max(second, span[0]), span[1])) for second in borders]
    names = [over_picture(str(k + 1), (a + b) / 2, up.stop + 12, "middle") for k, (a, b) in enumerate(pairwise(at))]
    told = ", ".join(f"{second:.2f}" for second in borders)
    limits = float(np.percentile(view.values, 5)), float(view.values.max())
    return heat_panel(
        f"“{alignment.word}”, {alignment.clips['clip'][row]}: states begin at, and the last ends at, {told} s",
        filled, (*span, "seconds"), (0, float(view.rows[-1]), "Hz"), limits=limits, size=SIZE,
        over=[*(border(x, up) for x in at), *names],
    )  # fmt: skip


def _state_table(states: pd.DataFrame) -> Markup:
    heads = ("word", "state", "lasts, ms (median)", "half of the clips, ms", "centre of its spectrum, Hz (median)")
    classes = (None, "number", "number", "number", "number")
    head = tag("tr", [tag("th", text, class_=c, scope="col") for text, c in zip(heads, classes, strict=True)])
    rows = [
        tag(
            "tr",
            tag("th", row.word, scope="row"),
            tag("td", row.state, class_="number"),
            tag("td", f"{1000 * row.seconds_median:.0f}", class_="number"),
            tag("td", f"{1000 * row.seconds_q1:.0f} to {1000 * row.seconds_q3:.0f}", class_="number"),
            tag("td", count(row.centroid_hz), class_="number"),
        )
        for row in cast(Iterable[Any], states.itertuples())
    ]
    return tag("table", tag("thead", head), tag("tbody", rows))


def _with_borders(alignment: Alignment) -> pd.DataFrame:
    """A row a clip and state: where it begins and ends."""
    n = alignment.n_states
    clips = alignment.clips.loc[alignment.clips.index.repeat(n), ["clip", "speaker"]].reset_index(drop=True)
    return clips.assign(
        word=alignment.word,
        state=np.tile(np.arange(1, n + 1), len(alignment.clips)),
        start_s=alignment.borders[:, :-1].ravel(),
        stop_s=alignment.borders[:, 1:].ravel(),
        centroid_hz=alignment.centroids.ravel(),
    )


# -- sentences ---------------------------------------------------------------------------------------------------------


def _how_chosen(aligned: dict[str, Alignment]) -> str:
    words = listed(f"“{word}”" for word in aligned)
    return (
        f"Of {words} the clip is shown whose word is likeliest, a frame, under the model further below, among those "
        "that last as long as in the middle half of the clips. Each is shown at the rate it was recorded at. "
        "The log spectrogram is the natural logarithm of the power density of 16-bit samples, by Hann windows of 20 ms "
        "every 10 ms, eps 1e-10; light is much. Mel bands and cepstra have windows "
        "of 25 ms every 10 ms. Upright lines are where a detector of voice activity would trim the clip, 50 ms of "
        "margin included: full by energy (within 30 dB of the loudest frame), dashed by WebRTC's detector."
    )


def _how_aligned(aligned: dict[str, Alignment]) -> str:
    used = listed(f"{plural(len(a.clips), 'clip')} of “{word}”" for word, a in aligned.items())
    rates = listed(sorted({f"{a.rate:,} Hz" for a in aligned.values()}))
    return (
        f"A GMM-HMM learned each word from at most {MOST_CLIPS} clips drawn by chance: {used}, at {rates}. It has one "
        "state a letter (3 to 8, a rough count of sounds), left to right, and one of silence around where there is "
        "any. Nobody told it where sounds lie: the borders are those of the likeliest path (Viterbi). The clips are "
        "the likeliest of different speakers; all of a word share an axis of time, and are dark beyond their end."
    )


def _finding(alignment: Alignment) -> str:
    states = alignment.states()
    lasting = alignment.borders[:, -1] - alignment.borders[:, 0]
    low, median, high = np.percentile(lasting, [25, 50, 75])
    lengths = listed(f"{1000 * v:.0f}" for v in states["seconds_median"])
    centres = listed(count(v) for v in states["centroid_hz"])
    return (
        f"“{alignment.word}” lasts {median:.2f} s in the median of {plural(len(alignment.clips), 'aligned clip')} "
        f"(half of them {low:.2f} to {high:.2f} s); its {alignment.n_states} states last {lengths} ms, with the centre "
        f"of the spectrum at {centres} Hz."
    )


def _figure(told: str, drawing: Markup) -> Markup:
    return tag("figure", tag("figcaption", told), drawing)
