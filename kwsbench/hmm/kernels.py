"""The passes over frames that are no matrix product, compiled: mixtures, forward, backward, Viterbi.

All recursions run in the log domain and in float64, so that nothing under- or overflows whatever the frames are
(Rabiner, Proc. IEEE 77(2), 1989, section V.A scales instead, which fails where a forced path is much worse than a free
one). Two things make them fast. Exponential and logarithm are polynomials (``elementary``). And the clips of a chunk
run in step, longest first, so that the innermost loops go over all states of all clips that are still running: long,
contiguous, and without a dependence from one element to the next.

Words
- chain: states in a row, of one word or of many words one after the other; from state s one may stay, go on to s + 1,
  or skip to s + 2. Its log probabilities are the rows of ``arcs`` float64 (5, states): STAY, NEXT, SKIP (from s),
  START (in s) and END (after s). What cannot be is ``NEVER``.
- packed: the frames of a chunk lie time by time: first frames of all its clips, then second frames, … ; clips are
  sorted by falling length and ``running`` int64 (time,) says how many still run. Row ``begin(t) + k`` is frame t of
  clip k.
- density: the mixture of a state; states may share one. ``slots`` int64 (states,) says which density a state has.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from kwsbench.hmm.chains import NEVER
from kwsbench.hmm.elementary import exponential, log_add, logarithm

TINY = 1e-30  # posteriors below are zero: they would only make denormal numbers

compiled = njit(nogil=True, cache=True, fastmath={"contract", "nsz", "arcp"}, error_model="numpy")


@compiled
def squares(frames: Any, rows: Any, mean: Any, scale: Any, terms: Any) -> None:
    """Frames standardised and packed, as ``[x², x, 1]``: what log densities are linear in.

    Parameters
    ----------
    frames : (all frames, dims), any float; rows : int64 (n,) which of them, in which order.
    mean, scale : float64 (dims,): x = (frame − mean) · scale.
    terms : (n, 2·dims + 1), written.
    """
    dims = frames.shape[1]
    for i in range(len(rows)):
        row, source = terms[i], frames[rows[i]]
        for d in range(dims):
            row[dims + d] = (source[d] - mean[d]) * scale[d]
        for d in range(dims):
            row[d] = row[dims + d] * row[dims + d]
        row[2 * dims] = 1.0


@compiled
def products(frames: Any, rows: Any, mean: Any, scale: Any, terms: Any) -> None:
    """As ``squares`` for full covariances: x_i x_j for all i ≤ j, row by row, then x, then 1."""
    dims = frames.shape[1]
    pairs = dims * (dims + 1) // 2
    for i in range(len(rows)):
        row, source = terms[i], frames[rows[i]]
        for d in range(dims):
            row[pairs + d] = (source[d] - mean[d]) * scale[d]
        place = 0
        for a in range(dims):
            for b in range(a, dims):
                row[place] = row[pairs + a] * row[pairs + b]
                place += 1
        row[pairs + dims] = 1.0


@compiled
def mixtures(components: Any, sizes: Any, logs: Any, sums: Any) -> None:
    """log Σ_m exp of the components of each density, and the exponentials themselves.

    Parameters
    ----------
    components : (frames, components) log (weight · density), rank by rank: the first components of all densities, then
        the second components of the first ``sizes[1]`` densities, and so on. Left as exponentials relative to the
        largest of their density.
    sizes : int64 (ranks,) falling; ``sizes[0]`` is the number of densities.
    logs, sums : (frames, densities), written: log density, and the sum of what was left in ``components``.
    """
    n = sizes[0]
    for t in range(len(components)):
        row, log = components[t], logs[t]
        for j in range(n):
            log[j] = row[j]
        begin = n
        for r in range(1, len(sizes)):
            for j in range(sizes[r]):
                log[j] = max(log[j], row[begin + j])
            begin += sizes[r]
        begin = 0
        for r in range(len(sizes)):
            for j in range(sizes[r]):
                row[begin + j] -= log[j]
            begin += sizes[r]
    flat = components.ravel()
    for i in range(len(flat)):
        flat[i] = exponential(flat[i])
    for t in range(len(components)):
        row, total = components[t], sums[t]
        for j in range(n):
            total[j] = row[j]
        begin = n
        for r in range(1, len(sizes)):
            for j in range(sizes[r]):
                total[j] += row[begin + j]
            begin += sizes[r]
    densities, totals = logs.ravel(), sums.ravel()
    for i in range(len(totals)):
        densities[i] += logarithm(totals[i])


@compiled
def responsibilities(components: Any, sizes: Any, sums: Any, posteriors: Any) -> None:
    """Posteriors of densities shared out to their components, in place of what ``mixtures`` left there.

    ``posteriors`` (frames, densities); each component gets posterior · share of the density's sum.
    """
    totals, given = sums.ravel(), posteriors.ravel()
    for i in range(len(totals)):
        totals[i] = given[i] / totals[i]
    for t in range(len(components)):
        row, total = components[t], sums[t]
        begin = 0
        for r in range(len(sizes)):
            for j in range(sizes[r]):
                share = row[begin + j] * total[j]
                row[begin + j] = share if share > TINY else 0.0
            begin += sizes[r]


@compiled
def _tiled(row: Any, clips: int, shift: int) -> Any:
    """A chain's row for ``clips`` chains one after the other; entry s is the one of state s − shift, else NEVER."""
    n = len(row)
    result = np.full(clips * n, NEVER)
    for k in range(clips):
        for s in range(shift, n):
            result[k * n + s] = row[s - shift]
    return result


