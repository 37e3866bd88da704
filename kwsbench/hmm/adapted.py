"""A word recogniser on transformed frames: LDA and MLLT for all speakers, fMLLR for each (Kaldi's tri2b and tri3b).

Each step starts from the alignment that the step before gives, as in Kaldi's recipes: frames with differences →
spliced frames through LDA → MLLT, some rounds → speakers' own transforms and a model trained through them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from kwsbench.hmm import passes
from kwsbench.hmm.estimator import GMMHMM
from kwsbench.hmm.packing import chunks
from kwsbench.hmm.passes import Voice
from kwsbench.hmm.transforms import FmllrSums, MlltSums, applied, lda, spliced

NOBODY = -1


class AdaptedGMMHMM(ClassifierMixin, BaseEstimator):
    """``GMMHMM`` behind linear transforms that are learned with it.

    Parameters
    ----------
    hmm : the recogniser and its settings; its clones are fitted, on its ``device``; transforms are made on the CPU.
    n_static : leading dimensions of the frames that are no differences: these are spliced.
    splice : frames either side that LDA sees.
    n_dims : directions that LDA keeps; 0: no LDA, frames stay as they come.
    mllt_rounds : times that MLLT is estimated and the model fitted again.
    fmllr_rounds : times that speakers' transforms are estimated, in training and in recognition; 0: no adaptation.
    least_frames : frames that a speaker needs for a full transform (``FmllrSums.transform``).

    Attributes
    ----------
    first_ : GMMHMM on frames with differences.
    common_ : GMMHMM on the common transform, before speakers' own; the first pass of recognition.
    hmm_ : GMMHMM that answers.
    transform_ : float64 (n_dims, spliced dims + 1), common to all.
    classes_ : the words.
    """

    def __init__(
        self,
        hmm: GMMHMM | None = None,
        *,
        n_static: int = 13,
        splice: int = 4,
        n_dims: int = 40,
        mllt_rounds: int = 2,
        fmllr_rounds: int = 0,
        least_frames: float = 200.0,
    ) -> None:
        self.hmm = hmm
        self.n_static, self.splice, self.n_dims = n_static, splice, n_dims
        self.mllt_rounds, self.fmllr_rounds, self.least_frames = mllt_rounds, fmllr_rounds, least_frames

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        lengths: np.ndarray,
        speakers: np.ndarray | None = None,
        report: Callable[[float, int], None] | None = None,
    ) -> Self:
        """Learn transforms and words.

        Parameters
        ----------
        X, y, lengths : as for ``GMMHMM.fit``.
        speakers : int (n_clips,), −1 for nobody; needed for fMLLR.
        report : called after each iteration with how many models are fitted, the one at work in part, and how many
            there will be.
        """
        y, lengths = np.asarray(y), np.asarray(lengths, np.int64)
        if self.fmllr_rounds and speakers is None:
            raise ValueError("fMLLR adapts to speakers: give the speaker of each clip")
        total = 1 + (self.n_dims > 0) * (1 + self.mllt_rounds) + self.fmllr_rounds
        done = 0

        def fitted(frames: np.ndarray, states: np.ndarray | None) -> GMMHMM:
            nonlocal done
            model = GMMHMM() if self.hmm is None else clone(self.hmm)

            def passed(iteration: int, of: int, _: float) -> None:
                if report:
                    report(done + iteration / of, total)

            model.fit(frames, y, lengths, states=states, report=passed)
            done += 1
            return model

        self.first_ = model = fitted(X, None)
        self.classes_ = model.classes_
        frames, self.transform_ = X, None
        if self.n_dims:
            base = spliced(X[:, : self.n_static], lengths, self.splice)
            states, _ = model.align(X, lengths, y)
            self.transform_ = np.hstack(
                [lda(base, _densities(model, states, y, lengths), self.n_dims), np.zeros((self.n_dims, 1))]
            )
            frames = applied(base, self.transform_)
            model = fitted(frames, states)
            for _ in range(self.mllt_rounds):
                states, _ = model.align(frames, lengths, y)
                self.transform_ = _after(self.transform_, model, _mllt(model, frames, y, lengths))
                frames = applied(base, self.transform_)
                model = fitted(frames, states)
        self.common_ = self.hmm_ = model
        own = frames
        for _ in range(self.fmllr_rounds):
            states, _ = self.hmm_.align(own, lengths, y)
            assert speakers is not None
            own = self._adapted(self.hmm_, frames, own, y, lengths, speakers)
            self.hmm_ = fitted(own, states)
        return self

    def frames(self, X: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """What the common transform makes of frames: (n_frames, n_dims)."""
        if self.transform_ is None:
            return X
        return applied(spliced(X[:, : self.n_static], lengths, self.splice), self.transform_)

    def log_likelihood(self, X: np.ndarray, lengths: np.ndarray, speakers: np.ndarray | None = None) -> np.ndarray:
        """float64 (n_clips, n_words): log density of each clip's transformed frames under each word.

        With fMLLR: a first pass without it; then, without any label, transforms of each speaker from all clips given of
        that speaker and the words that were heard in them; then again with those.
        """
        lengths = np.asarray(lengths, np.int64)
        frames = self.frames(X, lengths)
        found = self.common_.log_likelihood(frames, lengths)
        if not self.fmllr_rounds:
            return found
        if speakers is None:
            raise ValueError("fMLLR adapts to speakers: give the speaker of each clip")
        own = frames
        for _ in range(self.fmllr_rounds):
            heard = (self.hmm_.scale * found + self.hmm_.log_prior_).argmax(axis=1)
            own = self._adapted(self.hmm_, frames, own, self.classes_[heard], lengths, speakers)
            found = self.hmm_.log_likelihood(own, lengths)
        return found

    def predict_log_proba(self, X: np.ndarray, lengths: np.ndarray, speakers: np.ndarray | None = None) -> np.ndarray:
        """float64 (n_clips, n_words): log posteriors."""
        return self.hmm_.posteriors(self.log_likelihood(X, lengths, speakers))

    def predict(self, X: np.ndarray, lengths: np.ndarray, speakers: np.ndarray | None = None) -> np.ndarray:
        """(n_clips,): the word of largest posterior."""
        return self.classes_[self.predict_log_proba(X, lengths, speakers).argmax(axis=1)]

    def save(self, folder: Path) -> None:
        """Write what recognition needs: ``common.npz``, ``hmm.npz``, ``transform.npz``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.common_.save(folder / "common.npz")
        self.hmm_.save(folder / "hmm.npz")
        arrays: dict[str, Any] = {"n_static": np.array(self.n_static)}
        arrays |= {} if self.transform_ is None else {"transform": self.transform_}
        np.savez(folder / "transform.npz", **arrays)

    def load(self, folder: Path) -> Self:
        """Read what ``save`` wrote; the settings have to be the same."""
        self.common_, self.hmm_ = GMMHMM.load(folder / "common.npz"), GMMHMM.load(folder / "hmm.npz")
        with np.load(folder / "transform.npz", allow_pickle=False) as arrays:
            self.transform_, self.n_static = arrays.get("transform"), int(arrays["n_static"])
        self.classes_ = self.hmm_.classes_
        return self

    def _adapted(
        self,
        model: GMMHMM,
        frames: np.ndarray,
        seen: np.ndarray,
        y: np.ndarray,
        lengths: np.ndarray,
        speakers: np.ndarray,
    ) -> np.ndarray:
        """Frames through the transform of their speaker, estimated from shares of the frames as ``seen`` so far."""
        result = frames.copy()
        owner = np.repeat(speakers, lengths)
        read, voices = model.read(seen), _voices(model)

        def adapt(speaker: int) -> None:
            mine = np.flatnonzero(owner == speaker)
            sums, standard = FmllrSums(frames.shape[1]), (frames[mine] - model.mean_) * model.scale_
            clips = np.flatnonzero(speakers == speaker)
            for rows, shares, own in _explained(model, read, voices, y, lengths, clips):
                means, covariances = model.mixtures_.means[own], model.mixtures_.covariances[own]
                sums.add(standard[np.searchsorted(mine, rows)], shares, means, covariances)
            result[mine] = applied(standard, sums.transform(self.least_frames)) / model.scale_ + model.mean_

        passes.side_by_side(adapt, np.unique(speakers[speakers != NOBODY]).tolist(), model.n_jobs)
        return result


