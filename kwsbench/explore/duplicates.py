"""Which recordings are there twice: as they are, or louder, later, cut or coded anew?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kwsbench.explore.material import Material
from kwsbench.explore.outlines import Outlines, clip_features

NEIGHBOURS = 5  # clips that each is held against
DIMS = 48  # components of fingerprints that neighbours are looked for in
LEAST_CHECKED, CHECKED_SHARE = 4000, 0.1  # pairs whose samples are compared, and their share of the clips if more
RATE, LOW_HZ, HIGH_HZ = 8000, 200.0, 3600.0  # samples are compared at this rate, within these frequencies
FLATTENED = 0.5  # power of its magnitude that a spectrum is divided by: vowels of one pitch are less alike then
MOST_LAG_S = 0.25
OVERLAP = 0.5  # share of either clip's energy, at least, that lies where both are
CHANCE_PAIRS = 1500  # pairs of different recordings that the threshold comes from
LEAST_SIMILARITY = 0.85  # of a duplicate: proposed pairs are more alike than chance pairs, different ones up to 0.81
FEW_CHANCE = 50  # pairs drawn by chance, below which no distribution is fitted
EXPECTED_FALSE = 0.1  # pairs of different recordings expected above the threshold, of all that are checked
PAIR = ["clip_a", "clip_b", "similarity", "same_speaker", "same_word", "exact", "speaker_a", "speaker_b"]


@dataclass(frozen=True)
class Likeness:
    """How alike pairs of clips are.

    Attributes
    ----------
    pairs : ``near_duplicates``' table.
    threshold : similarity from which a pair is called a duplicate; NaN where nothing could be compared.
    checked : similarity of every pair whose samples were compared.
    chance : similarity of pairs of different recordings of one word drawn by chance, of one speaker where there are.
    """

    pairs: pd.DataFrame
    threshold: float
    checked: np.ndarray
    chance: np.ndarray


def exact_duplicates(material: Material) -> pd.DataFrame:
    """Clips whose samples are those of another, sample by sample.

    Returns
    -------
    ``sha256, clip, word, speaker, same_speaker, same_word``, a row a clip, groups together; the last two say whether
    all of the group have the same.
    """
    clips = material.clips[["clip", "word", "speaker"]].assign(sha256=_hashes(material))
    twice = clips[clips["sha256"].duplicated(keep=False)].sort_values("sha256", kind="stable")
    groups = twice.groupby("sha256")
    for name in ("speaker", "word"):
        twice[f"same_{name}"] = groups[name].transform("nunique").eq(1)
    names = ["sha256", "clip", "word", "speaker", "same_speaker", "same_word"]
    return twice[names].reset_index(drop=True)


def near_duplicates(material: Material, features: Outlines | None = None) -> pd.DataFrame:
    """Pairs of clips that are one recording, the most alike first.

    Returns
    -------
    ``clip_a, clip_b, similarity, same_speaker, same_word, exact, speaker_a, speaker_b``. ``similarity``: see
    ``likeness``. ``exact``: all samples are the same; of several such clips, each is a pair with the first.
    """
    return likeness(material, features).pairs


def likeness(material: Material, features: Outlines | None = None) -> Likeness:
    """Near duplicates, and what the threshold they are found by rests on.

    Fingerprints propose each clip's nearest neighbours; of the closest pairs the samples are compared: highest
    correlation in 0..1 over lags of up to a quarter of a second, of what both clips hold at that lag, ``flattened``. A
    pair counts where that is higher than the highest of as many different recordings would be once in ten
    corpora (a Gumbel distribution, which highest values follow, fitted to pairs drawn by chance), and than 0.85.

    Recordings of another speed or pitch are not found, nor what has been through strong noise or a room.

    Parameters
    ----------
    features : of ``clip_features``; None: they are measured.

    Source of the idea: J. Haitsma, T. Kalker, "A highly robust audio fingerprinting system", ISMIR 2002.
    """
    features = features or clip_features(material)
    clips = material.clips
    first = _first_of_each(_hashes(material))
    alone = np.flatnonzero(first == np.arange(len(first)))
    alone = alone[np.any(features.fingerprints[alone] != 0, axis=1)]
    most = max(LEAST_CHECKED, round(CHECKED_SHARE * len(clips)))
    proposed = alone[_proposed(features.fingerprints[alone], most)]
    similarity = _compared(material, proposed, "comparing likely duplicates")
    chance = _compared(material, _chance_pairs(material, alone), "comparing other clips")
    chance = chance[chance < LEAST_SIMILARITY]  # chance draws duplicates too
    threshold = _threshold(chance, len(proposed))
    near = similarity >= threshold
    repeated = np.flatnonzero(first != np.arange(len(first)))
    a, b = np.concatenate([np.stack([first[repeated], repeated], axis=1), proposed[near]]).T
    names, speakers, words = (clips[name].fillna("").to_numpy(str) for name in ("clip", "speaker", "word"))
    table = pd.DataFrame(
        {
            "clip_a": names[a],
            "clip_b": names[b],
            "similarity": np.concatenate([np.ones(len(repeated)), similarity[near]]),
            "same_speaker": speakers[a] == speakers[b],
            "same_word": words[a] == words[b],
            "exact": np.arange(len(a)) < len(repeated),
            "speaker_a": speakers[a],
            "speaker_b": speakers[b],
        }
    )
    pairs = table.sort_values(["exact", "similarity"], ascending=False, kind="stable").reset_index(drop=True)
    return Likeness(pairs[PAIR], threshold, similarity, chance)


def correlation(a: np.ndarray, b: np.ndarray, rate: int = RATE) -> float:
    """Highest |correlation| in 0..1 of two signals over lags, of what both hold at that lag; 0 where one is silent.

    Lags reach to a quarter of a second; at each lag half of either signal's energy at least has to lie where both are.

    Parameters
    ----------
    a, b : float (n_samples,) at ``rate`` Hz, each of a length of its own.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n = next_fast_len(len(a) + len(b) - 1, real=True)
    products = irfft(rfft(a, n) * np.conj(rfft(b, n)), n)  # at lag k: sum of a[t + k] b[t]
    reach = min(round(MOST_LAG_S * rate), len(a) - 1, len(b) - 1)
    lags = np.arange(-reach, reach + 1)
    energies = []
    for own, shift in ((a, lags), (b, -lags)):
        other = len(b) if own is a else len(a)
        upto = np.concatenate([[0.0], np.cumsum(np.square(own, dtype=np.float64))])
        begin = np.clip(shift, 0, len(own))
        energies.append((upto[np.clip(shift + other, begin, len(own))] - upto[begin], upto[-1]))
    (in_a, all_a), (in_b, all_b) = energies
    allowed = (in_a >= OVERLAP * all_a) & (in_b >= OVERLAP * all_b) & (in_a > 0) & (in_b > 0)
    if not allowed.any():
        return 0.0
    values = np.abs(products[lags[allowed]]) / np.sqrt(in_a[allowed] * in_b[allowed])
    return float(min(values.max(), 1.0))


