"""Passes over the frames: expectations for training, likelihoods and paths for recognition.

Each works chunk by chunk on frames as they lie, so that memory stays flat whatever the number of frames is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from kwsbench.hmm import kernels
from kwsbench.hmm.chains import Chain, joined
from kwsbench.hmm.mixtures import Covariance, Layout, Mixtures, n_terms
from kwsbench.hmm.packing import Chunk, chunks

Part = TypeVar("Part")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Frames:
    """Concatenated clips, standardised as they are read.

    Attributes
    ----------
    values : (frames, dims), any float type; may be memory-mapped.
    mean, scale : float64 (dims,): what is modelled is (values − mean) · scale.
    covariance : what a frame's terms are made for.
    dtype : of the matrix products.
    """

    values: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    covariance: Covariance
    dtype: np.dtype

    def terms(self, chunk: Chunk) -> np.ndarray:
        """(frames of the chunk, terms)."""
        found = np.empty((len(chunk.rows), n_terms(self.values.shape[1], self.covariance)), self.dtype)
        make = kernels.squares if self.covariance == "diag" else kernels.products
        make(self.values, chunk.rows, self.mean, self.scale, found)
        return found

    @property
    def log_scale(self) -> float:
        """What a frame's log density gains by not being standardised."""
        return float(np.log(self.scale).sum())


