"""A block forwards: moments and weights folded around its passes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kwsbench.native.compiled import in_turns
from kwsbench.native.vectors import LANES, LOWEST
from kwsbench.networks.inception_cpu import folding, passes
from kwsbench.networks.inception_cpu.passes import POOLS, REST, WIDTH

TILE = 100_000  # numbers of a tile and of what is made of it: they stay in the second-level cache
LEAST = 64  # rows that are worth a thread
Array = np.ndarray
Planes = tuple[Array, Array, Array]


def empty(*shape: int) -> Array:
    """Torch's memory begins where a vector may begin, and is kept."""
    return torch.empty(shape).numpy()


def array(value: Tensor) -> Array:
    return value.detach().numpy()


# -- signals -------------------------------------------------------------------------------------------------------


@dataclass
class Signal:
    """Three planes (n, t, …), of which a reader sees max(scale·raw + shift, floor), of ``pool`` rows the largest."""

    raw: Planes
    reading: Array  # (3, c), scale, shift, floor
    pool: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Clips, steps and channels that a reader sees."""
        n, t, _ = self.raw[0].shape
        return n, t // self.pool, self.reading.shape[1]

    @property
    def jobs(self) -> int:
        """Threads that a pass over this signal takes: as many as torch does."""
        n, t, _ = self.shape
        return max(1, min(torch.get_num_threads(), n * t // LEAST))

    def step(self, width: int) -> tuple[int, int]:
        """Rows of a tile of ``width`` numbers a row, even, and tiles of a clip: enough for all jobs."""
        n, t, _ = self.shape
        tiles = max(-(-t * width // TILE), -(-self.jobs // n))
        rows = -(-t // tiles)
        rows += rows % 2
        return rows, -(-t // rows)

    def like(self, t: int) -> Planes:
        """Planes of as many channels, not filled."""
        n = self.shape[0]
        first, second, third = (empty(n, t, plane.shape[2]) for plane in self.raw)
        return first, second, third


def plain(raw: Planes) -> Signal:
    """A signal that is seen as it is."""
    c = sum(plane.shape[2] for plane in raw)
    reading = np.zeros((3, c), np.float32)
    reading[0], reading[2] = 1, LOWEST
    return Signal(raw, reading)


def of_tensor(x: Tensor) -> Signal:
    """(n, t, c), channels filled up to whole vectors."""
    n, t, c = x.shape
    whole = torch.nn.functional.pad(x.detach(), (0, -c % LANES)).contiguous().numpy()
    return plain((whole, empty(n, t, 0), empty(n, t, 0)))


def read(x: Signal) -> Tensor:
    """(n, t, c) as readers see it."""
    n, t, c = x.shape
    y, reading = torch.empty(n, t, c), np.zeros((5, c), np.float32)
    reading[:3], reading[3] = x.reading, 1
    in_turns(passes.read, x.jobs, x.raw, x.pool, reading, y.numpy())
    return y


def halved(x: Signal) -> Signal:
    """Behind a max pool of 2."""
    y = x.like(x.shape[1] // 2)
    in_turns(passes.halve, x.jobs, x.raw, x.reading, y)
    return plain(y)


# -- parameters ----------------------------------------------------------------------------------------------------


@dataclass
class Moments:
    """Mean and variance, float64, of what each normalisation of a block reads."""

    input: Array  # (2, c)
    pool: Array  # (2, 4, c)
    reduce: Array  # (2, 16·depth + 48)
    expand: Array  # (2, 96·depth)

    def in_order(self) -> tuple[list[Array], list[Array]]:
        """Means, and variances, in the order of ``Weights.norms``."""
        means, variances = ([self.input[i], *self.pool[i], self.reduce[i], self.expand[i]] for i in (0, 1))
        return means, variances


class Weights:
    """The parameters of an ``Inception1d`` as arrays, channels of its input filled up to whole vectors with zeros."""

    def __init__(self, block: Any) -> None:
        self.block = block
        self.norms = [block.norm_input, *block.norm_pool, block.norm_reduce, block.norm_expand]
        names = ["norm_input", *(f"norm_pool.{i}" for i in range(4)), "norm_reduce", "norm_expand", "reduce"]
        names += [f"expand.{j}" for j in range(3)] + [f"pool.{i}" for i in range(4)]
        layers = [*self.norms, block.reduce, *block.expand, *block.pool]
        self.parameters = {
            f"{name}.{kind}": getattr(layer, kind)
            for name, layer in zip(names, layers, strict=True)
            for kind in ("weight", "bias")
        }
        self.channels = block.norm_input.num_features
        self.c = self.channels + -self.channels % LANES
        self.gamma, self.beta = self.over_input(block.norm_input.weight), self.over_input(block.norm_input.bias)
        self.reduce, self.reduce_bias = self.over_input(block.reduce.weight), array(block.reduce.bias)  # (…, c)
        self.expand = [array(conv.weight)[:, :, 0] for conv in block.expand]  # (32·depth, 16, kernel) each
        self.expand_bias = np.concatenate([array(conv.bias) for conv in block.expand])
        self.pool = np.stack([self.over_input(conv.weight) for conv in block.pool])  # (4, 16, c)
        self.pool_bias = np.stack([array(conv.bias) for conv in block.pool])
        self.pool_gamma = np.stack([self.over_input(norm.weight) for norm in block.norm_pool])  # (4, c)
        self.pool_beta = np.stack([self.over_input(norm.bias) for norm in block.norm_pool])
        self.kernels = np.array([weight.shape[2] for weight in self.expand])
        self.narrow, self.wide = self.reduce.shape[0] - REST, self.expand[0].shape[0]

    def over_input(self, value: Tensor) -> Array:
        """(channels of the input,) or (filters, channels of the input, 1, 1), filled up."""
        return self.filled(array(value).reshape(*value.shape[:-3], self.channels))

    def filled(self, value: Array) -> Array:
        """The last axis, channels of the input, filled up with zeros."""
        if self.c == self.channels:
            return value
        return np.pad(value, [(0, 0)] * (value.ndim - 1) + [(0, self.c - self.channels)])

    @property
    def sign(self) -> Array:
        return np.where(self.gamma < 0, np.float32(-1), np.float32(1))

    @property
    def size(self) -> Array:
        return np.abs(self.gamma)

    @property
    def taps(self) -> Array:
        """The convolutions along time as ``passes.expand`` wants them."""
        return np.concatenate([weight.transpose(2, 1, 0).ravel() for weight in self.expand])

    def known_moments(self) -> Moments:
        """The running statistics."""

        def both(norm: Any) -> Array:
            return np.stack([array(norm.running_mean), array(norm.running_var)]).astype(np.float64)

        block = self.block
        pools = np.stack([self.filled(both(norm)) for norm in block.norm_pool], 1)
        return Moments(self.filled(both(block.norm_input)), pools, both(block.norm_reduce), both(block.norm_expand))


# -- the block -----------------------------------------------------------------------------------------------------


@dataclass
class Kept:
    """What the way back through a block needs."""

    w: Weights
    x: Signal
    out: Signal
    moments: Moments
    reading: Array  # (7, c), from the input to u, and means that are taken off the maxima of u
    pool_means: Array  # (4, c), of the pools of u
    reduced: Array  # (n, t, 48)
    opening: Array  # (2, 48), scale and shift of ``reduced``
    reduce_means: Array  # (16·depth + 48,), as they are in memory: of convolutions without bias
    expand_means: Array  # (96·depth,)

    def about_norms(self) -> Array:
        """(3, 112·depth): scale, shift and mean of the output's normalised channels."""
        means = np.concatenate([self.reduce_means[: self.w.narrow], self.expand_means])
        return np.concatenate([self.out.reading[:2, : means.size], means[None].astype(np.float32)])


