"""hmmlearn's GMM-HMM as a reference that is fast enough to train: its estimates, by matrix products over many clips.

Differences from ``hmmlearn.hmm.GMMHMM`` (0.3): the E-step works on blocks of concatenated clips; no k-means of its
own before fitting, the start is given; the variance floor, which hmmlearn's M-step ignores, is imposed after every
iteration; a state or component that no frame chooses keeps its former estimate instead of becoming 0/0 (hmmlearn
divides by "occupation + 1 - 1", which is 0 already where the occupation is below 1e-16).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from hmmlearn import _hmmc, hmm

from kwsbench.models.gaussians import clip_blocks, log_densities, log_sum_exp, natural_parameters
from kwsbench.models.markov import HMM

LEAST_FRAMES = 1e-6  # a state or component that holds fewer frames in all has nothing to be estimated from
START_FRAMES = 4096  # so many frames of a state at most are clustered for its first mixture


class LeftToRightGMMHMM(hmm.GMMHMM):
    """A diagonal GMM-HMM that starts from ``first`` and never leaves its topology: zeros stay zeros.

    Parameters
    ----------
    first : the estimates that EM starts from.
    variance_floor : (dims,) smallest variances of any component.
    n_iter, tol : stop after so many iterations, or once one gains less than ``tol`` nats a frame.
    report : called with the number of iterations done, after each.
    """

    def __init__(
        self, first: HMM, variance_floor: np.ndarray, n_iter: int, tol: float, report: Callable[[int], None] | None
    ) -> None:
        states, mixtures, dims = first.means.shape
        super().__init__(states, mixtures, n_iter=n_iter, tol=tol, params="stmcw", init_params="")
        self.first, self.variance_floor, self.report = first, variance_floor, report
        self.n_features = dims

    @property
    def estimates(self) -> HMM:
        """What EM has arrived at."""
        return HMM(self.startprob_, self.transmat_, self.weights_, self.means_, self.covars_)

    def _init(self, X: np.ndarray, lengths: np.ndarray | None = None) -> None:
        self._check_and_set_n_features(X)
        self.monitor_.tol = self.tol * len(X)
        self.startprob_, self.transmat_ = self.first.start.copy(), self.first.transitions.copy()
        self.weights_, self.means_ = self.first.weights.copy(), self.first.means.copy()
        self.covars_ = np.maximum(self.first.variances, self.variance_floor)

    def _do_estep(self, X: np.ndarray, lengths: np.ndarray) -> tuple[dict, float]:
        stats = self._initialize_sufficient_statistics()
        shape, dims = self.means_.shape, self.n_features
        parameters = natural_parameters(
            self.weights_.ravel(), self.means_.reshape(-1, dims), self.covars_.reshape(-1, dims)
        )
        first, second = np.zeros((2, self.weights_.size, dims))
        total = 0.0
        for clips, frames in clip_blocks(lengths):
            block = X[frames]
            components = log_densities(block, parameters).reshape(*self.weights_.shape, -1)
            state_logs = log_sum_exp(components, axis=1)
            gamma, log_likelihood = self._state_posteriors(stats, np.ascontiguousarray(state_logs.T), lengths[clips])
            total += log_likelihood
            components -= np.where(np.isneginf(state_logs), 0, state_logs)[:, None]
            shares = np.exp(components, out=components)  # (states, mixtures, frames)
            shares *= gamma.T[:, None]
            stats["post_mix_sum"] += shares.sum(axis=2)
            stats["post_sum"] += gamma.sum(axis=0)
            by_component = shares.reshape(-1, len(block))
            first += by_component @ block
            second += by_component @ np.square(block)
        first, second = first.reshape(shape), second.reshape(shape)
        stats["m_n"] += first
        # around the means of this E-step, as hmmlearn does
        stats["c_n"] += second - 2 * self.means_ * first + self.means_**2 * stats["post_mix_sum"][..., None]
        return stats, total

    def _state_posteriors(self, stats: dict, state_logs: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, float]:
        """(frames, states) posteriors of a block, and its log likelihood; adds to starts and transitions."""
        gamma = np.empty_like(state_logs)
        total, begin = 0.0, 0
        for length in lengths.tolist():
            end = begin + length
            logs = state_logs[begin:end]
            log_likelihood, forward = _hmmc.forward_log(self.startprob_, self.transmat_, logs)
            backward = _hmmc.backward_log(self.startprob_, self.transmat_, logs)
            np.add(forward, backward, out=gamma[begin:end])
            if length > 1:
                stats["trans"] += np.exp(_hmmc.compute_log_xi_sum(forward, self.transmat_, backward, logs))
            total += log_likelihood
            begin = end
        gamma -= log_sum_exp(gamma)[:, None]
        np.exp(gamma, out=gamma)
        stats["nobs"] += len(lengths)
        stats["start"] += gamma[np.cumsum(lengths) - lengths].sum(axis=0)
        return gamma, total

    def _do_mstep(self, stats: dict) -> None:
        before = self.estimates
        with np.errstate(divide="ignore", invalid="ignore"):
            super()._do_mstep(stats)
        empty, unseen = stats["post_sum"] < LEAST_FRAMES, stats["post_mix_sum"] < LEAST_FRAMES
        self.weights_[empty] = before.weights[empty]
        self.means_[unseen] = before.means[unseen]
        self.covars_[unseen] = before.variances[unseen]
        stuck = stats["trans"].sum(axis=1) < LEAST_FRAMES
        self.transmat_[stuck] = before.transitions[stuck]
        self.covars_ = np.maximum(self.covars_, self.variance_floor)
        if self.report:
            self.report(self.monitor_.iter + 1)


def first_estimates(
    frames: np.ndarray,
    lengths: np.ndarray,
    *,
    states: int,
    mixtures: int,
    alignment: Literal["equal", "kmeans"],
    skips: bool,
    variance_floor: np.ndarray,
    seed: int,
) -> HMM:
    """A left-to-right model from a first alignment of frames (frames, dims) to states.

    ``equal`` cuts every clip into equal parts; ``kmeans`` clusters the frames, clusters in order of their mean place
    in the clip. Each state's mixture is clustered from its frames; transitions make a state last as long as its share
    of the mean clip; ``skips`` gives a tenth of the leaving to the state after next.
    """
    rng = np.random.default_rng(seed)
    place = (np.arange(len(frames)) - np.repeat(np.cumsum(lengths) - lengths, lengths)) / np.repeat(lengths, lengths)
    aligned = (place * states).astype(np.int64)
    if alignment == "kmeans":
        clusters = _clusters(frames, states, variance_floor, rng)
        means = [place[clusters == k].mean() if np.any(clusters == k) else 1.0 for k in range(states)]
        aligned = np.argsort(np.argsort(means))[clusters]
    mixture = [_first_mixture(frames[aligned == s], frames, mixtures, variance_floor, rng) for s in range(states)]
    weights, means_, variances = (np.stack(part) for part in zip(*mixture, strict=True))
    leaving = min(states / max(float(lengths.mean()), 1.0), 0.5)
    return HMM(np.eye(states)[0], _left_to_right(states, leaving, skips), weights, means_, variances)


def _left_to_right(states: int, leaving: float, skips: bool) -> np.ndarray:
    """(states, states) transitions that stay, or leave for the next state; the last stays."""
    stay = np.full(states, 1 - leaving)
    skipping = 0.1 * leaving if skips else 0.0
    result = np.diag(stay) + np.diag(np.full(states - 1, leaving - skipping), 1)
    if skips and states > 2:
        result += np.diag(np.full(states - 2, skipping), 2)
    return result / result.sum(axis=1, keepdims=True)


def _first_mixture(
    own: np.ndarray, all_frames: np.ndarray, mixtures: int, variance_floor: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (mixtures,), means and variances (mixtures, dims) of a state from the frames aligned to it."""
    if len(own) < 2 * mixtures:  # too few to cluster: scattered around what there is
        own = own if len(own) else all_frames
        deviation = np.sqrt(np.maximum(own.var(axis=0), variance_floor))
        means = own.mean(axis=0) + 0.5 * deviation * rng.standard_normal((mixtures, own.shape[1]))
        return np.full(mixtures, 1 / mixtures), means, np.tile(deviation**2, (mixtures, 1))
    if len(own) > START_FRAMES:
        own = own[rng.choice(len(own), START_FRAMES, replace=False)]
    clusters = _clusters(own, mixtures, variance_floor, rng)
    counts = np.bincount(clusters, minlength=mixtures)
    means, variances = np.tile(own.mean(axis=0), (mixtures, 1)), np.tile(own.var(axis=0), (mixtures, 1))
    for k in np.flatnonzero(counts > 1):
        means[k], variances[k] = own[clusters == k].mean(axis=0), own[clusters == k].var(axis=0)
    return (counts + 1) / (len(own) + mixtures), means, np.maximum(variances, variance_floor)


def _clusters(frames: np.ndarray, n: int, variance_floor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(frames,) cluster of each frame, by k-means on dimensions scaled to their own spread."""
    from sklearn.cluster import KMeans

    if n == 1:
        return np.zeros(len(frames), dtype=np.int64)
    scaled = frames / np.sqrt(np.maximum(frames.var(axis=0), variance_floor))
    scaled = scaled + 1e-4 * rng.standard_normal(scaled.shape)  # equal frames (digital silence) would make it warn
    return KMeans(n, n_init=1, max_iter=50, random_state=int(rng.integers(2**31))).fit_predict(scaled)
