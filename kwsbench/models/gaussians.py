"""Log densities of many diagonal Gaussians at many frames, as one matrix product; and the sums that go with it.

A diagonal Gaussian is log-linear in ``[x², x, 1]`` (its natural parameters), so that all components of all states are
one product of frames and parameters (Bishop, Pattern Recognition and Machine Learning, 2006, eq. 2.194).
Frames of several clips are kept concatenated, (frames, dims), beside the clips' lengths.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from kwsbench.errors import UserError

BLOCK_FRAMES = 32768  # keeps the densities of a block within tens of MB


def natural_parameters(weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """float64 (components, 2·dims + 1): what ``log_densities`` multiplies by.

    Parameters
    ----------
    weights : (components,) mixture weights; a component of weight 0 has log density -inf everywhere.
    means, variances : (components, dims).
    """
    precisions = 1 / variances
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    constants = (means**2 * precisions + np.log(2 * np.pi * variances)).sum(axis=1)
    return np.hstack([-0.5 * precisions, means * precisions, (log_weights - 0.5 * constants)[:, None]])


def log_densities(frames: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """float64 (components, frames): log (weight · density); frames last, so that sums over components run along them.

    Parameters
    ----------
    frames : float64 (frames, dims).
    parameters : (components, 2·dims + 1) of ``natural_parameters``.
    """
    dims = frames.shape[1]
    result = parameters[:, :dims] @ np.square(frames).T
    result += parameters[:, dims:-1] @ frames.T
    result += parameters[:, -1:]
    return result


def log_sum_exp(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Log of the sum of exponentials along an axis; -inf where all are -inf."""
    top = values.max(axis=axis, keepdims=True)
    top[np.isneginf(top)] = 0
    shifted = values - top
    with np.errstate(divide="ignore"):
        return np.log(np.exp(shifted, out=shifted).sum(axis=axis)) + top.squeeze(axis)


def clip_blocks(lengths: np.ndarray, max_frames: int = BLOCK_FRAMES) -> Iterator[tuple[slice, slice]]:
    """(clips, frames) slices that cut concatenated clips into blocks of at most ``max_frames``, one clip at least."""
    ends = np.cumsum(lengths)
    first, begin = 0, 0
    while first < len(lengths):
        last = max(int(np.searchsorted(ends, begin + max_frames, side="right")), first + 1)
        end = int(ends[last - 1])
        yield slice(first, last), slice(begin, end)
        first, begin = last, end


def frames_of(frames: np.ndarray, lengths: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """float64 (frames of the chosen clips, dims), clips in the order chosen."""
    starts = np.cumsum(lengths) - lengths
    places = [np.arange(starts[clip], starts[clip] + lengths[clip]) for clip in chosen]
    return frames[np.concatenate(places)].astype(np.float64) if places else np.empty((0, frames.shape[1]))


def variances_of(frames: np.ndarray) -> np.ndarray:
    """float64 (dims,) variance of all frames, at least 1e-8, without a second copy of them."""
    sums, squares = np.zeros(frames.shape[1]), np.zeros(frames.shape[1])
    shift = frames[0].astype(np.float64)  # near the mean: keeps the difference of squares exact
    for begin in range(0, len(frames), BLOCK_FRAMES):
        block = frames[begin : begin + BLOCK_FRAMES] - shift
        sums += block.sum(axis=0)
        squares += np.square(block).sum(axis=0)
    return np.maximum(squares / len(frames) - (sums / len(frames)) ** 2, 1e-8)


def log_prior(
    labels: Sequence[str], targets: np.ndarray, kind: Literal["train", "uniform"], lengths: np.ndarray
) -> np.ndarray:
    """float64 (n_labels,): log share of the training clips of each label, or the same for all.

    Raises
    ------
    UserError : a label has no training clip with a frame in it: no density can be learned for it.
    """
    counts = np.bincount(targets[lengths > 0], minlength=len(labels))
    empty = [label for label, count in zip(labels, counts, strict=True) if count == 0]
    if empty:
        raise UserError(
            f"no training clip of {', '.join(empty)}",
            todo="leave the word out of the labels, or choose a split whose training side has it",
        )
    return np.log(counts / counts.sum()) if kind == "train" else np.full(len(labels), -np.log(len(labels)))


def log_posteriors(log_likelihoods: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """float32 (clips, labels) of float64 log likelihoods (clips, labels) and log priors (labels,)."""
    joint = log_likelihoods + prior
    return (joint - log_sum_exp(joint)[:, None]).astype(np.float32)