def forward_block(x: Signal, w: Weights) -> tuple[Signal, Kept]:
    """A block normalised with the moments of this batch."""
    (n, t, c), jobs = x.shape, x.jobs
    if n * t < 2:
        raise ValueError("one value a channel has no variance: training needs more clips, or longer ones")
    of_input, of_pools, pool_means = folding.input_moments(survey(x, w.sign), w.gamma, w.beta)
    reading, first, rest, pools, lack, pool_lack = _folded(x, w, of_input, of_pools, pool_means)
    out, reduced = _room(x, w), empty(n, t, REST)
    step, tiles = x.step(3 * c)
    parts = empty(n, tiles, 1, 2, w.narrow + REST)
    scratch = empty(jobs, (3 * step + 4) * (c + LANES) + (step + 4) * 2 * WIDTH)
    in_turns(passes.reduce, jobs, x.raw, reading, first, rest, pools, step, scratch, out, reduced, parts)
    of_reduce = folding.moments_of(parts, t, step)[:, 0]
    reduce_means = of_reduce[0].copy()
    of_reduce[0] += lack
    reduce_norm = folding.norm(array(w.block.norm_reduce.weight), array(w.block.norm_reduce.bias), of_reduce, lack)
    opening = reduce_norm[:, w.narrow :].astype(np.float32)
    step, tiles = x.step(3 * w.wide + 2 * REST)
    parts = empty(n, tiles, 1, 2, 3 * w.wide)
    scratch = empty(jobs, (step + 2 * w.kernels.max()) * REST)
    in_turns(passes.expand, jobs, reduced, opening, w.kernels, w.taps, step, scratch, out[1], parts)
    of_expand = folding.moments_of(parts, t, step)[:, 0]
    expand_means = of_expand[0].copy()
    of_expand[0] += w.expand_bias
    moments = Moments(of_input, of_pools, of_reduce, of_expand)
    signal = _seen(out, w, of_expand, reduce_norm, pool_lack)
    return signal, Kept(w, x, signal, moments, reading, pool_means, reduced, opening, reduce_means, expand_means)


