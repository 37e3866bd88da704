"""``gmm_hmm`` with hmmlearn as its engine: what our own is measured against (Rabiner, Proc. IEEE 77(2), 1989, VI).

Trained by expectation-maximisation with hmmlearn as the reference; a clip goes to the word of the highest likelihood
times prior.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kwsbench.models import Cost, FitContext, FitLog, check_least
from kwsbench.models.gaussians import clip_blocks, frames_of, log_posteriors, log_prior, variances_of
from kwsbench.models.markov import HMM
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from kwsbench.clips import Clips


class ReferenceHMM:
    """The ``hmmlearn`` engine of ``gmm_hmm``: a GMM-HMM per word, left to right, on frames such as MFCC + Δ + ΔΔ.

    Parameters
    ----------
    states : states of a word's model.
    mixtures : Gaussians of a state.
    silence_states : states of a word whose training clips are all silence.
    unknown_mixtures : Gaussians of a state of the word ``unknown``, which has to cover many words.
    start : first alignment of frames to states: equal parts of each clip, or k-means clusters in order of time.
    skips : whether a state may be jumped over.
    variance_floor : smallest variance of a component, as a share of the variance of all training frames. The default is
        far above what numerical safety needs: it makes components smooth enough for speakers never heard.
    n_iter : most iterations of EM.
    tol : EM of a word stops once an iteration gains less than this log likelihood, in nats a frame.
    prior : share of the training clips, or the same for each word.
    max_clips_per_word : a budget: train each word on so many clips drawn at random; 0: all.
    """

    def __init__(
        self,
        *,
        states: int = 8,
        mixtures: int = 8,
        silence_states: int = 3,
        unknown_mixtures: int = 16,
        start: Literal["equal", "kmeans"] = "equal",
        skips: bool = False,
        variance_floor: float = 0.4,
        n_iter: int = 10,
        tol: float = 1e-3,
        prior: Literal["train", "uniform"] = "train",
        max_clips_per_word: int = 0,
    ) -> None:
        self.states, self.mixtures = states, mixtures
        self.silence_states, self.unknown_mixtures = silence_states, unknown_mixtures
        self.start, self.skips = start, skips
        self.variance_floor = variance_floor
        self.n_iter, self.tol = n_iter, tol
        self.prior: Literal["train", "uniform"] = prior
        self.max_clips_per_word = max_clips_per_word
        check_least(self, states=1, mixtures=1, silence_states=1, unknown_mixtures=1, variance_floor=0)
        check_least(self, n_iter=1, tol=0, max_clips_per_word=0)
        self.hmms_: list[HMM] = []
        self.log_prior_ = np.empty(0)

    def warm_up(self, train: "Clips", context: FitContext) -> None:
        """Import what ``fit`` needs."""
        import sklearn.cluster  # noqa: F401

        import kwsbench.models.left_to_right  # noqa: F401

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Fit each word on its clips, ``context.threads`` words at once; validation clips are not used.

        The history holds, for each iteration, the log likelihood a frame of each word under the estimates that the
        iteration started from.
        """
        from threadpoolctl import threadpool_limits

        frames, lengths = train.stacked()
        self.log_prior_ = log_prior(train.labels, train.targets, self.prior, lengths)
        floor = self.variance_floor * variances_of(frames)
        done = _Iterations(context, train.n_labels, self.n_iter)

        def fit_word(word: int) -> tuple[HMM, list[float]]:
            chosen = self._chosen(np.flatnonzero((train.targets == word) & (lengths > 0)), context.seed)
            silence = bool(np.all(train.is_silence[chosen]))
            own, seed = frames_of(frames, lengths, chosen), derive_seed(context.seed, "hmm", train.labels[word])
            with threadpool_limits(limits=1):  # words run side by side, each on one core
                first = self._first(own, lengths[chosen], train.labels[word], silence, floor, seed)
                fitted = self._fit_word(own, lengths[chosen], first, floor, done.of(word))
            done.of(word)(self.n_iter)
            return fitted

        with threadpool_limits(limits=1), ThreadPoolExecutor(max(context.threads, 1)) as pool:
            most_work_first = np.argsort(-np.bincount(train.targets, minlength=train.n_labels), kind="stable")
            running = {int(word): pool.submit(fit_word, int(word)) for word in most_work_first}
            words = [running[word].result() for word in range(train.n_labels)]
        self.hmms_ = [hmm for hmm, _ in words]
        return self._log(train.labels, [history for _, history in words])

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): log posterior of each word."""
        frames, lengths = clips.stacked()
        result = np.empty((len(lengths), len(self.hmms_)))
        for rows, stretch in clip_blocks(lengths):
            block = np.asarray(frames[stretch], dtype=np.float64)
            for word, hmm in enumerate(self.hmms_):
                result[rows, word] = hmm.log_likelihoods(block, lengths[rows])
        return log_posteriors(result, self.log_prior_)

    def cost(self, clips: "Clips") -> Cost:
        """Weights, means, variances and transitions; multiply-adds of densities and forward pass of a mean clip."""
        frames = float(np.mean(clips.lengths))
        moves = sum(hmm.n_moves for hmm in self.hmms_)
        params = sum(hmm.weights.size + 2 * hmm.means.size for hmm in self.hmms_) + moves
        macs = sum(2 * hmm.means.size for hmm in self.hmms_) + moves
        return Cost(params=params, macs=round(frames * macs))

    def save(self, folder: Path) -> None:
        """Write ``hmms.npz``: the prior, and the arrays of each word's model."""
        arrays = {f"{word}/{f.name}": getattr(hmm, f.name) for word, hmm in enumerate(self.hmms_) for f in fields(HMM)}
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "hmms.npz", log_prior=self.log_prior_, **arrays)

    def load(self, folder: Path) -> None:
        """Read ``hmms.npz``."""
        with np.load(folder / "hmms.npz") as arrays:
            self.log_prior_ = arrays["log_prior"]
            words = range(len(self.log_prior_))
            self.hmms_ = [HMM(*(arrays[f"{word}/{f.name}"] for f in fields(HMM))) for word in words]

    def _chosen(self, clips: np.ndarray, seed: int) -> np.ndarray:
        """The clips a word is trained on: all, or the budget's share of them."""
        if not 0 < self.max_clips_per_word < len(clips):
            return clips
        rng = np.random.default_rng(derive_seed(seed, "clips", *clips[:1]))
        return np.sort(rng.choice(clips, self.max_clips_per_word, replace=False))

    def _first(
        self, frames: np.ndarray, lengths: np.ndarray, label: str, silence: bool, floor: np.ndarray, seed: int
    ) -> HMM:
        """Where EM of a word starts."""
        from kwsbench.models.left_to_right import first_estimates

        return first_estimates(
            frames,
            lengths,
            states=self.silence_states if silence else self.states,
            mixtures=self.unknown_mixtures if label == "unknown" else self.mixtures,
            alignment=self.start,
            skips=self.skips,
            variance_floor=floor,
            seed=seed,
        )

    def _fit_word(
        self, frames: np.ndarray, lengths: np.ndarray, first: HMM, floor: np.ndarray, report: Callable[[int], None]
    ) -> tuple[HMM, list[float]]:
        """A word's estimates, and its log likelihood a frame before each iteration."""
        from kwsbench.models.left_to_right import LeftToRightGMMHMM

        model = LeftToRightGMMHMM(first, floor, self.n_iter, self.tol, report)
        model.fit(frames, lengths)
        return model.estimates, [total / len(frames) for total in model.monitor_.history]

    def _log(self, labels: Sequence[str], histories: list[list[float]]) -> FitLog:
        """The words' histories side by side; a word that stopped earlier is absent from later iterations."""
        longest = max(len(history) for history in histories)
        rows = [
            {"iteration": float(i)} | {label: h[i] for label, h in zip(labels, histories, strict=True) if i < len(h)}
            for i in range(longest)
        ]
        full = sum(len(h) == self.n_iter and not _converged(h, self.tol) for h in histories)
        note = f"{full} of {len(labels)} words still gained {self.tol:g} nats a frame at iteration {self.n_iter}"
        return FitLog(rows, best=longest - 1, notes=[note] if full else [])


def _converged(history: list[float], tol: float) -> bool:
    return len(history) > 1 and history[-1] - history[-2] < tol


class _Iterations:
    """Adds up the iterations of words that run side by side, for the progress line."""

    def __init__(self, context: FitContext, words: int, n_iter: int) -> None:
        self.context, self.total = context, words * n_iter
        self.done = [0] * words
        self.lock = threading.Lock()

    def of(self, word: int) -> Callable[[int], None]:
        def report(iteration: int) -> None:
            with self.lock:
                self.done[word] = iteration
                self.context.progress("fit", sum(self.done), self.total)

        return report
