"""Where in its clips do the parts of a word lie? A GMM-HMM of the word, and the best path through its states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.audio import to_int16
from kwsbench.errors import UserError
from kwsbench.explore.material import RATE, Material
from kwsbench.features import Frontend
from kwsbench.seeds import derive_seed

MOST_CLIPS = 200  # of a word, that its model learns from
QUIET_SHARE = 0.1  # of the frames, that have to lie outside of speech for a model of silence
LEAST_STATES, MOST_STATES = 3, 8


@dataclass(frozen=True)
class Alignment:
    """A word's clips, cut into the states of its model.

    Attributes
    ----------
    word : whose clips these are.
    rate : Hz, of the signals that frames were made of.
    step : seconds from frame to frame: borders lie on this grid.
    clips : a row a clip: ``clip, speaker, start_s, stop_s`` of the word, ``log_likelihood`` of a frame between them
        (standardised frames), ``typical``: the word lasts as long as in the middle half of the clips.
    borders : float64 (clips, states + 1), seconds: where each state begins, and where the last one ends.
    centroids : float64 (clips, states), Hz: mean frequency of the power spectrum in each state.
    """

    word: str
    rate: int
    step: float
    clips: pd.DataFrame
    borders: np.ndarray
    centroids: np.ndarray

    @property
    def n_states(self) -> int:
        """Of the word, silence before and after it left out."""
        return self.borders.shape[1] - 1

    def states(self) -> pd.DataFrame:
        """A row a state: quartiles over the clips of its length in seconds, and the median of its centroid in Hz."""
        low, median, high = np.percentile(np.diff(self.borders, axis=1), [25, 50, 75], axis=0)
        return pd.DataFrame(
            {
                "word": self.word,
                "state": np.arange(1, self.n_states + 1),
                "seconds_q1": low,
                "seconds_median": median,
                "seconds_q3": high,
                "centroid_hz": np.median(self.centroids, axis=0),
            }
        )

    def best(self, most: int) -> np.ndarray:
        """int64 (at most ``most``,): rows of the likeliest typical clips, the best first, each by another speaker.

        Where a corpus knows no speakers ("") clips are taken as they come.
        """
        order = self.clips[self.clips["typical"]].sort_values(["log_likelihood", "clip"], ascending=[False, True])
        known = order["speaker"] != ""
        return order[~(known & order["speaker"].duplicated())].index.to_numpy()[:most]


def align_word(
    material: Material, word: str, clips: Sequence[str] | None = None, n_states: int | None = None
) -> Alignment:
    """Learn a word as a GMM-HMM, and align its clips to the states by Viterbi's path (forced alignment).

    The states are left to right, none is skipped, one of silence may stand before and after; each has at most four
    Gaussians over 13 cepstra with two orders of differences, of mean 0 and deviation 1 in each clip. Nothing is told of
    where sounds lie: the borders are what makes the clips likeliest (Rabiner, Proc. IEEE 77(2), 1989). Differences look
    40 ms around, so that a word takes in up to that much of the silence beside it.

    Parameters
    ----------
    clips : of that word, to learn from and to align; default 200 of it drawn by chance. Silent ones, and those that are
        shorter than the states take, are left out.
    n_states : of the word; default as many as it has letters, from 3 to 8: a rough count of its sounds.

    Raises
    ------
    UserError : no clip can be aligned.
    """
    rows = _rows(material, word, clips)
    n_states = n_states or int(np.clip(len(word), LEAST_STATES, MOST_STATES))
    rate = common_rate(material, list(rows["clip"])) if len(rows) else RATE
    frontend = Frontend("kaldi_mfcc", rate, energy=False)
    found = material.measure(f"aligning {word}", partial(_observed, frontend), list(rows["clip"]), rate)
    usable = [i for i, clip in enumerate(found) if len(clip.frames) >= n_states + 2]
    if not usable:
        what = f"no clip of {word!r} is loud and long enough to be aligned to {n_states} states"
        raise UserError(what, material.sound.corpus.name, "take another word")
    rows, observed = rows.iloc[usable].reset_index(drop=True), [found[i] for i in usable]
    seed = derive_seed(material.seed, material.sound.corpus.name, "alignment", word) % 2**32
    begins, likelihood = _paths(observed, n_states, seed)
    step = frontend.step / rate
    borders = begins * step + (frontend.window_samples - frontend.step) / 2 / rate  # halfway between two windows
    table = rows[["clip", "speaker"]].assign(start_s=borders[:, 0], stop_s=borders[:, -1], log_likelihood=likelihood)
    lasting = begins[:, -1] - begins[:, 0]
    low, high = np.percentile(lasting, [25, 75])
    table["typical"] = (lasting >= low) & (lasting <= high)
    centroids = [_centroid(clip.moments, own) for clip, own in zip(observed, begins, strict=True)]
    return Alignment(word, rate, step, table, borders, np.array(centroids))


def _paths(observed: list[_Observed], n_states: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames at which each state begins and the last ends (clips, states + 1); log likelihood a frame of the word."""
    from kwsbench.hmm import GMMHMM

    lengths = np.array([len(clip.frames) for clip in observed])
    X, y = np.concatenate([clip.frames for clip in observed]), np.zeros(len(lengths), np.int64)
    first = [_start(clip.speech, n_states) for clip in observed]
    quiet = sum(int(np.count_nonzero((own == 0) | (own > n_states))) for own in first)
    # recordings that are cut close have nothing that silence could be learned from
    silence = int(quiet >= QUIET_SHARE * len(X))
    if not silence:
        first = [np.arange(n) * n_states // n for n in lengths]
    settings: Any = {"n_states": n_states, "n_mixtures": 4, "silence_states": silence, "variance_floor": 0.1}
    model = GMMHMM(**settings, random_state=seed).fit(X, y, lengths, states=np.concatenate(first))
    path, _ = model.align(X, lengths, y)
    firsts = np.cumsum(lengths) - lengths
    words = np.arange(silence, silence + n_states + 1)
    begins = np.array([np.searchsorted(own, words) for own in np.split(path, firsts[1:])])
    spoken = np.concatenate([np.arange(a + own[0], a + own[-1]) for a, own in zip(firsts, begins, strict=True)])
    inner = begins[:, -1] - begins[:, 0]
    return begins, model.log_likelihood(X[spoken], inner)[:, 0] / inner


def _start(speech: np.ndarray, n_states: int) -> np.ndarray:
    """int64 (frames,): silence (0) before speech, equal parts of it to the states, silence (states + 1) after."""
    where = np.flatnonzero(speech)
    start, stop = (where[0], where[-1] + 1) if len(where) >= n_states else (0, len(speech))
    place = (np.arange(len(speech)) - start) * n_states // (stop - start) + 1
    return np.clip(place, 0, n_states + 1)


def common_rate(material: Material, clips: Sequence[str]) -> int:
    """Hz: that of most of the clips, at most 16,000."""
    rates = material.sound.recordings.table["rate"].loc[list(clips)]
    return min(int(rates.mode().iloc[0]), RATE)


def _rows(material: Material, word: str, clips: Sequence[str] | None) -> pd.DataFrame:
    known = material.clips[material.clips["word"] == word]
    if clips is not None:
        return known[known["clip"].isin(set(clips))]
    if len(known) <= MOST_CLIPS:
        return known
    kept = material.rng(f"alignment {word}").choice(len(known), MOST_CLIPS, replace=False)
    return known.iloc[np.sort(kept)]


@dataclass(frozen=True)
class _Observed:
    """Of a clip: normalised cepstra with differences (frames, 39); power · Hz and power (frames, 2); is it speech?"""

    frames: np.ndarray
    moments: np.ndarray
    speech: np.ndarray


def _observed(frontend: Frontend, signal: np.ndarray, rate: int) -> _Observed:
    """No frames of what is silent or shorter than a window."""
    import torch

    from kwsbench.features.frames import moments, normalised, sums, with_deltas
    from kwsbench.features.vad import borders

    size, step = frontend.window_samples, frontend.step
    if len(signal) < size or np.ptp(signal) == 0:
        return _Observed(np.zeros((0, 39), np.float32), np.zeros((0, 2)), np.zeros(0, bool))
    cepstra = with_deltas(frontend.frames(torch.tensor(signal)[None]), 2)
    lengths = torch.tensor([cepstra.shape[1]])
    made = normalised(cepstra, *moments(*sums(cepstra, lengths), lengths), lengths)[0].numpy()
    windows = np.lib.stride_tricks.sliding_window_view(signal, size)[::step]
    power = np.abs(np.fft.rfft(windows * np.hanning(size))) ** 2
    hz = np.fft.rfftfreq(size, 1 / rate)
    middles = np.arange(len(made)) * step + size // 2
    start, stop = borders(to_int16(signal), rate, "energy")
    return _Observed(made, np.stack([power @ hz, power.sum(1)], axis=1), (middles >= start) & (middles < stop))


def _centroid(observed: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Hz (states,): mean frequency, weighted by power, between each two borders (states + 1,) in frames."""
    weighted, power = np.add.reduceat(observed[: begins[-1]], begins[:-1]).T
    return weighted / np.maximum(power, np.finfo(float).tiny)
