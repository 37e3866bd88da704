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
