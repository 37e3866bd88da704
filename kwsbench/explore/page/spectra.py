"""Mean spectra and spectrograms of words, and violins of the energy at chosen frequencies."""

import numpy as np
import pandas as pd

from kwsbench.explore.material import Material
from kwsbench.explore.page.part import Part
from kwsbench.explore.spectra import MeanSpectra, commonest, energy_at, explained, mean_spectra
from kwsbench.pages.figures import Axis, grid_x, grid_y, nice_ticks
from kwsbench.pages.images import heat_panel
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.pages.violins import violins
from kwsbench.wording import absent, listed, percent, plural

MOST_WORDS = 40
LEAST_CLIPS = 20  # of a word, for what is said of its mean
LEVEL = "dB re full scale per Hz"
_SIZE = (340, 190)
_HEARD = (100, 5000)  # Hz, that words are compared over


def spectra_part(material: Material, a_word: int = 200) -> Part:
    """Mean FFT and mean spectrogram a word, and violins a frequency, of at most 40 words.

    Parameters
    ----------
    a_word : clips of each word, drawn by chance.
    """
    words = commonest(material, MOST_WORDS)
    means = mean_spectra(material, a_word, words)
    if means.spectra.empty:
        return Part("Spectra", tag("p", "No clip has any sound in it, so there is no spectrum to show."))
    energies = energy_at(material, a_word=a_word, words=words)
    shares = explained(energies)
    n_words = material.clips["word"].nunique()
    body = inner(
        tag("p", _told(means, a_word, n_words), class_="muted"),
        tag("h3", "Mean spectrum of each word"),
        tag("p", f"Grey: the mean of all words. {_spread(means)}", class_="muted"),
        tag("div", [_line_figure(means, word) for word in means.spectra.index], class_="panels narrow"),
        tag("h3", "Mean spectrogram of each word"),
        tag("p", _scale(means), class_="muted"),
        tag("div", _heat_figures(means), class_="panels narrow"),
        tag("h3", "Energy at chosen frequencies"),
        tag("p", "Mean level of each clip within 50 Hz, words in order of their medians. Dot: median; bar: quartiles. "
            "Outlines are densities, each as wide as its row.", class_="muted"),
        tag("div", _violin_figures(energies, shares), class_="charts"),
    )  # fmt: skip
    tables = {
        "mean_spectra": means.spectra.round(2).reset_index(),
        "energy_at_frequencies": energies.pivot(index=["clip", "word", "speaker"], columns="hz", values="db")
        .round(2)
        .reset_index(),
        "energy_explained_by_word": shares.reset_index(),
    }
    findings = [sentence for sentence in [_spread(means)] if sentence]
    if shares.notna().any():
        findings.append(_explained(shares))
    return Part("Spectra", body, findings, tables)


def _told(means: MeanSpectra, a_word: int, n_words: int) -> str:
    few = f"; the {MOST_WORDS} words with the most clips of {n_words:,}" if n_words > MOST_WORDS else ""
    silent = f" {plural(means.n_silent, 'clip')} of digital silence left out." if means.n_silent else ""
    return (
        f"Means over {plural(int(means.n_clips.sum()), 'clip')}, at most {a_word:,} a word, drawn by chance{few}, at "
        f"{means.rate / 1000:g} kHz. Hann windows of 20 ms every 10 ms; levels in {LEVEL}.{silent}"
    )


def _spread(means: MeanSpectra) -> str:
    """Where mean spectra lie furthest apart, "" where too few words have clips enough to say it."""
    known = means.spectra[means.n_clips >= LEAST_CLIPS]
    if len(known) < 2:
        return ""
    # the ends of the scale are the microphone's rather than the word's
    inside = known.loc[:, (means.hz >= _HEARD[0]) & (means.hz <= min(_HEARD[1], 0.45 * means.rate))]
    hz = inside.std().idxmax()
    column = inside[hz].sort_values()
    if column.iloc[-1] - column.iloc[0] < 1:
        return "No two words' mean spectra are a decibel apart."
    return (
        f"Between {_HEARD[0]} and {min(_HEARD[1], 0.45 * means.rate):,.0f} Hz the mean spectra of the "
        f"{len(known)} words with {LEAST_CLIPS} clips or more lie furthest apart at {hz:,.0f} Hz: from "
        f"{_db(column.iloc[0])} dB ({column.index[0]}) to {_db(column.iloc[-1])} dB ({column.index[-1]})."
    )


def _explained(shares: pd.Series) -> str:
    told = listed([f"{percent(share)} % at {hz:,.0f} Hz" for hz, share in shares.dropna().items()])
    return f"Of the variance of a clip's energy the word explains {told}."


