"""Which two speaker ids may be one person? That would break a split which is disjoint by id."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kwsbench.explore.material import Material
from kwsbench.explore.outlines import Outlines, clip_features

FALSE_MATCHES = 1e-4  # share of pairs of different speakers that may score above the threshold
LEAST_CLIPS = 4  # of a speaker: fewer say nothing of a voice
LEAST_SPEAKERS = 8  # that can be split in halves, below which nothing can be calibrated
MOST_SPEAKERS = 4000  # every two are compared; more are drawn by chance
MOST_DIMS = 40
MOST_PAIRS = 500  # kept, the highest scores
IMPOSTORS = 200  # ids that each half is held against where the threshold is found, drawn by chance


@dataclass(frozen=True)
class SpeakerCheck:
    """What was found, and how much it is worth.

    Attributes
    ----------
    pairs : ``suspicious_speakers``' table.
    n_speakers : that were compared.
    n_left_out : known speakers that were not: too few clips, or not drawn.
    threshold : score from which a pair is suspicious; NaN where nothing could be calibrated.
    false_matches : share of different ids, as halves of their clips, that reach it.
    missed : share of speakers whose own two halves do not reach it.
    equal_error : rate at which both mistakes are as frequent, halves against halves.
    same, different : scores of the halves of one id, and of different ids; what the three numbers come from.
    """

    pairs: pd.DataFrame
    n_speakers: int
    n_left_out: int
    threshold: float
    false_matches: float
    missed: float
    equal_error: float
    same: np.ndarray
    different: np.ndarray


def suspicious_speakers(
    material: Material, features: Outlines | None = None, duplicates: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Pairs of speaker ids that may be one person, the strongest evidence first; see ``check_speakers``.

    Returns
    -------
    ``speaker_a, speaker_b, score, clips_a, clips_b, near_duplicates``. ``score``: log likelihood ratio in nats of one
    voice against two. ``near_duplicates``: recordings that both have, which says more than any score.
    """
    return check_speakers(material, features, duplicates).pairs


def check_speakers(
    material: Material,
    features: Outlines | None = None,
    duplicates: pd.DataFrame | None = None,
    false_matches: float = FALSE_MATCHES,
) -> SpeakerCheck:
    """Compare every two speakers by the means of their cepstral statistics.

    Each clip has means and deviations of its cepstra and the spectrum of its background, less the mean of its word. A
    speaker is a point around which such vectors spread, speakers spread around a mean: the two-covariance model of
    probabilistic linear discriminant analysis. A pair's score is the log likelihood ratio of one point against two.

    It is calibrated on halves: speakers are halved, either half's model scores the other's; there each speaker's clips
    are drawn into two halves, which are held against each other and against other speakers' halves. Halves of one id
    share microphone and room, which a person's second id may not: such a pair scores lower than ``missed`` makes hope.

    Parameters
    ----------
    features : of ``clip_features``; None: they are measured.
    duplicates : of ``near_duplicates``; None: recordings shared by two speakers are not looked for.
    false_matches : share of pairs of different speakers that may reach the threshold.

    Source: N. Brümmer, E. de Villiers, "The speaker partitioning problem", Odyssey 2010 (two-covariance model).
    """
    names = material.clips["speaker"].fillna("").to_numpy(str)
    counts = pd.Series(names[names != ""]).value_counts()
    able = np.sort(counts.index[counts >= LEAST_CLIPS].to_numpy(str))
    rng = material.rng("speaker check")
    if len(able) > MOST_SPEAKERS:
        able = np.sort(rng.choice(able, MOST_SPEAKERS, replace=False))
    if len(able) < LEAST_SPEAKERS:
        nothing = np.zeros(0)
        pairs = _with_duplicates(pd.DataFrame(columns=["speaker_a", "speaker_b", "score"]), counts, duplicates)
        return SpeakerCheck(pairs, 0, len(counts), np.nan, np.nan, np.nan, np.nan, nothing, nothing)
    rows = np.flatnonzero(np.isin(names, able))
    who = np.searchsorted(able, names[rows])
    voices = (features or clip_features(material)).voices[rows].astype(np.float64)
    table = pd.DataFrame(voices)
    voices = (table - table.groupby(material.clips["word"].to_numpy()[rows]).transform("mean")).to_numpy()
    same, different = _calibration(voices, who, rng)
    threshold = float(np.quantile(different, 1 - false_matches, method="higher"))
    means, n = _means(_Voices.of(voices, who), voices, who)
    pairs = _above(_Voices.of(voices, who), means, n, able, threshold)
    return SpeakerCheck(
        pairs=_with_duplicates(pairs, counts, duplicates),
        n_speakers=len(able),
        n_left_out=len(counts) - len(able),
        threshold=threshold,
        false_matches=float(np.mean(different >= threshold)),
        missed=float(np.mean(same < threshold)),
        equal_error=equal_error_rate(same, different),
        same=same,
        different=different,
    )


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> float:
    """Share of ``same`` below a score and of ``different`` at or above it where both are alike; else their mean."""
    scores = np.sort(np.concatenate([same, different]))
    missed = np.searchsorted(np.sort(same), scores, "left") / len(same)
    false = 1 - np.searchsorted(np.sort(different), scores, "left") / len(different)
    at = int(np.argmin(np.abs(missed - false)))
    return float((missed[at] + false[at]) / 2)


