"""``GMMHMM``: a classifier of words, one left-to-right GMM-HMM each, all words trained at once.

Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition", Proc. IEEE 77(2), 1989,
for the model; the Kaldi toolkit's monophone recipe (Povey et al., ASRU 2011) for how it is trained: from equal
alignment, one Gaussian a state, more by splitting as the alignment gets better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from kwsbench.hmm import passes
from kwsbench.hmm.chains import Chain, word_chain
from kwsbench.hmm.mixtures import Covariance, Mixtures, n_terms, shared_out, single
from kwsbench.hmm.monitor import Monitor
from kwsbench.hmm.packing import Chunk, chunks
from kwsbench.hmm.passes import Expectations, Frames, Voice, side_by_side

PART_CHUNKS = 48  # about 50,000 frames: the piece of work that one thread takes at a time
STATE_FRAMES = 4.0  # frames that a state lasts in the median clip, for ``n_states="auto"``
LEAST_STATES, MOST_STATES = 3, 32
SPLIT_FRAMES = 10.0  # frames that each Gaussian of a split density has to hold

Report = Callable[[int, int, float], None]


class GMMHMM(ClassifierMixin, BaseEstimator):
    """Whole-word recognition with Gaussian-mixture hidden Markov models.

    Parameters
    ----------
    n_states : states of a word, or "auto": one for every four frames of the median clip of the word; or a mapping
        from words to either, with the other words' at the key None.
    n_mixtures : Gaussians of a state, on the average of the word's states; or a mapping as for ``n_states``.
    total_gaussians : of all words together, instead of ``n_mixtures``; 0: by ``n_mixtures``.
    power : a state's share of the word's Gaussians goes with its frames to this power; all share alike at 0.
    silence_states : states of a silence model, shared by all words, that may stand at both ends of each; 0: none.
    skips : whether a state may be jumped over.
    final : "last": a clip ends in a word's last state; "any": wherever it is, as hmmlearn has it.
    covariance : "diag" or "full".
    training : "baum_welch": over all ways through the states; "viterbi": over the best one, aligned anew at the
        iterations ``realign``.
    n_iter : iterations at most, the first from the equal alignment.
    grow_iter : iterations in which Gaussians are added, by about the same number each.
    apart : how many standard deviations the two halves of a Gaussian lie apart from where it was.
    tol : stop once all Gaussians are there and an iteration gains less than this, in nats a frame; 0: never before
        ``n_iter``.
    variance_floor : least variance, as a share of the variance of all frames.
    prior : of a word: its share of the clips, or the same for each.
    scale : what log likelihoods are multiplied by before priors come in (Kaldi's acoustic scale).
    realign : iterations after which Viterbi training aligns anew; (): after each.
    dtype : "float32" or "float64", of the matrix products; the recursions are in float64 always.
    n_jobs : CPU cores.
    random_state : decides in which directions Gaussians split.

    Attributes
    ----------
    classes_ : the words, sorted.
    mixtures_ : Mixtures of all states, of standardised frames; density of the silence first, then word by word.
    chains_ : a Chain a word.
    mean_, scale_ : float64 (dims,), which frames are standardised by.
    log_prior_ : float64 (words,).
    monitor_ : likelihoods by iteration and word.
    """

    def __init__(
        self,
        *,
        n_states: int | Literal["auto"] | Mapping[Any, int | Literal["auto"]] = 8,
        n_mixtures: float | Mapping[Any, float] = 4,
        total_gaussians: int = 0,
        power: float = 0.25,
        silence_states: int = 0,
        skips: bool = False,
        final: Literal["last", "any"] = "last",
        covariance: Covariance = "diag",
        training: Literal["baum_welch", "viterbi"] = "baum_welch",
        n_iter: int = 20,
        grow_iter: int = 10,
        apart: float = 0.2,
        tol: float = 0.0,
        variance_floor: float = 0.01,
        prior: Literal["train", "uniform"] = "train",
        scale: float = 1.0,
        realign: tuple[int, ...] = (),
        dtype: Literal["float32", "float64"] = "float32",
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.n_states, self.n_mixtures, self.total_gaussians, self.power = n_states, n_mixtures, total_gaussians, power
        self.silence_states, self.skips, self.final, self.covariance = silence_states, skips, final, covariance
        self.training, self.n_iter, self.grow_iter, self.apart, self.tol = training, n_iter, grow_iter, apart, tol
        self.variance_floor, self.prior, self.scale, self.realign = variance_floor, prior, scale, realign
        self.dtype, self.n_jobs, self.random_state = dtype, n_jobs, random_state

    # -- training --------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        lengths: np.ndarray,
        *,
        states: np.ndarray | None = None,
        report: Report | None = None,
    ) -> Self:
        """Learn every word from its clips.

        Parameters
        ----------
        X : (n_frames, n_dims) frames of all clips one after the other; may be memory-mapped.
        y : (n_clips,) word of each clip.
        lengths : int (n_clips,) frames of each clip.
        states : int (n_frames,) state of each frame in its word's chain, as ``align`` gives it, to start from instead
            of the equal alignment.
        report : called after each iteration with its number, ``n_iter`` and the log likelihood a frame.
        """
        self.start(X, y, lengths, states)
        for iteration in range(self.n_iter):
            gained = self.iterate()
            if report:
                report(iteration + 1, self.n_iter, gained)
            if self.tol > 0 and self.monitor_.converged:
                break
            self.grow(iteration + 1)
        del self._work, self._frames, self._states
        return self

    def start(self, X: np.ndarray, y: np.ndarray, lengths: np.ndarray, given: np.ndarray | None = None) -> None:
        """One Gaussian a state from equal parts of the clips, or from the states given."""
        X, lengths = _checked(X, lengths)
        y = np.asarray(y)
        if y.shape != lengths.shape:
            raise ValueError(f"y has shape {y.shape}, lengths {lengths.shape}: one word for each clip")
        self.classes_, words = np.unique(y, return_inverse=True)
        used = lengths > 0
        counts = np.bincount(words[used], minlength=len(self.classes_))
        if not len(counts) or counts.min() == 0:
            empty = self.classes_[counts == 0].tolist() if len(counts) else "any word"
            raise ValueError(f"no clip with a frame in it of {empty}: nothing can be learned")
        self.n_features_in_ = X.shape[1]
        share = counts / counts.sum() if self.prior == "train" else np.full(len(counts), 1 / len(counts))
        self.log_prior_ = np.log(share)
        self.mean_, self.scale_ = _spread(X)
        self._frames = self.read(X)
        own = [np.flatnonzero((words == w) & used) for w in range(len(counts))]
        silence = np.arange(self.silence_states) if self.silence_states else None
        self.chains_, first = [], self.silence_states
        for word, clips in zip(self.classes_, own, strict=True):
            n = self._states_of(word, lengths[clips])
            self.chains_.append(
                word_chain(
                    n, first, final=self.final, skips=self.skips, silence=silence, frames=float(lengths[clips].mean())
                )
            )
            first += n
        self._work = _Work([list(chunks(lengths, clips)) for clips in own], np.array([lengths[c].sum() for c in own]))
        self.monitor_ = Monitor(self.classes_.tolist(), self.tol)
        self._rng = np.random.default_rng(self.random_state)
        states = np.empty(len(X), np.int64) if given is None else np.array(given, np.int64)
        if states.shape != (len(X),):
            raise ValueError(f"states has shape {states.shape}: one for each of {len(X)} frames")
        self._states = states if self.training == "viterbi" else None
        sums = np.zeros((first, n_terms(X.shape[1], self.covariance)))
        for chain, clips, parts in zip(self.chains_, own, self._work.chunks, strict=True):
            if given is None:
                states[_rows(lengths, clips)] = chain.flat(lengths[clips])
            np.add.at(sums, chain.densities, passes.density_sums(self._frames, parts, states, chain.n_states))
        self._occupancy: np.ndarray = sums[:, -1].copy()
        self.mixtures_ = single(sums, self.floor, self.covariance)

    def iterate(self) -> float:
        """One step of expectation and maximisation; log likelihood a frame under the estimates it started from."""
        natural = self.mixtures_.natural()
        voices = [Voice.of(self.mixtures_, [chain], self._frames.dtype, natural) for chain in self.chains_]
        jobs = [(word, part) for word, parts in enumerate(self._work.parts) for part in parts]
        aligning = self._aligns()

        def work(job: tuple[int, list[Chunk]]) -> Expectations:
            return passes.expect(self._frames, job[1], voices[job[0]], states=self._states, align=aligning)

        order = sorted(range(len(jobs)), key=lambda i: -sum(len(chunk.rows) for chunk in jobs[i][1]))
        done = side_by_side(lambda i: work(jobs[i]), order, self.n_jobs)
        by_job = dict(zip(order, done, strict=True))
        sums = np.zeros((len(self.mixtures_.weights), self.mixtures_.n_terms))
        likelihoods, chains = np.zeros(len(self.chains_)), []
        for word, (chain, voice) in enumerate(zip(self.chains_, voices, strict=True)):
            total = Expectations.total([by_job[i] for i, job in enumerate(jobs) if job[0] == word])
            sums[voice.layout.gaussians] += total.sums
            likelihoods[word] = total.likelihoods.sum() + self._work.frames[word] * self._frames.log_scale
            chains.append(chain.estimated(total.counts))
        self._occupancy = np.bincount(self.mixtures_.density, sums[:, -1])
        self.monitor_.report(likelihoods, self._work.frames, len(self.mixtures_.weights))
        self.mixtures_ = self.mixtures_.estimated(sums, self.floor)
        self.chains_ = chains
        return self.monitor_.totals[-1]

    def copied(self) -> Self:
        """Another model with the same estimates; stepping one leaves the other as it is."""
        other = clone(self)
        for name in ("classes_", "mixtures_", "chains_", "mean_", "scale_", "log_prior_", "n_features_in_"):
            setattr(other, name, copy(getattr(self, name)))
        return other

    def _aligns(self) -> bool:
        """Whether this iteration of Viterbi training looks for new paths; the first goes by the equal alignment."""
        done = self.monitor_.n_iter
        return done > 0 and (not self.realign or done in self.realign)

    def grow(self, iteration: int) -> None:
        """Add the Gaussians that are due after ``iteration`` iterations."""
        n_densities = len(self._occupancy)
        if iteration > self.grow_iter or self.grow_iter < 1:
            return
        share = iteration / self.grow_iter
        if self.total_gaussians:
            goal = round(n_densities + share * (max(self.total_gaussians, n_densities) - n_densities))
            targets = shared_out(self._occupancy, goal, self.power, SPLIT_FRAMES)
        else:
            targets = np.ones(n_densities, np.int64)
            groups = [(self.classes_[w], chain.densities[chain.words]) for w, chain in enumerate(self.chains_)]
            if self.silence_states:
                groups.append((None, np.arange(self.silence_states)))
            for word, densities in groups:
                goal = round(len(densities) * (1 + share * (_of_word(self.n_mixtures, word) - 1)))
                targets[densities] = shared_out(self._occupancy[densities], goal, self.power, SPLIT_FRAMES)
        self.mixtures_ = self.mixtures_.grown(np.maximum(targets, self.mixtures_.sizes), self._rng, self.apart)

    @property
    def floor(self) -> np.ndarray:
        """Least variances of standardised frames, whose variance is 1."""
        return np.full(self.n_features_in_, self.variance_floor)

    def _states_of(self, word: object, lengths: np.ndarray) -> int:
        wanted = _of_word(self.n_states, word)
        if wanted != "auto":
            return int(wanted)
        return int(np.clip(round(float(np.median(lengths)) / STATE_FRAMES), LEAST_STATES, MOST_STATES))

    def read(self, X: np.ndarray) -> Frames:
        """Frames (n_frames, n_dims) as the passes take them."""
        return Frames(X, self.mean_, self.scale_, self.covariance, np.dtype(self.dtype))

    # -- recognition -----------------------------------------------------------------------------------------------

    def log_likelihood(self, X: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """float64 (n_clips, n_words): log density of each clip's frames under each word; 0 for a clip of no frames."""
        check_is_fitted(self)
        X, lengths = _checked(X, lengths, self.n_features_in_)
        frames, voice = self.read(X), Voice.of(self.mixtures_, self.chains_, np.dtype(self.dtype))
        parts = _parts(list(chunks(lengths, np.arange(len(lengths)))), 8)
        result = np.zeros((len(lengths), len(self.chains_)))
        for clips, found in side_by_side(lambda part: passes.score(frames, part, voice), parts, self.n_jobs):
            result[clips] = found + lengths[clips, None] * frames.log_scale
        return result

    def predict_log_proba(self, X: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """float64 (n_clips, n_words): log posterior of each word."""
        return self.posteriors(self.log_likelihood(X, lengths))

    def posteriors(self, log_likelihood: np.ndarray) -> np.ndarray:
        """float64 (n_clips, n_words): log posteriors of log likelihoods."""
        joint = self.scale * log_likelihood + self.log_prior_
        top = joint.max(axis=1, keepdims=True)
        return joint - top - np.log(np.exp(joint - top).sum(axis=1, keepdims=True))

    def predict_proba(self, X: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """float64 (n_clips, n_words): posterior of each word."""
        return np.exp(self.predict_log_proba(X, lengths))

    def predict(self, X: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(n_clips,): the word of largest posterior."""
        best = np.argmax(self.predict_log_proba(X, lengths), axis=1)
        return self.classes_[best]

    def align(self, X: np.ndarray, lengths: np.ndarray, y: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The best path of each clip through the states of its word.

        Parameters
        ----------
        y : (n_clips,) words; None: those of ``predict``.

        Returns
        -------
        states : int64 (n_frames,), counted along the word's chain, silence included.
        log_likelihood : float64 (n_clips,) of path and frames.
        """
        check_is_fitted(self)
        X, lengths = _checked(X, lengths, self.n_features_in_)
        words = np.searchsorted(self.classes_, self.predict(X, lengths) if y is None else np.asarray(y))
        frames, states, result = self.read(X), np.zeros(len(X), np.int64), np.zeros(len(lengths))
        natural = self.mixtures_.natural()
        jobs = []
        for word in np.unique(words):
            voice = Voice.of(self.mixtures_, [self.chains_[word]], frames.dtype, natural)
            parts = _parts(list(chunks(lengths, np.flatnonzero(words == word))), PART_CHUNKS)
            jobs += [(voice, part) for part in parts]
        for clips, found in side_by_side(lambda j: passes.best_paths(frames, j[1], j[0], states), jobs, self.n_jobs):
            result[clips] = found + lengths[clips] * frames.log_scale
        return states, result

    @property
    def n_params(self) -> int:
        """Numbers learned: weights, means, covariances, transitions."""
        m = self.mixtures_
        dims = self.n_features_in_
        spread = dims * (dims + 1) // 2 if m.full else dims
        return len(m.weights) * (1 + dims + spread) + sum(chain.n_arcs for chain in self.chains_)

    # -- keeping ---------------------------------------------------------------------------------------------------

    def save(self, file: str | Path) -> None:
        """Write what was learned as ``.npz``, without pickle; words have to be strings or numbers."""
        arrays: dict[str, np.ndarray] = {"classes": self.classes_, "mean": self.mean_, "scale": self.scale_}
        arrays |= {
            "log_prior": self.log_prior_,
            "acoustic_scale": np.array(self.scale),
            "dtype": np.array(self.dtype),
        }
        arrays |= {name: getattr(self.mixtures_, name) for name in ("weights", "means", "covariances", "density")}
        arrays["final"] = np.array([chain.final for chain in self.chains_])
        for word, chain in enumerate(self.chains_):
            arrays |= {f"{word}/{name}": getattr(chain, name) for name in ("arcs", "densities", "words")}
        np.savez(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """What ``save`` wrote, ready to recognise."""
        with np.load(file, allow_pickle=False) as a:
            made = cls(scale=float(a["acoustic_scale"]), dtype=str(a["dtype"]))  # type: ignore[arg-type]
            made.classes_, made.mean_, made.scale_ = a["classes"], a["mean"], a["scale"]
            made.log_prior_, made.n_features_in_ = a["log_prior"], len(a["mean"])
            made.mixtures_ = Mixtures(*(a[name] for name in ("weights", "means", "covariances", "density")))
            made.covariance = "full" if made.mixtures_.full else "diag"
            made.chains_ = [
                Chain(a[f"{w}/arcs"], a[f"{w}/densities"], str(a["final"][w]), a[f"{w}/words"])  # type: ignore[arg-type]
                for w in range(len(made.classes_))
            ]
        return made


class _Work:
    """The chunks of every word, and how they are shared out to threads."""

    def __init__(self, by_word: list[list[Chunk]], frames: np.ndarray) -> None:
        self.chunks, self.frames = by_word, frames
        self.parts = [_parts(own, PART_CHUNKS) for own in by_word]


def _parts(of: list[Chunk], size: int) -> list[list[Chunk]]:
    return [of[i : i + size] for i in range(0, len(of), size)]


def _of_word(setting: Any, word: object) -> Any:
    """A setting that is one for all words, or a mapping from words with the others' at None."""
    return setting.get(word, setting.get(None)) if isinstance(setting, Mapping) else setting


def _rows(lengths: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """int64: places of the frames of some clips, in order."""
    starts = np.cumsum(lengths) - lengths
    own = lengths[clips]
    return np.repeat(starts[clips] - (np.cumsum(own) - own), own) + np.arange(own.sum())


def _checked(X: np.ndarray, lengths: np.ndarray, dims: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Frames and lengths as arrays that go together.

    Raises
    ------
    ValueError : shapes do not fit, lengths do not add up, or a frame is not finite.
    """
    X, lengths = (X if isinstance(X, np.ndarray) else np.asarray(X)), np.asarray(lengths, np.int64)
    if X.ndim != 2 or not np.issubdtype(X.dtype, np.floating):
        raise ValueError(f"X is {X.dtype} of shape {X.shape}: give floats (n_frames, n_dims)")
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != len(X):
        raise ValueError(f"lengths add up to {lengths.sum()}, X has {len(X)} frames: give the frames of each clip")
    if dims is not None and X.shape[1] != dims:
        raise ValueError(f"X has {X.shape[1]} dimensions, the model was fitted on {dims}")
    block = 1 << 16
    for begin in range(0, len(X), block):
        if not np.isfinite(X[begin : begin + block].sum()) and not np.isfinite(X[begin : begin + block]).all():
            raise ValueError(f"X has a value that is not finite between frames {begin} and {begin + block}")
    return X, lengths


def _spread(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and 1 / deviation of each dimension (1 where it never varies), in one pass of flat memory."""
    shift = X[0].astype(np.float64) if len(X) else np.zeros(X.shape[1])
    sums, squares, block = np.zeros(X.shape[1]), np.zeros(X.shape[1]), 1 << 14
    for begin in range(0, len(X), block):
        part = X[begin : begin + block] - shift
        sums += part.sum(axis=0)
        squares += np.square(part).sum(axis=0)
    mean = sums / max(len(X), 1)
    deviation = np.sqrt(np.maximum(squares / max(len(X), 1) - mean**2, 0))
    return mean + shift, 1 / np.where(deviation > 1e-10, deviation, 1.0)
