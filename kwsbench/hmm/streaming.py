"""Frame by frame: the forward recursion of all words on audio that goes on.

After any number of frames the log likelihoods are those that ``GMMHMM.log_likelihood`` gives for the frames so far.
"""

from __future__ import annotations

import numpy as np

from kwsbench.hmm.chains import END, NEVER, NEXT, SKIP, START, STAY
from kwsbench.hmm.estimator import GMMHMM
from kwsbench.hmm.packing import Chunk
from kwsbench.hmm.passes import Voice


class Stream:
    """The state of recognition after the frames that were pushed.

    Parameters
    ----------
    model : fitted.

    Attributes
    ----------
    n_frames : frames so far.
    """

    def __init__(self, model: GMMHMM) -> None:
        self.model = model
        self.voice = Voice.of(model.mixtures_, model.chains_, np.dtype(model.dtype))
        self.reset()

    def reset(self) -> None:
        """Begin anew: the next frame is a clip's first."""
        self.n_frames = 0
        self._alpha = np.full(len(self.voice.slots), NEVER)

    def push(self, frames: np.ndarray) -> np.ndarray:
        """Take in frames (n, dims), any n; log likelihoods as in ``log_likelihood``."""
        n = len(frames)
        if not n:
            return self.log_likelihood
        # as n clips of one frame each: their order is kept and nothing runs in step
        chunk = Chunk(np.arange(n), np.arange(n), np.array([n]))
        logs, _, _ = self.voice.densities(self.model.read(frames).terms(chunk))
        for log in logs[:, self.voice.slots].astype(np.float64):
            self._alpha = log + (self._stepped() if self.n_frames else self.voice.arcs[START])
            self.n_frames += 1
        return self.log_likelihood

    @property
    def log_likelihood(self) -> np.ndarray:
        """float64 (n_words,): of all frames so far, were the clip to end now; 0 before the first."""
        if not self.n_frames:
            return np.zeros(len(self.voice.firsts) - 1)
        found = []
        for begin, end in zip(self.voice.firsts[:-1], self.voice.firsts[1:], strict=True):
            alpha, ending = self._alpha[begin:end], self.voice.arcs[END, begin:end]
            ended = np.logaddexp.reduce(alpha + ending)
            found.append(ended if ended > 0.1 * NEVER else np.logaddexp.reduce(alpha))
        return np.array(found) + self.n_frames * self.model.read(np.empty((0, self.model.n_features_in_))).log_scale

    @property
    def log_posterior(self) -> np.ndarray:
        """float64 (n_words,): of the words, were the clip to end now."""
        return self.model.posteriors(self.log_likelihood[None])[0]

    def _stepped(self) -> np.ndarray:
        """One step of the forward recursion (Rabiner, eq. 20) before the emission."""
        arcs, before = self.voice.arcs, self._alpha
        found = before + arcs[STAY]
        found[1:] = np.logaddexp(found[1:], before[:-1] + arcs[NEXT, :-1])
        if arcs[SKIP].max() > NEVER:
            found[2:] = np.logaddexp(found[2:], before[:-2] + arcs[SKIP, :-2])
        return np.maximum(found, NEVER)
