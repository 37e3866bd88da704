"""The states of a word and the ways through them: topology, first estimates, re-estimation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

STAY, NEXT, SKIP, START, END = range(5)
NEVER = -1e30  # log probability of what cannot be; finite, so that sums of it are numbers
LEAST = 1e-6  # probability of an arc that the topology has
SKIP_SHARE = 0.1  # of the first estimate of leaving, where states may be skipped
MARGIN_SHARE = 0.15  # of a clip that is silence, each side, in the first alignment

Final = Literal["last", "any"]


@dataclass(frozen=True)
class Chain:
    """Left to right: from a state one stays, goes on, or, where allowed, skips one.

    Attributes
    ----------
    arcs : float64 (5, states), log probabilities: rows STAY, NEXT, SKIP, START, END; NEVER: the topology has it not.
    densities : int64 (states,): which mixture a state emits from; states may share one.
    final : "last": a clip has to end by the arc END, which shares a state's probability with the others; "any": it
        stops wherever it is, at no cost.
    words : bool (states,): states of the word itself, not of the silence around it.
    """

    arcs: np.ndarray
    densities: np.ndarray
    final: Final
    words: np.ndarray

    @property
    def n_states(self) -> int:
        return self.arcs.shape[1]

    @property
    def n_arcs(self) -> int:
        """Transition probabilities that are learned."""
        rows = self.arcs if self.final == "last" else self.arcs[:END]
        return int(np.count_nonzero(rows > NEVER))

    def estimated(self, counts: np.ndarray) -> Chain:
        """The arcs of largest likelihood given expected counts (4, states): being in, skipping, starting, ending.

        What goes into a state comes out of it, so that with ``next`` = in − skipping − ending no count of pairs of
        states is needed; without skips and with a forced last state this is 1 − clips / occupancy.
        """
        inside, skipped, started, ended = counts
        entered, onward = started.copy(), np.zeros_like(inside)
        for s in range(self.n_states):
            onward[s] = max(entered[s] - skipped[s] - ended[s], 0.0)
            if s + 1 < self.n_states:
                entered[s + 1] += onward[s]
            if s + 2 < self.n_states:
                entered[s + 2] += skipped[s]
        stayed = np.maximum(inside - entered, 0.0)
        leaving = np.stack([stayed, onward, skipped, *([ended] if self.final == "last" else [])])
        arcs = self.arcs.copy()
        rows = [STAY, NEXT, SKIP, END][: len(leaving)]
        allowed = self.arcs[rows] > NEVER
        totals = np.where(allowed, leaving, 0.0).sum(axis=0)
        shares = leaving / np.where(totals > LEAST, totals, 1.0)
        seen, low = totals > LEAST, (allowed & (shares < LEAST)).any(axis=0)
        plain = allowed & (seen & ~low)
        found = arcs[rows]
        found[plain] = np.log(shares[plain])
        for state in np.flatnonzero(seen & low):
            found[allowed[:, state], state] = np.log(_shares(leaving[allowed[:, state], state]))
        arcs[rows] = found
        first = self.arcs[START] > NEVER
        if started[first].sum() > LEAST:
            arcs[START, first] = np.log(_shares(started[first]))
        return Chain(arcs, self.densities, self.final, self.words)

    def flat(self, lengths: np.ndarray) -> np.ndarray:
        """int64 (frames,): equal parts of every clip to the states; silence at both ends gets its share."""
        weight = np.ones(self.n_states)
        around = self.n_states - np.count_nonzero(self.words)
        if around:
            inner = 1 - 2 * MARGIN_SHARE
            weight = np.where(self.words, inner / np.count_nonzero(self.words), 2 * MARGIN_SHARE / around)
        borders = np.cumsum(weight)[:-1] / weight.sum()
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        place = (np.arange(len(starts)) - starts + 0.5) / np.repeat(lengths, lengths)
        return np.searchsorted(borders, place)


def word_chain(
    n_states: int,
    first: int,
    *,
    final: Final,
    skips: bool = False,
    silence: np.ndarray | None = None,
    frames: float = 1.0,
) -> Chain:
    """A word's states, left to right, with optional silence before and after.

    Parameters
    ----------
    n_states : of the word. first : density of its first state; the others follow.
    silence : int64 (states,) densities of the silence at either end; None: no silence.
    frames : mean length of a clip, which the first estimate of staying is made from.
    """
    around = len(silence) if silence is not None else 0
    own = np.arange(first, first + n_states)
    densities = own if silence is None else np.concatenate([silence, own, silence])
    n = n_states + 2 * around
    words = np.zeros(n, bool)
    words[around : around + n_states] = True
    leaving = min(n / max(frames, 1.0), 0.5)
    p = np.zeros((5, n))
    p[STAY], p[NEXT, :-1] = 1 - leaving, leaving
    if skips:
        inner = np.flatnonzero(words)[:-2]
        p[SKIP, inner], p[NEXT, inner] = SKIP_SHARE * leaving, (1 - SKIP_SHARE) * leaving
    last = around + n_states - 1
    p[START, 0] = 1.0
    if around:
        p[START, [0, around]] = 0.5
        p[NEXT, last] = p[END, last] = 0.5 * leaving
        p[NEXT, -1] = 0.0
    p[END, -1] = leaving
    if final == "any":
        p[END] = 0.0
        p[STAY, -1] = 1.0
        p[STAY, last] = 1 - p[NEXT, last] - p[SKIP, last]
    with np.errstate(divide="ignore"):
        arcs = np.where(p > 0, np.log(p), NEVER)
    if final == "any":
        arcs[END] = 0.0
    return Chain(arcs, densities, final, words)


def joined(chains: list[Chain]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chains one after the other: arcs (5, states), densities (states,), and where each begins (words + 1,)."""
    firsts = np.concatenate([[0], np.cumsum([chain.n_states for chain in chains])])
    return np.hstack([c.arcs for c in chains]), np.concatenate([c.densities for c in chains]), firsts


def _shares(counts: np.ndarray) -> np.ndarray:
    """Shares of a sum, none below LEAST: of all distributions with that bound the one of largest likelihood."""
    shares = counts / counts.sum()
    low = np.zeros(len(shares), bool)
    while True:
        low |= shares < LEAST
        kept = counts[~low].sum()
        shares = np.where(low, LEAST, counts / kept * (1 - LEAST * np.count_nonzero(low)))
        if not np.any(shares[~low] < LEAST):
            return shares
