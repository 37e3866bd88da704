"""Which words look alike? A Gaussian mixture a word on FFT frames, held against frames of people it has not heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.explore.material import Material
from kwsbench.explore.spectra import common_rate, density, drawn

RANGE_DB = 30.0  # a frame of speech is at most so much weaker than the clip's loudest
PCA_FRAMES = 20_000  # that the directions are found on
FRAMES_A_COMPONENT = 50  # at least, or a mixture has fewer components
LEAST_VARIANCE = 1e-3  # of a component, in nats squared


@dataclass(frozen=True)
class Confusability:
    """How alike words are to a Gaussian mixture a word.

    Attributes
    ----------
    relative : words × words; row a, column b: mean log-likelihood of a's frames under b's mixture less that under its
        own, in nats a frame. 0 on the diagonal; the nearer to 0, the more alike.
    distance : words × words, nats a frame: ``relative`` and its transpose averaged, sign turned, not below 0. It
        estimates half the divergence of Jeffreys by Monte Carlo (J. R. Hershey, P. A. Olsen, ICASSP 2007).
    pairs : ``word, other, distance, first_half, second_half``, the most alike first; the last two from either half
        alone.
    linkage : of ``distance``, average linkage, as ``scipy.cluster.hierarchy`` has it.
    answers : ``clip, word, speaker, answer``, a row a clip: the word whose mixture gives all its frames together the
        highest likelihood.
    by_speaker : halves share no speaker; False: speakers are not known, or there is one, and clips were halved.
    n_frames : that were scored.
    left_out : words with too few clips in one of the halves.
    """

    relative: pd.DataFrame
    distance: pd.DataFrame
    pairs: pd.DataFrame
    linkage: np.ndarray
    answers: pd.DataFrame
    by_speaker: bool
    n_frames: int
    left_out: list[str]

    @property
    def error(self) -> float:
        """Share of clips for which another word is chosen."""
        return float((self.answers["word"] != self.answers["answer"]).mean())

    @property
    def agreement(self) -> float:
        """Rank correlation of the pairs' distances between the two halves; NaN with fewer than three pairs."""
        halves = self.pairs[["first_half", "second_half"]].rank()
        if len(halves) < 3 or (halves.nunique() < 2).any():
            return np.nan
        return float(np.corrcoef(halves.to_numpy().T)[0, 1])

    @property
    def order(self) -> list[str]:
        """The words as the dendrogram's leaves stand: alike beside alike."""
        from scipy.cluster.hierarchy import leaves_list

        return [self.relative.index[i] for i in leaves_list(self.linkage)]


def confusability(
    material: Material,
    a_word: int = 200,
    words: Sequence[str] | None = None,
    *,
    n_components: int = 8,
    n_dims: int = 20,
    least_clips: int = 10,
    window_size: float = 20,
    step_size: float = 10,
    eps: float = 1e-10,
) -> Confusability | None:
    """Fit a mixture a word on one half of the speakers, score the other half; then the other way round.

    Frames are log FFT frames of speech (within 30 dB of the clip's loudest), less the clip's mean over them (which
    takes out the microphone and much of the voice), reduced by PCA that is fitted on the same half as the mixtures.
    The numbers of both halves are averaged.

    Parameters
    ----------
    a_word : clips of each word, drawn by chance.
    words : default all.
    n_components : Gaussians of a mixture, diagonal covariances; fewer where a word has few frames.
    n_dims : principal components.
    least_clips : of a word, that are not all zero, in either half; words with fewer are left out.
    window_size, step_size, eps : of frames, see ``spectra.mean_spectra``.

    Returns
    -------
    None where fewer than two words have so many clips in both halves.
    """
    clips = drawn(material, "confusability", a_word, words)
    one = partial(_frames, window_size=window_size, step_size=step_size, eps=eps)
    found = material.measure("frames of words", one, list(clips["clip"]), common_rate(material))
    half, by_speaker = halves(clips["speaker"].to_numpy(), clips["word"].to_numpy(), material.rng("halves of speakers"))
    lengths = np.array([len(frames) for frames in found], int)
    heard = pd.crosstab(clips["word"][lengths > 0], half[lengths > 0]).reindex(columns=[0, 1], fill_value=0)
    known = sorted(heard.index[(heard >= max(least_clips, 1)).all(axis=1)])
    left_out = sorted(set(clips["word"]) - set(known))
    if len(known) < 2:
        return None
    kept = np.flatnonzero(clips["word"].isin(known).to_numpy() & (lengths > 0))
    frames, lengths, half = np.concatenate([found[i] for i in kept]), lengths[kept], half[kept]
    clips = clips.iloc[kept]
    word = pd.Categorical(clips["word"], known).codes
    likelihood = np.zeros((len(frames), len(known)), np.float32)
    for fitted in (0, 1):
        on, to = np.repeat(half == fitted, lengths), np.repeat(half != fitted, lengths)
        seed = int(material.rng(f"mixtures of half {fitted}").integers(2**31))
        likelihood[to] = _scored(frames[on], np.repeat(word, lengths)[on], frames[to], (n_components, n_dims), seed)
    return _found(clips, word, likelihood, lengths, half, known, by_speaker=by_speaker, left_out=left_out)


