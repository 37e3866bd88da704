"""Are the sides of a split alike in all but who speaks? What is on each, and how far apart they are.

The distance that sides drawn by chance have is drawn too: whole speakers change sides, so that the clips of one stay
together. What is beyond that is no accident of the draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from kwsbench.errors import UserError
from kwsbench.explore.material import Material
from kwsbench.proof import SIDES
from kwsbench.schemes import LEAKY
from kwsbench.seeds import derive_seed
from kwsbench.splits import Split, make_splits

Scheme = Literal["official", "leaky_official", "hash", "speakers"]
DRAWS = 200
LEAST_SPEAKERS = 10
CHANCE = 0.95  # quantile of the distances by chance
UNITS = {
    "seconds": "s", "rms_dbfs": "dB", "peak_dbfs": "dB", "silence": "", "noise_dbfs": "dB", "noise_low_db": "dB",
    "noise_high_db": "dB", "bandwidth_hz": "Hz", "longest_zero_ms": "ms",
}  # fmt: skip
COMPARED = tuple(UNITS)


@dataclass(frozen=True)
class Checked:
    """Splits of a corpus that are looked at.

    Attributes
    ----------
    splits : each proved by ``make_splits``; names that begin with ``leaky_`` may have speakers on two sides.
    refused : scheme and why it makes no split, a sentence each.
    """

    splits: list[Split]
    refused: list[str]

    @property
    def main(self) -> Split | None:
        """The first that is disjoint in speakers, else the first."""
        disjoint = [split for split in self.splits if not split.name.startswith(LEAKY)]
        return next(iter(disjoint or self.splits), None)


def splits_to_check(material: Material) -> Checked:
    """The lists that come with the corpus; where there are none, or they share speakers, a disjoint split as well.

    That one goes by the hash of the speaker, or is the first of up to five folds of speakers where the hash leaves a
    side empty. The official test set, where it was read with the corpus, tests in one more split.
    """
    corpus = material.sound.corpus
    clips = corpus.clips
    found: list[Split] = []
    refused: list[str] = []

    def first_of(schemes: Sequence[Scheme], test: Literal["split", "official"] = "split") -> bool:
        for scheme in schemes:
            try:
                folds = max(2, min(5, clips["speaker"].nunique()))
                hashes = material.sound.recordings.table["sha256"]
                found.append(make_splits(corpus, hashes, scheme=scheme, test=test, folds=folds, seed=material.seed)[0])
                return True
            except UserError as no:
                refused.append(f"{scheme}: {no.what}")
        return False

    listed = "side" in clips and clips["side"].isin(SIDES).any()
    disjoint = listed and first_of(["official"])
    if listed and not disjoint:
        first_of(["leaky_official"])
    if not disjoint:
        first_of(["hash", "speakers"])
    if "official_label" in clips and (clips["official_label"] != "").any():
        first_of(["official", "hash"] if listed else ["hash"], "official")
    return Checked(found, refused)


def side_counts(split: Split) -> pd.DataFrame:
    """Index ``side`` in the order train, validation, test: ``clips``, ``share`` of them, ``speakers``, ``words``,
    ``least_word`` (the word with the fewest clips there, of those of the split) and ``least_clips`` (how many)."""
    rows = split.corpus.clips.set_index("clip").loc[split.sides.index]
    by_word = word_sides(split)
    found = pd.DataFrame(index=pd.Index(by_word.columns, name="side"))
    found["clips"] = split.sides.value_counts().reindex(found.index)
    found["share"] = found["clips"] / len(split.sides)
    named = rows["speaker"][rows["speaker"] != ""]
    found["speakers"] = named.groupby(split.sides).nunique().reindex(found.index, fill_value=0)
    found["words"] = (by_word > 0).sum()
    found["least_word"], found["least_clips"] = by_word.idxmin(), by_word.min()
    return found


def word_sides(split: Split) -> pd.DataFrame:
    """Clips, int, of each word (index ``word``) on each side (columns, those that have any)."""
    word = split.corpus.clips.set_index("clip")["word"].loc[split.sides.index]
    found = pd.crosstab(word, split.sides)
    return found[[side for side in SIDES if side in found]].rename_axis("word").rename_axis(None, axis=1)


def side_overlaps(split: Split, hashes: pd.Series) -> pd.DataFrame:
    """A row a pair of sides, ``a``, ``b``: ``speakers`` and ``recordings`` (by SHA-256) that are on both.

    Parameters
    ----------
    hashes : clip → SHA-256 of the decoded samples.
    """
    speaker = split.corpus.clips.set_index("clip")["speaker"].loc[split.sides.index]
    content = hashes.reindex(split.sides.index)
    rows = []
    for a, b in _pairs(split.sides):
        on_a, on_b = (split.sides == side for side in (a, b))
        speakers = (set(speaker[on_a]) & set(speaker[on_b])) - {""}
        rows.append(
            {"a": a, "b": b, "speakers": len(speakers), "recordings": len(set(content[on_a]) & set(content[on_b]))}
        )
    return pd.DataFrame(rows, columns=["a", "b", "speakers", "recordings"])


def side_distances(split: Split, measures: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """How far apart two sides are in what is said and in how it was recorded.

    Parameters
    ----------
    measures : index ``clip``, a column a quantity (such as those of ``clip_measures`` and ``condition_measures``);
        those of ``COMPARED`` that are there are compared, clips without a value left out.
    draws : assignments of speakers to sides that chance is read from.

    Returns
    -------
    A row a pair of sides and a quantity: ``a``, ``b``, ``quantity``; ``distance`` in 0..1, for ``word`` the total
    variation between the shares of words, else the Kolmogorov–Smirnov distance (the most that two shares of clips below
    a value differ by); ``by_chance``, below which 95 % of the distances are where speakers are drawn onto the sides
    anew; ``moved``, the Wasserstein distance in the quantity's ``unit``, by how much a clip would have to be moved on
    average (NaN for words).
    """
    side, names = split.sides, [s for s in SIDES if (split.sides == s).any()]
    clips = split.corpus.clips.set_index("clip").loc[side.index]
    code = side.map({name: i for i, name in enumerate(names)}).to_numpy(int)
    group = _speakers(clips["speaker"])
    drawn = _drawn(code, group, draws, np.random.default_rng(derive_seed(seed, split.name, "sides")))
    assigned = np.vstack([code[None].astype(np.int8), drawn[:, group]])
    word, words = pd.factorize(clips["word"], sort=True)
    found = {"word": (_total_variation(assigned, word, len(words), len(names)), np.full((len(names),) * 2, np.nan))}
    for quantity in COMPARED:
        if quantity in measures:
            values = measures[quantity].reindex(side.index).to_numpy(float)
            found[quantity] = _of_values(assigned, values, len(names))
    rows = []
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        for quantity, (distance, moved) in found.items():
            by_chance = np.quantile(distance[1:, i, j], CHANCE) if len(distance) > 1 else np.nan
            rows.append(
                {"a": a, "b": b, "quantity": quantity, "distance": distance[0, i, j], "by_chance": by_chance,
                 "moved": moved[i, j], "unit": UNITS.get(quantity, "")}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _pairs(sides: pd.Series) -> list[tuple[str, str]]:
    return list(combinations([side for side in SIDES if (sides == side).any()], 2))


def _speakers(speaker: pd.Series) -> np.ndarray:
    """Speakers as numbers, each nameless clip a speaker of its own, int (clips,)."""
    nameless = (speaker == "").to_numpy()
    code, names = pd.factorize(speaker.where(~nameless))
    return np.where(nameless, len(names) + np.cumsum(nameless) - 1, code)


def _drawn(code: np.ndarray, group: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """The sides of the speakers in each draw, as many speakers on each as there are, int8 (draws, speakers).

    No draw where there are fewer than ten speakers, for few splits are possible then. Who is on several sides counts
    for the one with most of his or her clips.
    """
    n_groups = int(group.max()) + 1
    if n_groups < LEAST_SPEAKERS:
        return np.zeros((0, n_groups), np.int8)
    clips = np.zeros((n_groups, int(code.max()) + 1))
    np.add.at(clips, (group, code), 1)
    own = clips.argmax(1).astype(np.int8)
    return np.array([rng.permutation(own) for _ in range(draws)])


def _total_variation(assigned: np.ndarray, word: np.ndarray, n_words: int, n_sides: int) -> np.ndarray:
    """(draws, sides, sides): half the sum of the differences between shares of words."""
    found = np.zeros((len(assigned), n_sides, n_sides))
    for draw, code in enumerate(assigned):
        counts = np.bincount(code.astype(int) * n_words + word, minlength=n_sides * n_words).reshape(n_sides, n_words)
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        found[draw] = np.abs(shares[:, None] - shares[None]).sum(2) / 2
    return found


def _of_values(assigned: np.ndarray, values: np.ndarray, n_sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Kolmogorov–Smirnov distances (draws, sides, sides), and the first assignment's Wasserstein distances."""
    there = np.isfinite(values)
    order = np.flatnonzero(there)[np.argsort(values[there], kind="stable")]
    ordered = values[order]
    # equal values are one step: only their last is a point of the distribution functions
    last = np.flatnonzero(np.append(np.diff(ordered) > 0, True)) if len(ordered) else np.zeros(0, int)
    distance = np.zeros((len(assigned), n_sides, n_sides))
    moved = np.full((n_sides, n_sides), np.nan)
    for draw, code in enumerate(assigned):
        on = code[order] == np.arange(n_sides)[:, None]
        if not on.any(1).all():
            distance[draw] = np.nan
            continue
        below = np.cumsum(on, axis=1, dtype=np.int32)[:, last] / on.sum(1, keepdims=True)
        for i, j in combinations(range(n_sides), 2):
            apart = np.abs(below[i] - below[j])
            distance[draw, i, j] = apart.max()
            if draw == 0:
                moved[i, j] = (apart[:-1] * np.diff(ordered[last])).sum()
    return distance, moved
