"""Which recordings are unlike the others of their word? Three components to look at, and two detectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kwsbench.explore.material import Material
from kwsbench.explore.outlines import Outlines, clip_features

TREES = 200
LEARNT = 80  # clips of a word, of either half of the speakers, that its model is trained on
LEAST_CLIPS = 8  # of a word in a half, below which no model is trained
TOGETHER = 5000  # clips scored at a time
IDENTITY = ["clip", "word", "speaker"]


@dataclass(frozen=True)
class Components:
    """Clips on the first principal components of their outlines.

    Attributes
    ----------
    points : ``clip, word, speaker, first, second, third``, a row a clip.
    shares : float (3,), of the variance of all outlines, that each component has; 0 where there is none.
    """

    points: pd.DataFrame
    shares: np.ndarray


def components(material: Material, features: Outlines | None = None) -> Components:
    """The first three principal components of all clips' outlines (scikit-learn's PCA).

    Parameters
    ----------
    features : of ``clip_features``; None: they are measured.
    """
    from sklearn.decomposition import PCA

    outlines = (features or clip_features(material)).outlines
    places, shares = np.zeros((len(outlines), 3)), np.zeros(3)
    n = min(3, *outlines.shape)
    if n and np.ptp(outlines, axis=0).any():
        pca = PCA(n, svd_solver="full" if len(outlines) < 500 else "covariance_eigh")
        places[:, :n] = pca.fit_transform(outlines.astype(np.float64))
        shares[:n] = pca.explained_variance_ratio_
    points = material.clips[IDENTITY].reset_index(drop=True)
    return Components(points.assign(first=places[:, 0], second=places[:, 1], third=places[:, 2]), shares)


def unusual(material: Material, features: Outlines | None = None) -> pd.DataFrame:
    """Every clip with what two detectors say of it, in the corpus's order.

    Returns
    -------
    ``clip, word, speaker``; ``isolation``: anomaly score in 0..1, high where a few random cuts set the clip apart from
    the others, of its outline as it differs from its word's (NaN for a word of one clip); ``likelihood``: log
    likelihood in nats a frame of the best path through the GMM-HMM of its word, trained on the other half of the
    speakers (NaN: too few of that half say the word); ``below``: how far that lies below the median of its word's
    clips; ``isolation_rank``, ``likelihood_rank``: 1 is the most unusual, by ``isolation`` and by ``below``.

    Sources: F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation forest", ICDM 2008; L. Rabiner, Proc. IEEE 77(2), 1989.
    """
    features = features or clip_features(material)
    clips = material.clips[IDENTITY].reset_index(drop=True)
    found = clips.assign(isolation=_isolation(material, features.outlines))
    found["likelihood"] = word_likelihoods(material, features)
    found["below"] = found.groupby("word")["likelihood"].transform("median") - found["likelihood"]
    for name, by in (("isolation", "isolation"), ("likelihood", "below")):
        found[f"{name}_rank"] = found[by].rank(ascending=False, method="first").astype("Int64")
    return found


def _isolation(material: Material, outlines: np.ndarray) -> np.ndarray:
    """float64 (n_clips,): scores of one forest over what is left of outlines once each word's mean is taken off.

    One forest, not one a word: rare words have too few clips for their own.
    """
    from sklearn.decomposition import PCA
    from sklearn.ensemble import IsolationForest

    words = material.clips["word"].to_numpy()
    result = np.full(len(outlines), np.nan)
    several = pd.Series(words).map(pd.Series(words).value_counts()).to_numpy() > 1
    if np.count_nonzero(several) < 3:
        return result
    table = pd.DataFrame(outlines[several].astype(np.float64))
    left = (table - table.groupby(words[several]).transform("mean")).to_numpy()
    if not np.ptp(left, axis=0).any():
        return result
    # cuts go along one axis at a time: along components they see what bands and parts have in common
    axes = PCA(min(30, *left.shape), svd_solver="full" if len(left) < 500 else "covariance_eigh").fit_transform(left)
    seed = int(material.rng("isolation forest").integers(2**31))
    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(axes)
    result[several] = -forest.score_samples(axes)
    return result


def word_likelihoods(material: Material, features: Outlines | None = None) -> np.ndarray:
    """float64 (n_clips,): log likelihood, in nats a frame, of each clip under the GMM-HMM of its word.

    Words are trained jointly, on one half of the speakers (of the clips, where fewer than two speakers are known), and
    score the other half, so that no clip is scored by a model that learnt it. NaN where the other half has fewer than
    eight clips of the word. Frames are 13 cepstra and their differences, not normalised: level and channel count.
    """
    frames = (features or clip_features(material)).frames
    clips = material.clips
    half, words = halves(material), clips["word"].to_numpy()
    rng = material.rng("clips for word models")
    result = np.full(len(clips), np.nan)
    for learning in (0, 1):
        chosen = []
        for rows in pd.Series(np.arange(len(clips)))[half == learning].groupby(words[half == learning]):
            own = rows[1].to_numpy()
            if len(own) >= LEAST_CLIPS:
                chosen.append(own if len(own) <= LEARNT else rng.choice(own, LEARNT, replace=False))
        if not chosen:
            continue
        model = _fitted([frames[i] for i in np.concatenate(chosen)], words[np.concatenate(chosen)], material.workers)
        scored = np.flatnonzero((half != learning) & np.isin(words, model.classes_))
        for part in (scored[i : i + TOGETHER] for i in range(0, len(scored), TOGETHER)):
            X, lengths = _stacked([frames[i] for i in part])
            result[part] = model.align(X, lengths, words[part])[1] / lengths
            material.progress("likelihoods", int(np.isfinite(result).sum()), len(clips), "under models of the words")
    return result


def halves(material: Material) -> np.ndarray:
    """int (n_clips,), 0 or 1: halves of the speakers, drawn by chance; of the clips where fewer than two are known."""
    clips = material.clips
    rng = material.rng("halves")
    speakers = clips["speaker"].fillna("").to_numpy(str)
    known = np.unique(speakers[speakers != ""])
    own = rng.permutation(np.arange(len(clips)) % 2)
    if len(known) < 2:
        return own
    side = dict(zip(rng.permutation(known), np.arange(len(known)) % 2, strict=True))
    return np.array([side.get(name, chance) for name, chance in zip(speakers, own, strict=True)])


def _fitted(frames: list[np.ndarray], words: np.ndarray, cores: int):  # type: ignore[no-untyped-def]
    from kwsbench.hmm import GMMHMM

    X, lengths = _stacked(frames)
    model = GMMHMM(n_states=6, n_mixtures=3, n_iter=8, grow_iter=4, variance_floor=0.05, final="any", n_jobs=cores)
    return model.fit(X, words, lengths)


def _stacked(frames: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Cepstra and their differences over two frames either side, float32 (all frames, 26), and frames of each clip."""
    parts = []
    for own in frames:
        found = own.astype(np.float32)
        around = np.pad(found, ((2, 2), (0, 0)), mode="edge")
        parts.append(np.hstack([found, (around[3:-1] - around[1:-3] + 2 * (around[4:] - around[:-4])) / 10]))
    return np.concatenate(parts), np.array([len(own) for own in frames])