@compiled
def _of_states(logs: Any, slots: Any) -> Any:
    """float64 (frames · states,): log density of every frame in every state."""
    n = len(slots)
    result = np.empty(len(logs) * n)
    for t in range(len(logs)):
        for s in range(n):
            result[t * n + s] = logs[t, slots[s]]
    return result


@njit(inline="always")
def _add_all(out: Any, a: Any, a_step: Any, b: Any, b_step: Any) -> None:
    for i in range(len(out)):
        out[i] = log_add(a[i] + a_step[i], b[i] + b_step[i])


@njit(inline="always")
def _add_one(out: Any, a: Any, a_step: Any) -> None:
    for i in range(len(out)):
        out[i] = log_add(out[i], a[i] + a_step[i])


@njit(inline="always")
def _plus(out: Any, a: Any) -> None:
    for i in range(len(out)):
        out[i] += a[i]


@njit(inline="always")
def _exp_all(out: Any, a: Any, b: Any, c: Any) -> None:
    for i in range(len(out)):
        x = exponential(a[i] + b[i] - c[i])
        out[i] = x if x > TINY else 0.0


@compiled
def _forward(emitted: Any, running: Any, arcs: Any) -> Any:
    """float64 (2 + frames · states + 2,): log P(frames up to t, state at t), two numbers of padding at both ends."""
    n = arcs.shape[1]
    clips = running[0]
    stay, into_next, into_skip = _tiled(arcs[0], clips, 0), _tiled(arcs[1], clips, 1), _tiled(arcs[2], clips, 2)
    start, skips = _tiled(arcs[3], clips, 0), arcs[2].max() > NEVER
    alpha = np.full(len(emitted) + 4, NEVER)
    m = clips * n
    alpha[2 : m + 2] = start
    _plus(alpha[2 : m + 2], emitted[:m])
    before, here = 2, m + 2
    for t in range(1, len(running)):
        m = running[t] * n
        out = alpha[here : here + m]
        _add_all(out, alpha[before : before + m], stay[:m], alpha[before - 1 : before - 1 + m], into_next[:m])
        if skips:
            _add_one(out, alpha[before - 2 : before - 2 + m], into_skip[:m])
        _plus(out, emitted[here - 2 : here - 2 + m])
        before, here = here, here + m
    return alpha


