"""The passes with torch, for a GPU: expectations and likelihoods as ``passes`` has them, by few and large operations.

All words run at once: a clip carries the chain of its own word, or those of all words, padded to the most states with
arcs that cannot be, so that time is the only loop. Clips are packed as in ``kernels``. Recursions are in the log domain
and in float64, mixtures and matrix products in the frames' own ``dtype``, and what they give is added up in float64.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from kwsbench.hmm.chains import END, NEVER, NEXT, SKIP, START, STAY
from kwsbench.hmm.mixtures import n_terms
from kwsbench.hmm.packing import Chunk, chunks
from kwsbench.hmm.passes import Expectations, Frames, Voice

WORK_BYTES = 1 << 33  # what a block of clips may take of the device's memory, about
PIECE = 4096  # frames that a matrix product adds up in its own precision
GROUP = 64  # densities that are padded to the same number of Gaussians
UPLOAD_FRAMES = 1 << 16  # at a time


def device_of(name: str) -> torch.device:
    """The device "cuda", "torch:cpu", "torch:cuda:1" and the like.

    Raises
    ------
    ValueError : torch knows no such device, or sees no GPU.
    """
    try:
        device = torch.device(name.removeprefix("torch:"))
    except RuntimeError as error:
        raise ValueError(f"device is {name}: give cpu, cuda, or torch: and a device that torch knows") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device is {name}: torch {torch.__version__} sees no GPU; give cpu")
    return device


class DeviceWork:
    """The clips of a fit on a device, planned and, where they take at most half of its free memory, uploaded once.

    Parameters
    ----------
    frames : of all clips.
    lengths, words : int64 (clips,) frames of each, and which word it is of.
    device : where the passes run.
    """

    def __init__(self, frames: Frames, lengths: np.ndarray, words: np.ndarray, device: torch.device) -> None:
        self.lengths, self.words, self.device = lengths, words, device
        self._reader = _Reader(frames, device)
        self._bytes = min(WORK_BYTES, _room(device))
        self._planned, self._blocks = 0, list[_Block]()

    @torch.inference_mode()
    def expect(self, voices: Sequence[Voice]) -> list[Expectations]:
        """The E-step of all words (Rabiner, eqs. 19 to 27, 37 and 38), given a voice of a single chain for each."""
        words = _Words(voices, self.device)
        sums = [torch.zeros((), dtype=torch.float64, device=self.device) for _ in voices]
        counts = torch.zeros((len(voices), 4, words.arcs.shape[2]), dtype=torch.float64, device=self.device)
        blocks = self._plan(words.bytes_a_frame(self._reader))
        found = torch.cat([self._expect(block, words, sums, counts) for block in blocks]).cpu().numpy()
        clips = np.concatenate([block.clips for block in blocks])
        result = []
        for word, voice in enumerate(voices):
            own = self.words[clips] == word
            total = sums[word].cpu().numpy()[words.banks[word].places]
            result.append(
                Expectations(total, counts[word, :, : len(voice.slots)].cpu().numpy(), found[own], clips[own])
            )
        return result

    def _plan(self, bytes_a_frame: float) -> list[_Block]:
        """Blocks of clips that keep to the memory; made anew only where their size is another power of two."""
        size = 1 << max(int(self._bytes / bytes_a_frame), 1).bit_length() - 1
        if size != self._planned:
            parts = chunks(self.lengths, np.arange(len(self.lengths)), size)
            self._planned, self._blocks = size, [_Block.of(part, self.words, self.device) for part in parts]
        return self._blocks

    def _expect(self, block: _Block, words: _Words, sums: list[Tensor], counts: Tensor) -> Tensor:
        """Add a block's expectations to ``sums`` and ``counts``; log likelihoods (clips,)."""
        emitted = torch.empty((len(block.owner), words.arcs.shape[2]), dtype=torch.float64, device=self.device)
        kept = []
        for part in block.parts:
            terms = self._reader.terms(part.rows)
            mixtures = list(words.banks[part.word].mixtures(terms))
            logs = torch.cat([log for log, _, _ in mixtures], 1)
            emitted.index_copy_(0, part.places, logs.index_select(1, words.slots[part.word]).double())
            kept.append((terms, mixtures))
        arcs = words.arcs[:, block.words]
        alpha = _forward(emitted, block.running, arcs, words.skips)
        total, reached = _ended(alpha[block.last, 2:], arcs[END])
        beta = torch.where(reached[:, None], arcs[END], 0.0)[block.owner]
        _backward(beta, emitted, block.running, arcs, words.skips)
        if words.skips:
            skipped = _skipped(alpha, beta + emitted, total, arcs[SKIP], block)
        posteriors = alpha[:, 2:].add_(beta).sub_(total[block.owner][:, None]).exp_()
        for part, (terms, mixtures) in zip(block.parts, kept, strict=True):
            inside, ended = posteriors[part.places], posteriors[block.last[part.clips]]
            counts[part.word, 0] += inside.sum(0)
            counts[part.word, 2] += inside[: len(part.clips)].sum(0)
            counts[part.word, 3] += ended.sum(0)
            if words.skips:
                arrived = part.places[len(part.clips) :] - len(block.clips)
                counts[part.word, 1, :-2] += skipped[arrived].sum(0)
            given = (inside @ words.members[part.word]).to(terms.dtype)
            sums[part.word] = sums[part.word] + torch.cat(list(_weighted(mixtures, given, terms)))
        return total