def halves(speakers: np.ndarray, words: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Two halves of about as many clips that share no speaker.

    Parameters
    ----------
    speakers : (n_clips,); a clip of "" has a speaker of its own.
    words : (n_clips,); where clips are halved, each word's are.

    Returns
    -------
    0 or 1 of each clip, and whether speakers are apart: False where fewer than two are known, and clips are halved.
    """
    names = pd.Series(speakers).fillna("").astype(str).to_numpy()
    by_speaker = len(set(names) - {""}) >= 2
    alone = np.array([f"\0{i}" for i in range(len(names))])
    who = np.where(names == "", alone, names) if by_speaker else alone
    people, first, which, counts = np.unique(who, return_index=True, return_inverse=True, return_counts=True)
    side, size = np.zeros(len(people), int), [0, 0]
    by_word = np.unique(words, return_inverse=True)[1][first]
    order = np.lexsort((rng.permutation(len(people)), by_word, -counts))
    for person in order:  # the largest first, each to the smaller half
        side[person] = int(size[1] < size[0])
        size[side[person]] += counts[person]
    return side[which], by_speaker


def _frames(samples: np.ndarray, rate: int, window_size: float, step_size: float, eps: float) -> np.ndarray:
    """float16 (frames, bins): natural log of the density of frames of speech, less their mean in each bin."""
    _, found = density(samples, rate, window_size, step_size)
    power = found.sum(axis=0)
    if power.max() <= 0:
        return np.zeros((0, len(found)), np.float16)
    logs = np.log(found.T[power >= power.max() * 10 ** (-RANGE_DB / 10)] + np.float32(eps))
    return (logs - logs.mean(axis=0)).astype(np.float16)


def _scored(
    frames: np.ndarray, word: np.ndarray, others: np.ndarray, size: tuple[int, int], seed: int
) -> np.ndarray:  # fmt: skip
    """Log-likelihood (n_others, n_words) of other frames under a mixture a word, all of ``frames``."""
    from sklearn.decomposition import PCA

    n_components, n_dims = size
    few = np.random.default_rng(seed).permutation(len(frames))[:PCA_FRAMES]
    pca = PCA(min(n_dims, frames.shape[1], len(few)), random_state=seed)
    with np.errstate(divide="ignore", invalid="ignore"):  # shares of a variance that is 0: frames that are all alike
        pca.fit(frames[few].astype(np.float32))
    here, there = (pca.transform(x.astype(np.float32)).astype(np.float64) for x in (frames, others))
    columns = [_mixture(here[word == w], n_components, seed).score_samples(there) for w in range(word.max() + 1)]
    return np.stack(columns, axis=1)


def _mixture(x: np.ndarray, n_components: int, seed: int) -> Any:
    """A mixture of diagonal Gaussians on (n_frames, n_dims)."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    if len(x) == 1:
        x = np.repeat(x, 2, axis=0)  # scikit-learn asks for two
    most = max(1, min(n_components, len(x) // FRAMES_A_COMPONENT))
    mixture = GaussianMixture(most, covariance_type="diag", reg_covar=LEAST_VARIANCE, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # frames that are all alike; a hundred rounds are enough
        return mixture.fit(x)


def _found(
    clips: pd.DataFrame, word: np.ndarray, likelihood: np.ndarray, lengths: np.ndarray, half: np.ndarray,
    known: list[str], *, by_speaker: bool, left_out: list[str],
) -> Confusability:  # fmt: skip
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    sums = np.add.reduceat(likelihood.astype(np.float64), starts, axis=0)
    each = np.stack([_relative(sums[half == h], word[half == h], lengths[half == h], len(known)) for h in (0, 1)])
    relative = each.mean(axis=0)
    distance, *of_halves = (np.maximum(-(r + r.T) / 2, 0) for r in (relative, *each))
    names = pd.Index(known, name="word")
    i, j = np.triu_indices(len(known), 1)
    pairs = pd.DataFrame({"word": names[i], "other": names[j], "distance": distance[i, j]})
    pairs["first_half"], pairs["second_half"] = (d[i, j] for d in of_halves)
    return Confusability(
        relative=pd.DataFrame(relative, names, names.rename("mixture")),
        distance=pd.DataFrame(distance, names, names.rename("other")),
        pairs=pairs.sort_values("distance", kind="stable", ignore_index=True),
        linkage=linkage(squareform(distance, checks=False), "average", optimal_ordering=True),
        answers=clips[["clip", "word", "speaker"]].assign(answer=names[sums.argmax(axis=1)]).reset_index(drop=True),
        by_speaker=by_speaker,
        n_frames=int(lengths.sum()),
        left_out=left_out,
    )


def _relative(sums: np.ndarray, word: np.ndarray, lengths: np.ndarray, n_words: int) -> np.ndarray:
    """(n_words, n_words): nats a frame under each mixture, less those under the word's own."""
    member = np.eye(n_words)[word]
    mean = (member.T @ sums) / (member.T @ lengths)[:, None]
    relative: np.ndarray = mean - np.diag(mean)[:, None]
    return relative