@compiled
def _last_rows(running: Any) -> Any:
    """int64 (clips,): row of each clip's last frame."""
    last = np.empty(running[0], np.int64)
    begin = 0
    for t in range(len(running)):
        until = running[t + 1] if t + 1 < len(running) else 0
        for k in range(until, running[t]):
            last[k] = begin + k
        begin += running[t]
    return last


@compiled
def _ended(alpha: Any, end: Any) -> tuple[float, bool]:
    """Log likelihood from log P(all frames, last state); and whether an end was reached. If not, any state may end."""
    top, free = NEVER, NEVER
    for s in range(len(end)):
        top, free = max(top, alpha[s] + end[s]), max(free, alpha[s])
    reached = top > 0.1 * NEVER
    top = top if reached else free
    total = 0.0
    for s in range(len(end)):
        total += math.exp(alpha[s] + (end[s] if reached else 0.0) - top)
    return top + math.log(total), reached


@compiled
def forward(logs: Any, slots: Any, running: Any, arcs: Any, firsts: Any, likelihoods: Any) -> None:
    """Log likelihood of each clip of a chunk under each word of a chain (Rabiner, eqs. 19 to 21).

    Parameters
    ----------
    logs : (frames, densities), packed. slots : int64 (states,). running : int64 (time,). arcs : float64 (5, states).
    firsts : int64 (words + 1,) first state of each word, and the number of states.
    likelihoods : float64 (clips, words), written. A clip too short to reach an end may end anywhere.
    """
    n = len(slots)
    alpha = _forward(_of_states(logs, slots), running, arcs)
    last = _last_rows(running)
    for k in range(len(last)):
        at = 2 + last[k] * n
        for w in range(len(firsts) - 1):
            own = slice(firsts[w], firsts[w + 1])
            likelihoods[k, w], _ = _ended(alpha[at + firsts[w] : at + firsts[w + 1]], arcs[4, own])