def _voices(model: GMMHMM) -> list[Voice]:
    """One a word, ready for passes."""
    natural, dtype = model.mixtures_.natural(), np.dtype(model.dtype)
    return [Voice.of(model.mixtures_, [chain], dtype, natural) for chain in model.chains_]


def _explained(
    model: GMMHMM, frames: passes.Frames, voices: list[Voice], y: np.ndarray, lengths: np.ndarray, clips: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, shares (frames, gaussians) and the Gaussians they are of, chunk by chunk, each clip under its own word."""
    for word in np.unique(y[clips]):
        voice = voices[int(np.searchsorted(model.classes_, word))]
        parts = chunks(lengths, clips[y[clips] == word])
        for chunk, _, shares, _ in passes.explained(frames, parts, voice, np.zeros((4, len(voice.slots)))):
            yield chunk.rows, shares, voice.layout.gaussians


def _mllt(model: GMMHMM, X: np.ndarray, y: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """float64 (dims, dims): MLLT of standardised frames."""
    read, voices = model.read(X), _voices(model)

    def of_word(word: int) -> MlltSums:
        sums = MlltSums(X.shape[1])
        clips = np.flatnonzero(y == model.classes_[word])
        for rows, shares, own in _explained(model, read, voices, y, lengths, clips):
            standard = (X[rows] - model.mean_) * model.scale_
            sums.add(standard, shares, model.mixtures_.means[own], model.mixtures_.covariances[own])
        return sums

    return MlltSums.total(passes.side_by_side(of_word, range(len(model.classes_)), model.n_jobs)).transform()


def _after(first: np.ndarray, model: GMMHMM, second: np.ndarray) -> np.ndarray:
    """[A, b] of ``first`` (out, in + 1), then a model's standardisation, then ``second`` (out, out)."""
    linear = second @ (first[:, :-1] * model.scale_[:, None])
    return np.hstack([linear, (second @ (model.scale_ * (first[:, -1] - model.mean_)))[:, None]])


def _densities(model: GMMHMM, states: np.ndarray, y: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """int64 (frames,): density of each aligned state, the classes of LDA."""
    words = np.repeat(np.searchsorted(model.classes_, y), lengths)
    result = np.empty(len(states), np.int64)
    for word, chain in enumerate(model.chains_):
        own = words == word
        result[own] = chain.densities[states[own]]
    return result