def _hashes(material: Material) -> np.ndarray:
    return material.sound.recordings.table["sha256"].reindex(material.clips["clip"]).to_numpy()


def _first_of_each(hashes: np.ndarray) -> np.ndarray:
    """int64 (n,): the first place that holds the same."""
    _, first, which = np.unique(hashes.astype(str), return_index=True, return_inverse=True)
    found: np.ndarray = first[which]
    return found


def _proposed(prints: np.ndarray, most: int) -> np.ndarray:
    """int (n_pairs, 2), the smaller first: at most ``most`` pairs of clips with the nearest fingerprints."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    if len(prints) < 2:
        return np.zeros((0, 2), np.int64)
    wide = prints.astype(np.float32)
    solver = "full" if len(prints) < 500 else "covariance_eigh"
    narrow = PCA(min(DIMS, *wide.shape), svd_solver=solver).fit_transform(wide)
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS + 1, len(narrow)), algorithm="brute").fit(narrow)
    distances, others = near.kneighbors(narrow)
    own = np.repeat(np.arange(len(narrow)), others.shape[1])
    pairs = np.sort(np.stack([own, others.ravel()], axis=1), axis=1)
    order = np.argsort(distances.ravel(), kind="stable")
    pairs = pairs[order][pairs[order, 0] != pairs[order, 1]]
    _, at = np.unique(pairs, axis=0, return_index=True)
    found: np.ndarray = pairs[np.sort(at)[:most]]
    return found


def _chance_pairs(material: Material, usable: np.ndarray) -> np.ndarray:
    """int (n_pairs, 2): different recordings of one word, by one speaker as often as there are such."""
    rng = material.rng("pairs of different recordings")
    clips = material.clips.iloc[usable]
    pairs: list[np.ndarray] = []
    for by in (["word", "speaker"], ["word"]):
        groups = [usable[rows] for rows in clips.groupby(by).indices.values() if len(rows) > 1]
        rng.shuffle(groups)
        # few groups give several pairs each
        many = groups * (CHANCE_PAIRS // 2 // max(len(groups), 1) + 1)
        pairs += [rng.choice(group, 2, replace=False) for group in many[: CHANCE_PAIRS // 2]]
    once = {tuple(sorted(pair)) for pair in np.array(pairs, np.int64).reshape(-1, 2).tolist()}
    return np.array(sorted(once), np.int64).reshape(-1, 2)


def _compared(material: Material, pairs: np.ndarray, what: str) -> np.ndarray:
    """float64 (n_pairs,): ``correlation`` of each pair of clips."""
    names = material.clips["clip"].to_numpy()
    found = np.zeros(len(pairs))
    for i, pair in enumerate(pairs):
        a, b = (flattened(material.signal(clip, RATE)) for clip in names[pair])
        found[i] = correlation(a, b)
        if i % 200 == 0 or i + 1 == len(pairs):
            material.progress(what, i + 1, len(pairs), f"{i + 1:,} of {len(pairs):,} pairs")
    return found


def flattened(signal: np.ndarray, rate: int = RATE) -> np.ndarray:
    """float32 (n_samples,): the signal from 200 to 3600 Hz, its spectrum divided by the root of its magnitude.

    Between a plain correlation, which hum and steady vowels fill, and the phase transform (C. Knapp, G. Carter, IEEE
    ASSP 24, 1976), which noise fills.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n = next_fast_len(len(signal), real=True)
    spectrum = rfft(signal, n)
    hz = np.arange(len(spectrum)) * rate / n
    magnitude = np.abs(spectrum)
    floor = max(float(magnitude.max(initial=0)) * 1e-3, 1e-12)
    weight = ((hz >= LOW_HZ) & (hz <= HIGH_HZ)) / np.maximum(magnitude, floor) ** FLATTENED
    found: np.ndarray = irfft(spectrum * weight, n)[: len(signal)]
    return found


def _threshold(chance: np.ndarray, n_checked: int) -> float:
    """What the highest of ``n_checked`` pairs like those of ``chance`` exceeds with probability ``EXPECTED_FALSE``.

    At least ``LEAST_SIMILARITY``: in Speech Commands and the Free Spoken Digit Dataset the most alike of 4,000 proposed
    pairs of different recordings had 0.81 and 0.75; copies through Opus, or in noise at 20 dB, have 0.9 and more.
    """
    from scipy.stats import gumbel_r

    if len(chance) < FEW_CHANCE or not n_checked or np.ptp(chance) == 0:
        return LEAST_SIMILARITY
    heights = np.arctanh(np.clip(chance, 0, 0.999))
    place, scale = gumbel_r.fit(heights)
    return max(float(np.tanh(gumbel_r.isf(EXPECTED_FALSE / n_checked, place, scale))), LEAST_SIMILARITY)