@compiled
def forward_backward(
    logs: Any, slots: Any, running: Any, arcs: Any, posteriors: Any, likelihoods: Any, counts: Any
) -> None:
    """Posteriors of the states of one chain, and expected counts of its arcs (Rabiner, eqs. 19 to 27, 37 and 38).

    Parameters
    ----------
    logs, slots, running, arcs : as for ``forward``.
    posteriors : (frames, densities), written: posterior of each density, summed over the states that share it.
    likelihoods : float64 (clips,), written.
    counts : float64 (4, states), added to: expected times of being in s, of skipping from s, of starting in s and of
        ending after s. Stays and steps follow from these, as what goes into a state comes out of it.
    """
    n, clips = len(slots), running[0]
    emitted = _of_states(logs, slots)
    alpha = _forward(emitted, running, arcs)
    stay, onward, skip = _tiled(arcs[0], clips, 0), _tiled(arcs[1], clips, 0), _tiled(arcs[2], clips, 0)
    skips = arcs[2].max() > NEVER
    last = _last_rows(running)
    total, ending = np.empty(clips * n), np.empty(clips * n)
    for k in range(clips):
        at = 2 + last[k] * n
        likelihoods[k], reached = _ended(alpha[at : at + n], arcs[4])
        total[k * n : (k + 1) * n] = likelihoods[k]
        ending[k * n : (k + 1) * n] = arcs[4] if reached else np.zeros(n)
    ahead = np.full(clips * n + 2, NEVER)  # log P(frames from t + 1 on | state at t + 1), emission and all
    beta = np.empty(clips * n)
    gamma = np.zeros(clips * n)
    occupied = np.zeros(clips * n)
    begin = len(emitted)
    later = 0
    for t in range(len(running) - 1, -1, -1):
        m = running[t] * n
        begin -= m
        if later:
            _add_all(beta[:later], ahead[:later], stay[:later], ahead[1 : later + 1], onward[:later])
            if skips:
                for k in range(running[t + 1]):
                    for s in range(n - 2):
                        i = k * n + s
                        x = alpha[2 + begin + i] + skip[i] + ahead[i + 2] - total[i]
                        counts[1, s] += exponential(x) if x > -69.0 else 0.0
                _add_one(beta[:later], ahead[2 : later + 2], skip[:later])
        beta[later:m] = ending[later:m]
        _exp_all(gamma[:m], alpha[2 + begin : 2 + begin + m], beta[:m], total[:m])
        for k in range(running[t]):
            row = posteriors[begin // n + k]
            row[:] = 0
            for s in range(n):
                row[slots[s]] += gamma[k * n + s]
        _plus(occupied[:m], gamma[:m])
        if t == 0:
            for i in range(m):
                counts[2, i % n] += gamma[i]
        for i in range(later, m):
            counts[3, i % n] += gamma[i]
        ahead[:m] = beta[:m]
        _plus(ahead[:m], emitted[begin : begin + m])
        ahead[m : m + 2] = NEVER
        later = m
    for i in range(clips * n):
        counts[0, i % n] += occupied[i]


@compiled
def viterbi(logs: Any, slots: Any, running: Any, arcs: Any, path: Any, likelihoods: Any) -> None:
    """The best path of each clip through a chain (Rabiner, eqs. 32 to 35).

    ``path`` int64 (frames,), written: state of each packed frame; ``likelihoods`` float64 (clips,): log probability of
    the path and the frames. Of equal ways, the one that stays is taken.
    """
    n, clips = len(slots), running[0]
    emitted = _of_states(logs, slots)
    came = np.zeros(len(emitted), np.int8)
    best = np.full(len(emitted), NEVER)
    begins = np.zeros(len(running), np.int64)
    for i in range(clips * n):
        best[i] = arcs[3, i % n] + emitted[i]
    here, before = clips * n, 0
    for t in range(1, len(running)):
        begins[t] = here // n
        for k in range(running[t]):
            for s in range(n):
                i = before + k * n + s
                top, jump = best[i] + arcs[0, s], 0
                if s > 0 and best[i - 1] + arcs[1, s - 1] > top:
                    top, jump = best[i - 1] + arcs[1, s - 1], 1
                if s > 1 and best[i - 2] + arcs[2, s - 2] > top:
                    top, jump = best[i - 2] + arcs[2, s - 2], 2
                best[here + k * n + s], came[here + k * n + s] = top + emitted[here + k * n + s], jump
        before, here = here, here + running[t] * n
    last = _last_rows(running)
    for k in range(clips):
        at = last[k] * n
        top, free, state, anywhere = NEVER, NEVER, 0, 0
        for s in range(n):
            if best[at + s] + arcs[4, s] > top:
                top, state = best[at + s] + arcs[4, s], s
            if best[at + s] > free:
                free, anywhere = best[at + s], s
        if top < 0.1 * NEVER:
            top, state = free, anywhere
        likelihoods[k] = top
        t = np.searchsorted(begins, last[k], side="right") - 1
        while t >= 0:
            row = begins[t] + k
            path[row] = state
            state -= came[row * n + state]
            t -= 1


@compiled
def along(
    logs: Any, slots: Any, running: Any, arcs: Any, path: Any, posteriors: Any, likelihoods: Any, counts: Any
) -> None:
    """What ``forward_backward`` gives where each clip has one path: ``path`` int64 (frames,), packed.

    ``posteriors`` has to be zero; ``likelihoods`` are of path and frames, without END where the path reaches none.
    """
    begin = 0
    for t in range(len(running)):
        onward = begin + running[t]
        for k in range(running[t]):
            s = path[begin + k]
            posteriors[begin + k, slots[s]] = 1
            counts[0, s] += 1
            if t == 0:
                counts[2, s] += 1
                likelihoods[k] = arcs[3, s]
            likelihoods[k] += logs[begin + k, slots[s]]
            if t + 1 < len(running) and k < running[t + 1]:
                jump = path[onward + k] - s
                likelihoods[k] += arcs[jump, s]
                if jump == 2:
                    counts[1, s] += 1
            else:
                counts[3, s] += 1
                if arcs[4, s] > NEVER:
                    likelihoods[k] += arcs[4, s]
        begin = onward
