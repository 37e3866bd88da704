"""Which words look alike to Gaussian mixtures: a matrix, a dendrogram and the most alike pairs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kwsbench.explore.confusability import Confusability, confusability
from kwsbench.explore.material import Material
from kwsbench.explore.page.part import Part
from kwsbench.explore.spectra import commonest
from kwsbench.pages.blocks import scrolling
from kwsbench.pages.dendrograms import dendrogram
from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.pages.matrices import matrix_panel
from kwsbench.wording import NONE, absent, count, listed, measure, percent, plural

MOST_WORDS = 40
MOST_PAIRS = 15
_TITLE = "Words that look alike"
_UNIT = "nats a frame"


def confusability_part(material: Material, a_word: int = 200) -> Part:
    """Matrix, dendrogram and most alike pairs of at most 40 words.

    Parameters
    ----------
    a_word : clips of each word, drawn by chance.
    """
    found = confusability(material, a_word, commonest(material, MOST_WORDS))
    if found is None:
        few = "Fewer than two words have enough clips on either half of the speakers to be compared by mixtures."
        return Part(_TITLE, tag("p", few))
    by_word = errors(found)
    body = inner(
        tag("p", _told(found, a_word, material.clips["word"].nunique()), class_="muted"),
        [tag("p", sentence) for sentence in _findings(found)],
        tag("p", _agreement(found), class_="muted"),
        tag("div", _matrix(found), _tree(found), class_="charts"),
        tag("div", _pairs(found.pairs), _errors(by_word), class_="charts"),
    )
    tables = {
        "confusability": found.relative.round(4).reset_index(),
        "confusability_pairs": found.pairs.round(4),
        "confusability_errors": by_word.round(4),
    }
    return Part(_TITLE, body, _findings(found), tables)


def errors(found: Confusability) -> pd.DataFrame:
    """``word, clips, error, taken_for, taken_share``, the most often mistaken word first.

    ``taken_for`` is the other word that most of its clips are given ("" where none is), ``taken_share`` their share.
    """
    rows = []
    for word, answers in found.answers.groupby("word"):
        others = answers["answer"][answers["answer"] != word].value_counts().sort_index()
        other = others.idxmax() if len(others) else ""
        share = others.max() / len(answers) if len(others) else 0.0
        rows.append((word, len(answers), others.sum() / len(answers), other, share))
    table = pd.DataFrame(rows, columns=["word", "clips", "error", "taken_for", "taken_share"])
    return table.sort_values("error", ascending=False, kind="stable", ignore_index=True)


def _told(found: Confusability, a_word: int, n_words: int) -> str:
    n_found, people = len(found.answers), "speakers" if found.by_speaker else "clips"
    few = f" The {MOST_WORDS} words with the most clips of {n_words:,}." if n_words > MOST_WORDS else ""
    nobody = "" if found.by_speaker else " Fewer than two speakers are known, so a voice may be on either half."
    out = f" Too few clips on one half: {listed(found.left_out)}." if found.left_out else ""
    return (
        "A mixture of 8 diagonal Gaussians a word on 20 principal components of log FFT frames of speech, less "
        "each clip's mean, which takes out the microphone and much of the voice. Fitted on one half of the "
        f"{people}, scored on the other, and the other way round: {plural(found.n_frames, 'frame')} of "
        f"{plural(n_found, 'clip')}, at most {a_word:,} a word, drawn by chance."
        f"{few}{nobody}{out}"
    )


def _findings(found: Confusability) -> list[str]:
    nearest = [
        f"{p.word} and {p.other} ({measure(p.distance)} {_UNIT} apart)" for p in found.pairs.head(3).itertuples()
    ]
    heard = "speakers it has not heard" if found.by_speaker else "the other half"
    return [
        f"Most alike to a Gaussian mixture on single frames are {listed(nearest)}.",
        f"By the likelihood of all frames of a clip, without their order, {percent(found.error)} % of the clips of "
        f"{heard} are taken for another word (by chance: {percent(1 - 1 / len(found.relative))} %).",
    ]


def _agreement(found: Confusability) -> str:
    if absent(found.agreement):
        return "There are too few pairs to say whether both halves find the same ones alike."
    return (
        f"The two halves' distances of the {plural(len(found.pairs), 'pair')} have a rank correlation of "
        f"{found.agreement:.2f}".replace("-", "−")
        + "; close ranks between pairs mean little where their halves differ by more."
    )


def _matrix(found: Confusability) -> Markup:
    order = found.order
    values = found.relative.loc[order, order].to_numpy()
    off = values[~np.eye(len(order), dtype=bool)]
    low = float(np.percentile(off, 5))
    nearest = "; ".join(f"{p.word} and {p.other} {measure(p.distance)}" for p in found.pairs.head(5).itertuples())
    told = f"Log-likelihood of words' frames under other words' mixtures. Nearest, {_UNIT}: {nearest}."
    drawn = matrix_panel(told, values, order, _UNIT, (low, max(0.0, float(off.max()))))
    caption = tag(
        "figcaption",
        tag("strong", "Matrix"),
        " log-likelihood of frames of a word (row) under a mixture (column) less that under their own; light: alike",
    )
    return tag("div", tag("figure", caption, drawn), class_="card")


def _tree(found: Confusability) -> Markup:
    drawn = dendrogram("Words joined by how alike they are", found.linkage, list(found.relative.index), _UNIT)
    caption = tag("figcaption", tag("strong", "Dendrogram"), " average linkage of the symmetrised distances")
    return tag("div", tag("figure", caption, drawn), class_="card")


def _pairs(pairs: pd.DataFrame) -> Markup:
    lines = [
        (f"{p.word} – {p.other}", measure(p.distance), measure(p.first_half), measure(p.second_half))
        for p in pairs.head(MOST_PAIRS).itertuples()
    ]
    titles = ("pair", f"distance, {_UNIT}", "first half", "second half")
    return _card("The most alike pairs", titles, lines)


def _errors(by_word: pd.DataFrame) -> Markup:
    lines = []
    for e in by_word.head(MOST_PAIRS).to_dict("records"):
        most = f"{e['taken_for']} {percent(e['taken_share'])} %" if e["taken_for"] else NONE
        lines.append((str(e["word"]), count(e["clips"]), percent(e["error"]), most))
    titles = ("word", "clips", "taken for another, %", "most often for")
    return _card("The words most often mistaken", titles, lines)


def _card(title: str, titles: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> Markup:
    head = tag(
        "tr", tag("th", titles[0], scope="col"), [tag("th", t, scope="col", class_="number") for t in titles[1:]]
    )
    rows = [
        tag("tr", tag("th", first, scope="row"), [tag("td", text, class_="number") for text in rest])
        for first, *rest in lines
    ]
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="heat")
    return tag("div", tag("h3", title), scrolling(title, table), class_="card")
