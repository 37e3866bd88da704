"""Clips in chunks: which frames, in which order, so that many clips run in step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CHUNK_FRAMES = 1024  # keeps a chunk's terms and densities in the second-level cache


@dataclass(frozen=True)
class Chunk:
    """Some clips, longest first, their frames time by time.

    Attributes
    ----------
    clips : int64 (clips,).
    rows : int64 (frames,): places of the frames in the concatenated clips.
    running : int64 (time,): clips that have a frame then.
    """

    clips: np.ndarray
    rows: np.ndarray
    running: np.ndarray

    @property
    def clip_of_rows(self) -> np.ndarray:
        """int64 (frames,): the clip that each frame is of."""
        return self.clips[np.concatenate([np.arange(n) for n in self.running])]


def chunks(lengths: np.ndarray, clips: np.ndarray, max_frames: int = CHUNK_FRAMES) -> Iterator[Chunk]:
    """Chunks of at most ``max_frames`` frames (one clip at least) of some of the clips of concatenated frames.

    Parameters
    ----------
    lengths : int64 (all clips,) frames of each clip.
    clips : int64 (n,) which of them; those without frames are left out.
    """
    starts = np.cumsum(lengths) - lengths
    clips = clips[lengths[clips] > 0]
    clips = clips[np.argsort(-lengths[clips], kind="stable")]
    ends = np.cumsum(lengths[clips])
    first, begin = 0, 0
    while first < len(clips):
        last = max(int(np.searchsorted(ends, begin + max_frames, side="right")), first + 1)
        yield _packed(clips[first:last], starts, lengths)
        first, begin = last, int(ends[last - 1])


def _packed(clips: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Chunk:
    own = lengths[clips]
    time = np.arange(own[0])
    running = np.searchsorted(-own, -time, side="left")  # lengths fall: those above t stand in front
    rows = np.concatenate([starts[clips[:n]] + t for t, n in enumerate(running)])
    return Chunk(clips, rows, running.astype(np.int64))


def rows_of(lengths: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """int64: places of the frames of some clips, in order."""
    starts = np.cumsum(lengths) - lengths
    own = lengths[clips]
    return np.repeat(starts[clips] - (np.cumsum(own) - own), own) + np.arange(own.sum())


def checked(X: np.ndarray, lengths: np.ndarray, dims: int | None = None) -> tuple[np.ndarray, np.ndarray]:
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


def spread(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