def score_block(x: Signal, w: Weights) -> Signal:
    """A block normalised with its running statistics."""
    c, jobs, moments, size = x.shape[2], x.jobs, w.known_moments(), w.size
    pool_means = (moments.pool[0] - w.beta) / np.where(size > 0, size, 1)
    reading, first, rest, pools, lack, pool_lack = _folded(x, w, moments.input, moments.pool, pool_means)
    reduce_norm = folding.norm(array(w.block.norm_reduce.weight), array(w.block.norm_reduce.bias), moments.reduce, lack)
    opening = reduce_norm[:, w.narrow :].astype(np.float32)
    out, (step, _) = _room(x, w), x.step(3 * c)
    rows, row = step + 2 * max(2, w.kernels.max() // 2), c + LANES
    scratch = empty(jobs, rows * row + max(2 * step * row + (step + 4) * 2 * WIDTH, rows * 2 * REST))
    arrays = x.raw, x.pool, reading, first, rest, pools, opening, w.kernels, w.taps
    in_turns(passes.whole_block, jobs, *arrays, step, scratch, out)
    return _seen(out, w, moments.expand, reduce_norm, pool_lack)


def survey(x: Signal, sign: Array) -> Array:
    """Moments (2, 5, c) of a signal, with a sign a channel, and of its pools."""
    n, t, c = x.shape
    step, tiles = x.step(c)
    parts, scratch = empty(n, tiles, 5, 2, c), empty(x.jobs, (step + 4) * c)
    reading = np.concatenate([x.reading, sign[None], np.zeros((1, c), np.float32)])
    in_turns(passes.survey, x.jobs, x.raw, reading, step, scratch, parts)
    return folding.moments_of(parts, t, step)


def _folded(x: Signal, w: Weights, of_input: Array, of_pools: Array, pool_means: Array) -> tuple[Array, ...]:
    pools = w.pool_gamma, w.pool_beta, w.pool, w.pool_bias
    return folding.folded(w.gamma, w.beta, *pools, w.reduce, w.reduce_bias, of_input, of_pools, pool_means, x.reading)


def _room(x: Signal, w: Weights) -> Planes:
    """For a block's output."""
    n, t, _ = x.shape
    return empty(n, t, w.narrow), empty(n, t, 3 * w.wide), empty(n, t, POOLS)


def _seen(out: Planes, w: Weights, of_expand: Array, reduce_norm: Array, pool_lack: Array) -> Signal:
    """A block's output with its normalisation."""
    norm = w.block.norm_expand
    expand_norm = folding.norm(array(norm.weight), array(norm.bias), of_expand, w.expand_bias)
    narrow, columns = w.narrow, w.narrow + 3 * w.wide
    reading = np.zeros((3, columns + POOLS), np.float32)
    reading[:2, :narrow], reading[:2, narrow:columns] = reduce_norm[:, :narrow], expand_norm
    reading[0, columns:], reading[1, columns:], reading[2, columns:] = 1, pool_lack, LOWEST
    return Signal(out, reading)
