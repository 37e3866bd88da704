"""One Gaussian mixture for each word, on frames without order (Reynolds and Rose, IEEE Trans. SAP 3(1), 1995).

What a word's clips sound like, not how they go on: the gap to ``gmm_hmm`` is what order in time is worth.
"""

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from kwsbench.models import Cost, FitContext, FitLog, check_least
from kwsbench.models.gaussians import (
    clip_blocks,
    frames_of,
    log_densities,
    log_posteriors,
    log_prior,
    log_sum_exp,
    natural_parameters,
)
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

    from kwsbench.clips import Clips


class GMM:
    """A scikit-learn ``GaussianMixture`` with diagonal covariances per word.

    Parameters
    ----------
    mixtures : Gaussians of a word.
    max_frames_per_word : a budget: fit each word on so many frames drawn at random from its clips; 0: all.
    likelihood : of a clip: the sum over its frames, or their mean, with which priors weigh as in one frame.
    variance_floor : added to the variance of each component (scikit-learn's ``reg_covar``), in the frames' units.
    n_iter : most iterations of EM.
    tol : EM of a word stops once an iteration gains less than this log likelihood, in nats a frame.
    prior : share of the training clips, or the same for each word.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "mfcc",
        "n_filters": 20,
        "deltas": 2,
        "normalise": "utterance",
        "fit": "none",
    }

    def __init__(
        self,
        *,
        mixtures: int = 32,
        max_frames_per_word: int = 20000,
        likelihood: Literal["sum", "mean"] = "sum",
        variance_floor: float = 1e-3,
        n_iter: int = 50,
        tol: float = 1e-3,
        prior: Literal["train", "uniform"] = "train",
    ) -> None:
        self.mixtures = mixtures
        self.max_frames_per_word = max_frames_per_word
        self.likelihood: Literal["sum", "mean"] = likelihood
        self.variance_floor = variance_floor
        self.n_iter, self.tol = n_iter, tol
        self.prior: Literal["train", "uniform"] = prior
        check_least(self, mixtures=1, max_frames_per_word=0, variance_floor=0, n_iter=1, tol=0)
        self.weights_ = self.log_prior_ = np.empty(0)  # weights (words, mixtures); 0 where a word has fewer
        self.means_ = self.variances_ = np.empty(0)  # (words, mixtures, dims)

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return {"mixtures": 2, "max_frames_per_word": 500, "n_iter": 5}

    def warm_up(self, train: "Clips", context: FitContext) -> None:
        """Import what ``fit`` needs."""
        import sklearn.mixture  # noqa: F401

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Fit each word on its frames, ``context.threads`` words at once; validation clips are not used."""
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        frames, lengths = train.stacked()
        self.log_prior_ = log_prior(train.labels, train.targets, self.prior, lengths)

        def fit_word(word: int) -> "GaussianMixture":
            seed = derive_seed(context.seed, "gmm", train.labels[word])
            own = self._drawn(frames_of(frames, lengths, np.flatnonzero(train.targets == word)), seed)
            with threadpool_limits(limits=1):  # words run side by side, each on one core
                return self._mixture(own, seed)

        mixtures = []
        with (
            warnings.catch_warnings(),
            threadpool_limits(limits=1),
            ThreadPoolExecutor(max(context.threads, 1)) as pool,
        ):
            warnings.simplefilter("ignore", ConvergenceWarning)  # noted in the log instead
            for mixture in pool.map(fit_word, range(train.n_labels)):
                mixtures.append(mixture)
                context.progress("fit", len(mixtures), train.n_labels)
        self._keep(mixtures, frames.shape[1])
        return self._log(train.labels, mixtures)

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): log posterior of each word."""
        frames, lengths = clips.stacked()
        result = np.empty((len(lengths), len(self.weights_)))
        for rows, stretch in clip_blocks(lengths):
            block = np.asarray(frames[stretch], dtype=np.float64)
            for word in range(len(self.weights_)):
                parameters = natural_parameters(self.weights_[word], self.means_[word], self.variances_[word])
                result[rows, word] = _sums(log_sum_exp(log_densities(block, parameters), axis=0), lengths[rows])
        if self.likelihood == "mean":
            result /= np.maximum(lengths, 1)[:, None]
        return log_posteriors(result, self.log_prior_)

    def cost(self, clips: "Clips") -> Cost:
        """Weights, means and variances; multiply-adds of the densities of a mean clip."""
        used = int(np.count_nonzero(self.weights_))
        dims = self.means_.shape[-1]
        return Cost(params=used * (2 * dims + 1), macs=round(float(np.mean(clips.lengths)) * used * 2 * dims))

    def save(self, folder: Path) -> None:
        """Write ``mixtures.npz``."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / "mixtures.npz",
            log_prior=self.log_prior_,
            weights=self.weights_,
            means=self.means_,
            variances=self.variances_,
        )

    def load(self, folder: Path) -> None:
        """Read ``mixtures.npz``."""
        with np.load(folder / "mixtures.npz") as arrays:
            self.log_prior_, self.weights_ = arrays["log_prior"], arrays["weights"]
            self.means_, self.variances_ = arrays["means"], arrays["variances"]

    def _drawn(self, frames: np.ndarray, seed: int) -> np.ndarray:
        """The frames a word is fitted on: all, or the budget's share of them."""
        if not 0 < self.max_frames_per_word < len(frames):
            return frames
        rng = np.random.default_rng(derive_seed(seed, "frames"))
        return frames[np.sort(rng.choice(len(frames), self.max_frames_per_word, replace=False))]

    def _mixture(self, frames: np.ndarray, seed: int) -> "GaussianMixture":
        """A word's mixture, of fewer components where it has fewer frames than that."""
        from sklearn.mixture import GaussianMixture

        return GaussianMixture(
            min(self.mixtures, len(frames)),
            covariance_type="diag",
            reg_covar=self.variance_floor,
            max_iter=self.n_iter,
            tol=self.tol,
            random_state=seed % 2**32,
        ).fit(frames if len(frames) > 1 else np.repeat(frames, 2, axis=0))

    def _keep(self, mixtures: "Sequence[GaussianMixture]", dims: int) -> None:
        """Lay the words' estimates side by side; a component that a word has not gets weight 0."""
        shape = len(mixtures), max(mixture.n_components for mixture in mixtures)
        self.weights_, self.means_, self.variances_ = np.zeros(shape), np.zeros((*shape, dims)), np.ones((*shape, dims))
        for word, mixture in enumerate(mixtures):
            n = mixture.n_components
            self.weights_[word, :n] = mixture.weights_
            self.means_[word, :n] = mixture.means_
            self.variances_[word, :n] = mixture.covariances_

    def _log(self, labels: Sequence[str], mixtures: "Sequence[GaussianMixture]") -> FitLog:
        """The lower bound a frame that each word reached, and how many words were still gaining."""
        reached = {label: float(mixture.lower_bound_) for label, mixture in zip(labels, mixtures, strict=True)}
        running = sum(not mixture.converged_ for mixture in mixtures)
        notes = [f"{running} of {len(labels)} words still gained {self.tol:g} nats a frame at iteration {self.n_iter}"]
        fewer = [label for label, mixture in zip(labels, mixtures, strict=True) if mixture.n_components < self.mixtures]
        if fewer:
            notes.append(f"fewer than {self.mixtures} Gaussians, one a frame, for {', '.join(fewer)}")
        return FitLog([reached], best=0, notes=notes if running else notes[1:])


def _sums(frame_logs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(clips,) sum over the frames of each clip; 0 for a clip of no frames."""
    ends = np.cumsum(lengths)
    sums = np.concatenate([[0.0], np.cumsum(frame_logs)])
    return sums[ends] - sums[ends - lengths]