def _line_figure(means: MeanSpectra, word: str) -> Markup:
    """A word's mean spectrum beside that of all words, on axes that all words share."""
    width, height = _SIZE
    values = means.spectra.loc[word].to_numpy()
    pad = 0.04 * float(np.ptp(means.spectra.to_numpy())) or 1.0
    y = Axis(float(means.spectra.to_numpy().min()) - pad, float(means.spectra.to_numpy().max()) + pad, height - 40, 14)
    x = Axis(0, means.rate / 2000, 50, width - 10)
    peak = int(values.argmax())
    drawn = tag(
        "svg",
        tag("title", f"Mean spectrum of {word}: highest at {means.hz[peak]:,.0f} Hz, {_db(values[peak])} {LEVEL}."),
        [grid_x(v, x, y, f"{v:g}") for v in nice_ticks(x.low, x.high)],
        [grid_y(v, x, y, f"{v:g}".replace("-", "−")) for v in nice_ticks(y.low, y.high, 4)],
        _path(means.hz, means.spectra.mean().to_numpy(), x, y, "front"),
        _path(means.hz, values, x, y, "curve c0"),
        tag("text", "kHz", x=(x.start + x.stop) / 2, y=height - 6, text_anchor="middle", class_="axis"),
        tag("text", "dB", x=12, y=(y.start + y.stop) / 2, text_anchor="middle", class_="axis",
            transform=f"rotate(-90 12 {(y.start + y.stop) / 2:.0f})"),
        viewBox=f"0 0 {width} {height}", class_="chart", role="img",
    )  # fmt: skip
    caption = tag("figcaption", tag("strong", word), f" spectrum, {plural(int(means.n_clips[word]), 'clip')}")
    return tag("figure", caption, drawn)


def _path(hz: np.ndarray, levels: np.ndarray, x: Axis, y: Axis, kind: str) -> Markup:
    points = " ".join(f"{x.at(a / 1000):.1f},{y.at(b):.1f}" for a, b in zip(hz, levels, strict=True))
    return tag("polyline", points=points, class_=kind)


def _limits(means: MeanSpectra) -> tuple[float, float]:
    low, high = np.nanpercentile(means.spectrograms, (8, 99.8))
    return float(low), float(high)


def _scale(means: MeanSpectra) -> str:
    low, high = _limits(means)
    return (
        f"Darkest {_db(low)}, lightest {_db(high)} {LEVEL}, the same for all words. Clips begin at 0 s as they are "
        "recorded; a word's picture ends where fewer than half of its clips go on."
    )


def _heat_figures(means: MeanSpectra) -> list[Markup]:
    limits = _limits(means)
    half = (means.seconds[1] - means.seconds[0]) / 2 if len(means.seconds) > 1 else 0.01
    reach, top = (float(means.seconds[0] - half), float(means.seconds[-1] + half)), means.rate / 2000
    found = []
    for word, levels in zip(means.spectra.index, means.spectrograms, strict=True):
        title = f"Mean spectrogram of {word}"
        if np.isfinite(levels).any():
            row, column = np.unravel_index(np.nanargmax(levels), levels.shape)
            title += (
                f": highest at {means.hz[row]:,.0f} Hz and {means.seconds[column]:.2f} s, {_db(levels.max())} {LEVEL}"
            )
        picture = levels[: len(levels) // 2 * 2].reshape(-1, 2, levels.shape[1]).mean(axis=1)  # finer than is seen
        drawn = heat_panel(f"{title}.", picture, (*reach, "s"), (0, top, "kHz"), limits=limits, size=_SIZE)
        caption = tag("figcaption", tag("strong", word), f" spectrogram, {plural(int(means.n_clips[word]), 'clip')}")
        found.append(tag("figure", caption, drawn))
    return found


def _violin_figures(energies: pd.DataFrame, shares: pd.Series) -> list[Markup]:
    """A card a frequency, all on one axis."""
    low, high = np.quantile(energies["db"], (0.002, 0.999))
    limits = (float(low), float(high)) if high > low else (float(low) - 1, float(high) + 1)
    cards = []
    for hz, rows in energies.groupby("hz"):
        by_word = {str(word): levels.to_numpy() for word, levels in rows.groupby("word")["db"]}
        groups = sorted(by_word.items(), key=lambda group: -float(np.median(group[1])))
        share = shares[hz]
        said = "" if absent(share) else f": the word explains {percent(share)} % of the variance"
        drawn = violins(f"Energy at {hz:,.0f} Hz across words", groups, LEVEL, limits)
        caption = tag("figcaption", tag("strong", f"Energy at {hz:,.0f} Hz"), said)
        cards.append(tag("div", tag("figure", caption, drawn), class_="card"))
    return cards


def _db(value: float) -> str:
    return f"{value:.0f}".replace("-", "−")