@dataclass(frozen=True)
class Voice:
    """Mixtures and chains made ready for passes: natural parameters, slots and arcs.

    Attributes
    ----------
    layout : of the densities that the chains use.
    natural : (terms, components), C-contiguous.
    slots, arcs, firsts : of all states, one word after the other, as ``kernels.forward`` takes them.
    """

    layout: Layout
    natural: np.ndarray
    slots: np.ndarray
    arcs: np.ndarray
    firsts: np.ndarray

    @classmethod
    def of(
        cls, mixtures: Mixtures, chains: Sequence[Chain], dtype: np.dtype, natural: np.ndarray | None = None
    ) -> Voice:
        """``natural``: of all Gaussians, where it is known already."""
        arcs, densities, firsts = joined(list(chains))
        layout = Layout.of(mixtures, np.unique(densities))
        natural = mixtures.natural() if natural is None else natural
        own = np.ascontiguousarray(natural[:, layout.gaussians], dtype)
        return cls(layout, own, layout.slots(densities), arcs, firsts)

    def densities(self, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log densities (frames, densities), and what ``responsibilities`` needs: components and sums."""
        components = terms @ self.natural
        logs, sums = np.empty((2, len(terms), len(self.layout.densities)), terms.dtype)
        kernels.mixtures(components, self.layout.sizes, logs, sums)
        return logs, components, sums


@dataclass
class Expectations:
    """Sums over clips of one word, given the estimates they were made with.

    Attributes
    ----------
    sums : float64 (components, terms): posterior-weighted terms of each Gaussian, in the layout's order.
    counts : float64 (4, states): expected times of being in a state, skipping from it, starting in it, ending after it.
    likelihoods : float64 (clips,), and ``clips`` int64 (clips,) whose they are; of standardised frames.
    """

    sums: np.ndarray
    counts: np.ndarray
    likelihoods: np.ndarray
    clips: np.ndarray

    @classmethod
    def total(cls, parts: Sequence[Expectations]) -> Expectations:
        """The sum of parts, added in their order."""
        sums, counts = parts[0].sums.copy(), parts[0].counts.copy()
        for part in parts[1:]:
            sums += part.sums
            counts += part.counts
        together = [np.concatenate([getattr(part, name) for part in parts]) for name in ("likelihoods", "clips")]
        return cls(sums, counts, *together)


def explained(
    frames: Frames,
    parts: Iterable[Chunk],
    voice: Voice,
    counts: np.ndarray,
    *,
    states: np.ndarray | None = None,
    align: bool = True,
) -> Iterator[tuple[Chunk, np.ndarray, np.ndarray, np.ndarray]]:
    """Chunk by chunk: how much each Gaussian of one word explains of each frame.

    Parameters
    ----------
    voice : of a single chain.
    counts : float64 (4, states), added to: expected times of being in a state, skipping from it, starting in it and
        ending after it.
    states : None: over all ways through the states (Rabiner, section III.C). int64 (all frames,), in the frames' own
        order: along one path a clip (Viterbi training, segmental k-means): the best one, which is written there, or,
        without ``align``, the one that stands there.

    Yields
    ------
    The chunk, its terms (frames, terms), shares (frames, gaussians) as laid out, and log likelihoods (clips,).
    """
    for chunk in parts:
        terms = frames.terms(chunk)
        logs, components, totals = voice.densities(terms)
        posteriors, found = np.zeros_like(logs), np.empty(len(chunk.clips))
        if states is None:
            kernels.forward_backward(logs, voice.slots, chunk.running, voice.arcs, posteriors, found, counts)
        else:
            path = states[chunk.rows]
            if align:
                kernels.viterbi(logs, voice.slots, chunk.running, voice.arcs, path, found)
                states[chunk.rows] = path
            kernels.along(logs, voice.slots, chunk.running, voice.arcs, path, posteriors, found, counts)
        kernels.responsibilities(components, voice.layout.sizes, totals, posteriors)
        yield chunk, terms, components, found


def expect(
    frames: Frames,
    parts: Iterable[Chunk],
    voice: Voice,
    *,
    states: np.ndarray | None = None,
    align: bool = True,
    weights: np.ndarray | None = None,
) -> Expectations:
    """The E-step of one word: ``explained``, summed up.

    ``weights`` (all clips,): how much each clip counts in the sums of terms; None: all the same.
    """
    sums = np.zeros((len(voice.layout.gaussians), voice.natural.shape[0]))
    counts = np.zeros((4, len(voice.slots)))
    likelihoods, clips = [], []
    for chunk, terms, shares, found in explained(frames, parts, voice, counts, states=states, align=align):
        if weights is not None:
            shares *= weights[chunk.clip_of_rows][:, None].astype(shares.dtype)
        sums += shares.T @ terms
        likelihoods.append(found)
        clips.append(chunk.clips)
    return Expectations(sums, counts, np.concatenate(likelihoods), np.concatenate(clips))


def expect_all(
    frames: Frames,
    parts: Sequence[Sequence[list[Chunk]]],
    voices: Sequence[Voice],
    threads: int,
    *,
    states: np.ndarray | None = None,
    align: bool = True,
) -> list[Expectations]:
    """The E-step of all words, on so many threads: ``parts`` are each word's pieces of work, each of some chunks."""
    jobs = [(word, part) for word, own in enumerate(parts) for part in own]

    def work(job: int) -> Expectations:
        word, part = jobs[job]
        return expect(frames, part, voices[word], states=states, align=align)

    order = sorted(range(len(jobs)), key=lambda i: -sum(len(chunk.rows) for chunk in jobs[i][1]))
    by_job = dict(zip(order, side_by_side(work, order, threads), strict=True))
    of_word = [[by_job[i] for i, job in enumerate(jobs) if job[0] == word] for word in range(len(voices))]
    return [Expectations.total(found) for found in of_word]


def density_sums(frames: Frames, parts: Iterable[Chunk], states: np.ndarray, n_states: int) -> np.ndarray:
    """float64 (states, terms): sums of terms of the frames aligned to each state; ``states`` as for ``explained``."""
    sums = np.zeros((n_states, n_terms(frames.values.shape[1], frames.covariance)))
    with one_core():  # products this small only lose by threads
        for chunk in parts:
            terms = frames.terms(chunk)
            member = np.zeros((len(terms), n_states), terms.dtype)
            member[np.arange(len(terms)), states[chunk.rows]] = 1
            sums += member.T @ terms
    return sums


def score(frames: Frames, parts: Iterable[Chunk], voice: Voice) -> tuple[np.ndarray, np.ndarray]:
    """Which clips, and float64 (clips, words) their log likelihoods, of standardised frames."""
    found, clips = [], []
    for chunk in parts:
        logs, _, _ = voice.densities(frames.terms(chunk))
        likelihoods = np.empty((len(chunk.clips), len(voice.firsts) - 1))
        kernels.forward(logs, voice.slots, chunk.running, voice.arcs, voice.firsts, likelihoods)
        found.append(likelihoods)
        clips.append(chunk.clips)
    return np.concatenate(clips), np.concatenate(found)


def score_given(logs: np.ndarray, lengths: np.ndarray, chains: Sequence[Chain]) -> np.ndarray:
    """float64 (clips, words): log likelihood of each clip under each chain, where log densities are known already.

    Parameters
    ----------
    logs : (frames, densities) of all clips one after the other; columns as the chains count their densities.
    lengths : int64 (clips,) frames of each.
    """
    arcs, slots, firsts = joined(list(chains))
    result = np.zeros((len(lengths), len(chains)))
    for chunk in chunks(lengths, np.arange(len(lengths))):
        found = np.empty((len(chunk.clips), len(chains)))
        kernels.forward(logs[chunk.rows], slots, chunk.running, arcs, firsts, found)
        result[chunk.clips] = found
    return result


def best_paths(
    frames: Frames, parts: Iterable[Chunk], voice: Voice, states: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Viterbi through a single chain: writes ``states`` (all frames,) at the clips' rows; clips and log likelihoods."""
    found, clips = [], []
    for chunk in parts:
        logs, _, _ = voice.densities(frames.terms(chunk))
        likelihoods, best = np.empty(len(chunk.clips)), np.empty(len(chunk.rows), np.int64)
        kernels.viterbi(logs, voice.slots, chunk.running, voice.arcs, best, likelihoods)
        states[chunk.rows] = best
        found.append(likelihoods)
        clips.append(chunk.clips)
    return np.concatenate(clips), np.concatenate(found)


def one_core() -> AbstractContextManager[object]:
    """Inside it, a matrix product takes one core."""
    return _pools().limit(limits=1)


@cache
def _pools() -> ThreadpoolController:
    """Looked for once: to search all loaded libraries takes as long as a fifth of a pass over ten words."""
    return ThreadpoolController()


def side_by_side(work: Callable[[Part], Result], parts: Sequence[Part], threads: int) -> list[Result]:
    """``work`` on every part, so many at once, each on one core; results in the parts' order whatever comes first."""
    with one_core():
        if threads <= 1 or len(parts) <= 1:
            return [work(part) for part in parts]
        with ThreadPoolExecutor(min(threads, len(parts))) as pool:
            return list(pool.map(work, parts))
