"""A hidden Markov model with Gaussian mixtures, and its forward pass over many clips at once, in the log domain.

Time is the only Python loop; each step works on (clips, states). Only transitions that exist are visited, diagonal by
diagonal, so that a left-to-right model costs two additions a state (Rabiner, Proc. IEEE 77(2), 1989, eqs. 18 to 21).
"""

from dataclasses import dataclass

import numpy as np

from kwsbench.models.gaussians import log_densities, log_sum_exp, natural_parameters


@dataclass(frozen=True)
class HMM:
    """The estimates of one model, float64; a zero transition is one that the topology has not.

    Attributes
    ----------
    start : (states,) probabilities of the first state.
    transitions : (states, states) probabilities, rows from, columns to.
    weights : (states, mixtures).
    means, variances : (states, mixtures, dims).
    """

    start: np.ndarray
    transitions: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def log_likelihoods(self, frames: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """float64 (clips,) of float64 frames (frames, dims), clips concatenated; ``lengths`` (clips,) of each."""
        dims = self.means.shape[-1]
        flat = self.weights.ravel(), self.means.reshape(-1, dims), self.variances.reshape(-1, dims)
        components = log_densities(frames, natural_parameters(*flat)).reshape(*self.weights.shape, -1)
        return clip_log_likelihoods(self.start, self.transitions, log_sum_exp(components, axis=1).T, lengths)

    @property
    def n_moves(self) -> int:
        """How many transitions there are."""
        return int(np.count_nonzero(self.transitions))


def clip_log_likelihoods(
    start: np.ndarray, transitions: np.ndarray, state_logs: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """float64 (clips,): log likelihood of each clip; 0 for a clip of no frames.

    Parameters
    ----------
    start, transitions : as in ``HMM``.
    state_logs : (frames, states) log density of each frame in each state, clips concatenated.
    lengths : (clips,) frames of each clip.
    """
    order = np.argsort(-lengths, kind="stable")
    running = np.searchsorted(-lengths[order], -np.arange(lengths.max(initial=0)), side="left")
    emissions = _time_major(state_logs, lengths, order)
    with np.errstate(divide="ignore"):
        log_start, log_transitions = np.log(start), np.log(transitions)
    diagonals = [d for d in range(1 - len(start), len(start)) if np.diagonal(transitions, d).any()]

    result = np.zeros(len(lengths))
    alpha = np.empty((0, len(start)))
    for t, n in enumerate(running):
        result[order[n : len(alpha)]] = log_sum_exp(alpha[n:])  # clips whose last frame was t - 1
        before = log_start if t == 0 else _step(alpha[:n], log_transitions, diagonals)
        alpha = before + emissions[t, :n]
    result[order[: len(alpha)]] = log_sum_exp(alpha)
    return result


def _step(alpha: np.ndarray, log_transitions: np.ndarray, diagonals: list[int]) -> np.ndarray:
    """(clips, states): log of the sum over states of alpha · transition, before the emission."""
    states = alpha.shape[1]
    result = np.full_like(alpha, -np.inf)
    for d in diagonals:  # from state i to state i + d
        source, target = slice(max(0, -d), states - max(0, d)), slice(max(0, d), states - max(0, -d))
        result[:, target] = np.logaddexp(result[:, target], alpha[:, source] + np.diagonal(log_transitions, d))
    return result


def _time_major(state_logs: np.ndarray, lengths: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(time, clips, states) in the order given, -inf where a clip has ended."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    result = np.full((int(lengths.max(initial=0)), len(lengths), state_logs.shape[1]), -np.inf)
    result[np.arange(len(starts)) - starts, np.repeat(rank, lengths)] = state_logs
    return result
