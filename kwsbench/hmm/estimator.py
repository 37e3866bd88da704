"""``GMMHMM``: a classifier of words, one left-to-right GMM-HMM each, all words trained at once.

Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition", Proc. IEEE 77(2), 1989,
for the model; the Kaldi toolkit's monophone recipe (Povey et al., ASRU 2011) for how it is trained: from equal
alignment, one Gaussian a state, more by splitting as the alignment gets better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from kwsbench.hmm import passes
from kwsbench.hmm.chains import Chain, word_chain
from kwsbench.hmm.mixtures import Covariance, Mixtures, n_terms, shared_out, single
from kwsbench.hmm.monitor import Monitor
from kwsbench.hmm.packing import Chunk, checked, chunks, rows_of, spread
from kwsbench.hmm.passes import Frames, Voice, side_by_side
from kwsbench.hmm.tying import tied

if TYPE_CHECKING:
    from kwsbench.hmm.tensors import DeviceWork

PART_CHUNKS = 48  # about 50,000 frames: the piece of work that one thread takes at a time
STATE_FRAMES = 4.0  # frames that a state lasts in the median clip, for ``n_states="auto"``
LEAST_STATES, MOST_STATES = 3, 32
TIE_ITER = 4  # iterations with a Gaussian for each state, before states are tied
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
    tied_states : densities that all words' states together are left with, by clustering states that sound alike; 0:
        each state has its own.
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
    device : where Baum-Welch training and likelihoods run: "cpu"; "cuda", which is short for "torch:cuda", or another
        device of torch's after "torch:". Equal alignments, Viterbi training and ``align`` stay on the CPU, and what
        was loaded is there until it is told otherwise.
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
        tied_states: int = 0,
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
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.n_states, self.n_mixtures, self.total_gaussians, self.power = n_states, n_mixtures, total_gaussians, power
        self.tied_states, self.silence_states, self.skips, self.final = tied_states, silence_states, skips, final
        self.covariance: Covariance = covariance
        self.training, self.n_iter, self.grow_iter, self.apart, self.tol = training, n_iter, grow_iter, apart, tol
        self.variance_floor, self.prior, self.scale, self.realign = variance_floor, prior, scale, realign
        self.dtype, self.n_jobs, self.device, self.random_state = dtype, n_jobs, device, random_state

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
            if self.tied_states and iteration + 1 == TIE_ITER:
                self._tie()
            self.grow(iteration + 1)
        del self._work, self._device_work, self._frames, self._states, self._sums
        return self

    def start(self, X: np.ndarray, y: np.ndarray, lengths: np.ndarray, given: np.ndarray | None = None) -> None:
        """One Gaussian a state from equal parts of the clips, or from the states given."""
        X, lengths = checked(X, lengths)
        if self.tied_states and (self.covariance != "diag" or self.n_iter <= TIE_ITER):
            raise ValueError(f"tied_states is for diagonal covariances and n_iter above {TIE_ITER}")
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
        self.mean_, self.scale_ = spread(X)
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
        self._device_work: DeviceWork | None = None
        if self.device != "cpu" and self.training == "baum_welch":
            from kwsbench.hmm import tensors

            self._device_work = tensors.DeviceWork(self._frames, lengths, words, tensors.device_of(self.device))
        self.monitor_ = Monitor(self.classes_.tolist(), self.tol)
        self._rng = np.random.default_rng(self.random_state)
        states = np.empty(len(X), np.int64) if given is None else np.array(given, np.int64)
        if states.shape != (len(X),):
            raise ValueError(f"states has shape {states.shape}: one for each of {len(X)} frames")
        self._states = states if self.training == "viterbi" else None
        sums = np.zeros((first, n_terms(X.shape[1], self.covariance)))
        for chain, clips, parts in zip(self.chains_, own, self._work.chunks, strict=True):
            if given is None:
                states[rows_of(lengths, clips)] = chain.flat(lengths[clips])
            np.add.at(sums, chain.densities, passes.density_sums(self._frames, parts, states, chain.n_states))
        self._occupancy: np.ndarray = sums[:, -1].copy()
        self.mixtures_ = single(sums, self.floor, self.covariance)

    def iterate(self) -> float:
        """One step of expectation and maximisation; log likelihood a frame under the estimates it started from."""
        natural = self.mixtures_.natural()
        voices = [Voice.of(self.mixtures_, [chain], self._frames.dtype, natural) for chain in self.chains_]
        if self._device_work is not None:
            totals = self._device_work.expect(voices)
        else:
            align = self._aligns()
            totals = passes.expect_all(
                self._frames, self._work.parts, voices, self.n_jobs, states=self._states, align=align
            )
        sums = np.zeros((len(self.mixtures_.weights), self.mixtures_.n_terms))
        likelihoods, chains = np.zeros(len(self.chains_)), []
        for word, (chain, voice, total) in enumerate(zip(self.chains_, voices, totals, strict=True)):
            sums[voice.layout.gaussians] += total.sums
            likelihoods[word] = total.likelihoods.sum() + self._work.frames[word] * self._frames.log_scale
            chains.append(chain.estimated(total.counts))
        self._occupancy, self._sums = np.bincount(self.mixtures_.density, sums[:, -1]), sums
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
        if iteration > self.grow_iter or self.grow_iter < 1 or iteration < TIE_ITER * (self.tied_states > 0):
            return
        share = iteration / self.grow_iter
        if self.total_gaussians:
            goal = round(n_densities + share * (max(self.total_gaussians, n_densities) - n_densities))
            targets = shared_out(self._occupancy, goal, self.power, SPLIT_FRAMES)
        else:
            targets = np.ones(n_densities, np.int64)
            groups = [(self.classes_[w], chain.densities[chain.words]) for w, chain in enumerate(self.chains_)]
            if self.tied_states:
                groups = [(None, np.arange(self.silence_states, n_densities))]
            if self.silence_states:
                groups.append((None, np.arange(self.silence_states)))
            for word, densities in groups:
                goal = round(len(densities) * (1 + share * (_of_word(self.n_mixtures, word) - 1)))
                targets[densities] = shared_out(self._occupancy[densities], goal, self.power, SPLIT_FRAMES)
        self.mixtures_ = self.mixtures_.grown(np.maximum(targets, self.mixtures_.sizes), self._rng, self.apart)

    def _tie(self) -> None:
        """States that sound alike get one density, those of silence excepted."""
        silence = self.silence_states
        spoken = tied(self._sums[silence:], self.tied_states, self.floor)
        cluster = np.concatenate([np.arange(silence), silence + spoken])
        sums = np.zeros((cluster.max() + 1, self._sums.shape[1]))
        np.add.at(sums, cluster, self._sums)
        self.mixtures_, self._occupancy = single(sums, self.floor, self.covariance), sums[:, -1].copy()
        self.chains_ = [replace(chain, densities=cluster[chain.densities]) for chain in self.chains_]

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
        X, lengths = checked(X, lengths, self.n_features_in_)
        frames, voice = self.read(X), Voice.of(self.mixtures_, self.chains_, np.dtype(self.dtype))
        if self.device != "cpu":
            from kwsbench.hmm import tensors

            found = tensors.score(frames, lengths, voice, tensors.device_of(self.device))
            return found + lengths[:, None] * frames.log_scale
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

    def n_best(self, X: np.ndarray, lengths: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``n`` words of largest posterior, best first, and their log posteriors: (n_clips, n) each."""
        logs = self.predict_log_proba(X, lengths)
        order = np.argsort(-logs, axis=1, kind="stable")[:, :n]
        return self.classes_[order], np.take_along_axis(logs, order, axis=1)

    def detect(self, X: np.ndarray, lengths: np.ndarray, fillers: Sequence[Any] | None = None) -> np.ndarray:
        """float64 (n_clips, n_words): log likelihood ratio a frame of each word against a background, for detection.

        The background is the mean likelihood of the words ``fillers``; None: of all other words (Rose and Paul, "A
        hidden Markov model based keyword recognition system", ICASSP 1990).
        """
        found = self.log_likelihood(X, lengths)
        known = np.isin(self.classes_, self.classes_ if fillers is None else np.asarray(fillers))
        if fillers is not None and np.count_nonzero(known) < len(set(fillers)):
            raise ValueError(f"fillers are {list(fillers)}: words of {self.classes_.tolist()} are needed")
        ratios = np.empty_like(found)
        for word in range(found.shape[1]):
            others = found[:, known & ((np.arange(len(known)) != word) | (fillers is not None))]
            top = others.max(axis=1)
            ratios[:, word] = found[:, word] - top - np.log(np.exp(others - top[:, None]).mean(axis=1))
        return ratios / np.maximum(np.asarray(lengths), 1)[:, None]

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
        X, lengths = checked(X, lengths, self.n_features_in_)
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