@dataclass(frozen=True)
class _Voices:
    """A space where clips of one speaker spread by 1 in every dimension, independently.

    ``mean`` (dims,), ``axes`` (dims, kept), ``between`` (kept,): variance of speakers there.
    """

    mean: np.ndarray
    axes: np.ndarray
    between: np.ndarray

    @classmethod
    def of(cls, voices: np.ndarray, who: np.ndarray) -> _Voices:
        """From vectors (n_clips, dims) and speakers (n_clips,): moments of one-way analysis of variance."""
        from scipy.linalg import eigh

        _, who = np.unique(who, return_inverse=True)
        n = np.bincount(who).astype(float)
        mean = voices.mean(axis=0)
        centred = voices - mean
        own = np.zeros((len(n), voices.shape[1]))
        np.add.at(own, who, centred)
        own /= n[:, None]
        left = centred - own[who]
        within = left.T @ left / max(len(voices) - len(n), 1)
        around = (own * n[:, None]).T @ own / max(len(n) - 1, 1)
        size = (n.sum() - np.square(n).sum() / n.sum()) / max(len(n) - 1, 1)
        within += np.eye(len(within)) * max(1e-3 * np.trace(within) / len(within), 1e-9)
        values, axes = eigh((around - within) / size, within)
        kept = np.argsort(-values)[:MOST_DIMS]
        kept = kept[values[kept] > 1e-3]
        return cls(mean, axes[:, kept], values[kept])

    def scores(self, a: np.ndarray, n_a: np.ndarray, b: np.ndarray, n_b: np.ndarray) -> np.ndarray:
        """float64 (a, b): log likelihood ratio in nats of means (a, kept) of ``n_a`` clips and (b, kept) of ``n_b``."""
        found = np.zeros((len(a), len(b)))
        for x, y, v in zip(a.T, b.T, self.between, strict=True):
            p, q = v + 1 / n_a[:, None], v + 1 / n_b[None, :]
            left = p * q - v * v
            x2, y2, xy = np.square(x)[:, None], np.square(y)[None, :], np.outer(x, y)
            together = (q * x2 - 2 * v * xy + p * y2) / left
            found += (np.log(p * q / left) - together + x2 / p + y2 / q) / 2
        return found


def _means(space: _Voices, voices: np.ndarray, who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 (speakers, kept) and (speakers,): mean of each speaker's clips in the space, and how many they are."""
    n = np.bincount(who).astype(float)
    found = np.zeros((len(n), space.axes.shape[1]))
    np.add.at(found, who, (voices - space.mean) @ space.axes)
    return found / np.maximum(n, 1)[:, None], n


def _calibration(voices: np.ndarray, who: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores of halves of one speaker's clips, and of different speakers', by a model of other speakers."""
    n_speakers = who.max() + 1
    side = rng.permutation(np.arange(n_speakers) % 2)
    order = rng.permutation(len(who))
    place = np.empty(len(who), np.int64)
    place[order] = pd.Series(who[order]).groupby(who[order]).cumcount().to_numpy()
    half = place % 2
    same, different = [], []
    for learnt in (0, 1):
        space = _Voices.of(voices[side[who] == learnt], who[side[who] == learnt])
        ids = np.flatnonzero(side != learnt)
        ours = side[who] != learnt
        number = np.searchsorted(ids, who)
        (a, n_a), (b, n_b) = (_means(space, voices[ours & (half == h)], number[ours & (half == h)]) for h in (0, 1))
        others = rng.integers(1, len(ids), (len(ids), min(IMPOSTORS, len(ids) - 1)))
        if others.shape[1] == len(ids) - 1:
            others[:] = np.arange(1, len(ids))
        scores = space.scores(a, n_a, b, n_b)
        same.append(np.diag(scores))
        at = (np.arange(len(ids))[:, None] + others) % len(ids)
        different.append(np.take_along_axis(scores, at, axis=1).ravel())
    return np.concatenate(same), np.concatenate(different)


def _above(space: _Voices, means: np.ndarray, n: np.ndarray, names: np.ndarray, threshold: float) -> pd.DataFrame:
    """``speaker_a, speaker_b, score`` of the pairs at or above the threshold, highest first."""
    found: list[tuple[int, int, float]] = []
    for start in range(0, len(names), 256):
        part = slice(start, start + 256)
        scores = space.scores(means[part], n[part], means, n)
        for i, j in np.argwhere(scores >= threshold):
            if start + i < j:
                found.append((start + int(i), int(j), float(scores[i, j])))
    found = sorted(found, key=lambda pair: -pair[2])[:MOST_PAIRS]
    rows = [(names[i], names[j], score) for i, j, score in found]
    return pd.DataFrame(rows, columns=["speaker_a", "speaker_b", "score"])


def _with_duplicates(pairs: pd.DataFrame, counts: pd.Series, duplicates: pd.DataFrame | None) -> pd.DataFrame:
    """The table of ``suspicious_speakers``: pairs with recordings in common come first, whatever they score."""
    shared = Counter(_between(duplicates)) if duplicates is not None else Counter[tuple[str, str]]()
    scores = {(a, b): s for a, b, s in pairs[["speaker_a", "speaker_b", "score"]].itertuples(index=False)}
    rows = [
        (a, b, scores.get((a, b), np.nan), int(counts[a]), int(counts[b]), shared[a, b])
        for a, b in dict.fromkeys([*shared, *scores])
    ]
    names = ["speaker_a", "speaker_b", "score", "clips_a", "clips_b", "near_duplicates"]
    table = pd.DataFrame(rows, columns=names).astype({"score": float, "near_duplicates": int})
    return table.sort_values(["near_duplicates", "score"], ascending=False, kind="stable").reset_index(drop=True)


def _between(duplicates: pd.DataFrame) -> list[tuple[str, str]]:
    """Of each pair of clips by two known speakers: who they are, sorted."""
    found = duplicates.loc[~duplicates["same_speaker"].astype(bool), ["speaker_a", "speaker_b"]]
    both = (tuple(sorted(pair)) for pair in found.itertuples(index=False) if all(pair))
    return [(a, b) for a, b in both]