@torch.inference_mode()
def score(frames: Frames, lengths: np.ndarray, voice: Voice, device: torch.device) -> np.ndarray:
    """float64 (clips, words): log likelihoods of standardised frames (Rabiner, eqs. 19 to 21); 0 for no frames."""
    reader, bank = _Reader(frames, device), _Bank(voice, device)
    pairs = list(zip(voice.firsts[:-1], voice.firsts[1:], strict=True))
    arcs = _arcs([voice.arcs[:, begin:end] for begin, end in pairs], device)
    slots = torch.from_numpy(_padded([voice.slots[begin:end] for begin, end in pairs], 0)).to(device)
    numbers = 2 * reader.n_terms + len(voice.layout.densities) + slots.numel() + 2 * bank.widest
    clips_a_frame = np.count_nonzero(lengths) / max(len(frames.values), 1)
    bytes_a_frame = frames.dtype.itemsize * numbers + 8 * 5 * slots.numel() * clips_a_frame
    size = max(int(min(WORK_BYTES, _room(device)) / bytes_a_frame), 1)
    result = np.zeros((len(lengths), len(pairs)))
    for part in chunks(lengths, np.arange(len(lengths)), size):
        terms = reader.terms(torch.from_numpy(part.rows).to(device))
        logs = torch.cat([log for log, _, _ in bank.mixtures(terms)], 1)
        emitted = logs.index_select(1, slots.flatten()).unflatten(1, slots.shape)
        alpha = _forward_ends(emitted, part.running.tolist(), arcs, _skips(voice.arcs))
        result[part.clips] = _ended(alpha, arcs[END])[0].cpu().numpy()
    return result


class _Reader:
    """Standardised frames on a device: all of them, or as they are asked for where they take too much memory."""

    def __init__(self, frames: Frames, device: torch.device) -> None:
        self.frames, self.device = frames, device
        self._mean = torch.from_numpy(frames.mean).to(device)
        self._scale = torch.from_numpy(frames.scale).to(device)
        values, dims = frames.values, frames.values.shape[1]
        self.n_terms = n_terms(dims, frames.covariance)
        self._pairs = torch.triu_indices(dims, dims, device=device) if frames.covariance == "full" else None
        self._all: Tensor | None = None
        self._dtype = torch.float64 if frames.dtype == np.float64 else torch.float32
        if values.size * frames.dtype.itemsize <= _room(device):
            self._all = torch.empty(values.shape, dtype=self._dtype, device=device)
            for begin in range(0, len(values), UPLOAD_FRAMES):
                part = slice(begin, begin + UPLOAD_FRAMES)
                self._all[part] = self._standardised(np.array(values[part]))

    def terms(self, rows: Tensor) -> Tensor:
        """(frames, terms): ``[x², x, 1]`` or ``[x_i x_j, x, 1]`` of the frames at some rows."""
        if self._all is None:
            x = self._standardised(self.frames.values[rows.cpu().numpy()]).to(self._dtype)
        else:
            x = self._all[rows]
        second = x.square() if self._pairs is None else x[:, self._pairs[0]] * x[:, self._pairs[1]]
        return torch.cat([second, x, x.new_ones(len(x), 1)], 1)

    def _standardised(self, values: np.ndarray) -> Tensor:
        return (torch.from_numpy(values).to(self.device).double() - self._mean) * self._scale


class _Bank:
    """The mixtures of a voice on a device; neighbours in its layout are padded to the same number of Gaussians.

    Attributes
    ----------
    groups : natural parameters (terms, densities · ranks), and the number of densities, of each group.
    places : int64 (components,): where each Gaussian of the voice stands among those of all groups.
    widest : Gaussians of the largest group, padding and all.
    """

    def __init__(self, voice: Voice, device: torch.device) -> None:
        sizes = voice.layout.sizes
        n = int(sizes[0])
        known = np.arange(n)[:, None] < sizes
        columns = np.arange(n)[:, None] + np.cumsum(sizes) - sizes
        self.groups, order = list[tuple[Tensor, int]](), []
        for first in range(0, n, GROUP):
            part = slice(first, first + GROUP), slice(np.count_nonzero(known[first]))
            own = known[part]
            natural = np.zeros((len(voice.natural), *own.shape), voice.natural.dtype)
            natural[-1] = -np.inf
            natural[:, own] = voice.natural[:, columns[part][own]]
            self.groups.append((torch.from_numpy(natural).to(device).flatten(1), len(own)))
            order.append(np.where(own, columns[part], -1).ravel())
        places = np.concatenate(order)
        self.places = np.empty(len(voice.layout.gaussians), np.int64)
        self.places[places[places >= 0]] = np.flatnonzero(places >= 0)
        self.widest = max(len(own) for own in order)

    def mixtures(self, terms: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Group by group: log densities (frames, densities), components relative to the largest of their density
        (frames, densities, ranks), and their sums (frames, densities)."""
        for natural, densities in self.groups:
            components = (terms @ natural).unflatten(1, (densities, -1))
            top = components.amax(2)
            components.sub_(top[:, :, None]).exp_()
            sums = components.sum(2)
            yield top + sums.log(), components, sums


class _Words:
    """The voices of all words on a device.

    Attributes
    ----------
    banks : a word's mixtures.
    arcs : float64 (5, words, states), NEVER for states that a word has not.
    slots : int64 (words, states), 0 there.
    members : float64 (words, states, densities): 1 where a state has a density.
    skips : whether any state may be jumped over.
    """

    def __init__(self, voices: Sequence[Voice], device: torch.device) -> None:
        self.banks = [_Bank(voice, device) for voice in voices]
        self.arcs = _arcs([voice.arcs for voice in voices], device)
        slots = _padded([voice.slots for voice in voices], 0)
        self.slots = torch.from_numpy(slots).to(device)
        sizes = [len(voice.layout.densities) for voice in voices]
        self.members = [torch.from_numpy(np.eye(n)[own]).to(device) for n, own in zip(sizes, slots, strict=True)]
        self.skips = any(_skips(voice.arcs) for voice in voices)

    def bytes_a_frame(self, reader: _Reader) -> float:
        """Of a block: terms, components twice, and six numbers of every state."""
        widest = max(sum(natural.shape[1] for natural, _ in bank.groups) for bank in self.banks)
        numbers = 2 * reader.n_terms + 2 * widest
        return reader.frames.dtype.itemsize * numbers + 8 * 6 * self.arcs.shape[2]


@dataclass(frozen=True)
class _Part:
    """The frames of one word in a block.

    Attributes
    ----------
    rows, places : int64 (frames of the word,), time by time: where they are among all frames, and in the block.
    clips : int64 (clips of the word,): where they are in the block.
    """

    word: int
    rows: Tensor
    places: Tensor
    clips: Tensor


@dataclass(frozen=True)
class _Block:
    """Clips of any words that are worked on together, packed.

    Attributes
    ----------
    clips : int64 (clips,), longest first.
    running : clips that have a frame at each time.
    parts : word by word.
    words : int64 (clips,).
    owner : int64 (frames,): place in the block of the clip of each frame.
    last : int64 (clips,): place of each clip's last frame.
    before : int64 (frames − clips,): place of the frame before, of all but first frames.
    """

    clips: np.ndarray
    running: list[int]
    parts: list[_Part]
    words: Tensor
    owner: Tensor
    last: Tensor
    before: Tensor

    @classmethod
    def of(cls, chunk: Chunk, words: np.ndarray, device: torch.device) -> _Block:
        """``words`` int64 (all clips,)."""
        running, n = chunk.running, len(chunk.clips)
        owner = np.concatenate([np.arange(m) for m in running])
        length = np.bincount(owner, minlength=n)
        last = (np.cumsum(running) - running)[length - 1] + np.arange(n)
        before = np.arange(n, len(owner)) - np.repeat(running[:-1], running[1:])
        own = words[chunk.clips]
        order = np.argsort(own[owner], kind="stable")
        bounds = np.searchsorted(own[owner][order], np.arange(own.max() + 2))
        parts = []
        for word in np.unique(own):
            places = order[bounds[word] : bounds[word + 1]]
            found = (chunk.rows[places], places, np.flatnonzero(own == word))
            parts.append(_Part(int(word), *(torch.from_numpy(x).to(device) for x in found)))
        on_device = (torch.from_numpy(x).to(device) for x in (own, owner, last, before))
        return cls(chunk.clips, running.tolist(), parts, *on_device)


def _forward(emitted: Tensor, running: list[int], arcs: Tensor, skips: bool) -> Tensor:
    """float64 (frames, 2 + states): log P(frames up to t, state at t) (Rabiner, eqs. 19 and 20), after two of NEVER.

    ``emitted`` float64 (frames, states), ``arcs`` float64 (5, clips, states).
    """
    states = emitted.shape[1]
    into = _into(arcs, skips)
    alpha = emitted.new_full((len(emitted), states + 2), NEVER)
    here, before = running[0], 0
    torch.add(arcs[START], emitted[:here], out=alpha[:here, 2:])
    for m in running[1:]:
        source, out = alpha[before : before + m], alpha[here : here + m, 2:]
        _log_sum([source[:, 2 - j : 2 - j + states] + step[:m] for j, step in enumerate(into)], out)
        out += emitted[here : here + m]
        before, here = here, here + m
    return alpha


def _forward_ends(emitted: Tensor, running: list[int], arcs: Tensor, skips: bool) -> Tensor:
    """float64 (clips, words, states): log P(all frames, last state) of every clip in the chain of every word.

    ``emitted`` (frames, words, states), ``arcs`` float64 (5, words, states).
    """
    words, states = emitted.shape[1:]
    into = _into(arcs, skips)
    alpha = arcs.new_full((running[0], words, states + 2), NEVER)
    here = running[0]
    torch.add(arcs[START], emitted[:here], out=alpha[:, :, 2:])
    for m in running[1:]:
        out = alpha[:m, :, 2:]
        _log_sum([alpha[:m, :, 2 - j : 2 - j + states] + step for j, step in enumerate(into)], out)
        out += emitted[here : here + m]
        here += m
    return alpha[:, :, 2:]


def _backward(beta: Tensor, emitted: Tensor, running: list[int], arcs: Tensor, skips: bool) -> None:
    """log P(frames after t | state at t) (Rabiner, eqs. 24 and 25), written to ``beta`` float64 (frames, states), which
    holds the last frames' values."""
    states = emitted.shape[1]
    onward = arcs[[STAY, NEXT, SKIP]] if skips else arcs[[STAY, NEXT]]
    ahead = emitted.new_full((running[0], states + 2), NEVER)
    later = len(emitted) - running[-1]
    for t in range(len(running) - 2, -1, -1):
        m, here = running[t + 1], later - running[t]
        torch.add(beta[later : later + m], emitted[later : later + m], out=ahead[:m, :states])
        ways = [ahead[:m, j : j + states] + step[:m] for j, step in enumerate(onward)]
        _log_sum(ways, beta[here : here + m])
        later = here


def _skipped(alpha: Tensor, ahead: Tensor, total: Tensor, skip: Tensor, block: _Block) -> Tensor:
    """float64 (frames − clips, states − 2): P(skipped from state s into a frame), of all but first frames (Rabiner,
    eq. 37).

    ``ahead`` (frames, states): log P(frames from t on | state at t). ``skip`` (clips, states).
    """
    first = len(block.clips)
    owner = block.owner[first:]
    found = alpha[block.before, 2:-2] + skip[owner, :-2]
    return found.add_(ahead[first:, 2:]).sub_(total[owner][:, None]).exp_()


def _ended(alpha: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Log likelihoods (Rabiner, eq. 21) from log P(all frames, last state) (…, states), and whether an end was reached;
    if not, any state may end."""
    ends = alpha + end
    reached = ends.amax(-1) > 0.1 * NEVER
    return torch.where(reached[..., None], ends, alpha).logsumexp(-1), reached


def _into(arcs: Tensor, skips: bool) -> list[Tensor]:
    """STAY, NEXT and SKIP, (…, states) each, at the states that they lead to."""
    rows = [STAY, NEXT, SKIP] if skips else [STAY, NEXT]
    return [pad(arcs[row], (shift, 0), value=NEVER)[..., : arcs.shape[-1]] for shift, row in enumerate(rows)]


def _log_sum(ways: list[Tensor], out: Tensor) -> None:
    """The log of the summed exponentials, written to ``out``."""
    torch.logaddexp(ways[0], ways[1], out=out)
    for way in ways[2:]:
        torch.logaddexp(out, way, out=out)


def _weighted(mixtures: list[tuple[Tensor, Tensor, Tensor]], given: Tensor, terms: Tensor) -> Iterator[Tensor]:
    """Group by group, float64 (densities · ranks, terms): sums of terms by posteriors of Gaussians (Rabiner, eqs. 53
    and 54). ``given`` (frames, densities): posteriors of densities. ``mixtures`` are overwritten."""
    begin = 0
    for _, components, sums in mixtures:
        end = begin + sums.shape[1]
        shares = components.mul_((given[:, begin:end] / sums)[:, :, None]).flatten(1)
        whole = len(shares) // PIECE * PIECE
        total = (shares[whole:].T @ terms[whole:]).double()
        if whole:
            pieces = (x[:whole].unflatten(0, (-1, PIECE)) for x in (shares, terms))
            total += torch.bmm(next(pieces).mT, next(pieces)).sum(0, dtype=torch.float64)
        yield total
        begin = end


def _arcs(chains: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """float64 (5, words, states) from arcs (5, states) of each word."""
    padded = np.stack([_padded([arcs[row] for arcs in chains], NEVER) for row in range(5)])
    return torch.from_numpy(padded).to(device)


def _padded(rows: Sequence[np.ndarray], value: float) -> np.ndarray:
    """(rows, longest): rows of different lengths, filled up."""
    found = np.full((len(rows), max(len(row) for row in rows)), value, rows[0].dtype)
    for place, row in zip(found, rows, strict=True):
        place[: len(row)] = row
    return found


def _skips(arcs: np.ndarray) -> bool:
    return bool(arcs[SKIP].max() > NEVER)


def _room(device: torch.device) -> int:
    """Bytes that one thing may take: on a GPU half of what is free, which what torch keeps unused is."""
    if device.type != "cuda":
        return sys.maxsize
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return (torch.cuda.mem_get_info(device)[0] + kept) // 2
