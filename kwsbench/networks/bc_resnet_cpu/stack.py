"""From the stem to the last convolution along frequency, as one function of torch's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kwsbench.native.compiled import in_turns
from kwsbench.networks.bc_resnet_cpu import passes, passes_back
from kwsbench.networks.bc_resnet_cpu.lines import dims_of, whole
from kwsbench.networks.bc_resnet_cpu.norms import Norm, fold, normalisation, tiled
from kwsbench.networks.bc_resnet_cpu.passes import CLIPS, KERNEL, TAPS

Array = np.ndarray
Dims = tuple[int, int, int, int, int]
NOTHING = np.zeros(0, np.float32)


@dataclass
class Lines:
    """A signal of so many lines a clip that is normalised when it is read."""

    x: Array
    count: int
    dims: Dims
    norm: Norm

    @property
    def opening(self) -> Array:
        return tiled(self.norm.scale_and_shift)


@dataclass
class Block:
    """What is kept of a block: see ``passes`` for the arrays."""

    layer: Any
    name: str
    dims: Dims
    bands: Array  # of each bin
    wide: Lines | None
    z: Array
    norm: Norm
    mean: Array
    time: Array
    norm_time: Norm
    factors: Array
    passed: Array
    out: Array
    shares: Array

    @property
    def lines(self) -> int:
        return len(self.bands)

    def forwards(self) -> tuple:
        """What ``passes.finish_and_convolve`` asks for."""
        scales, times = tiled(self.norm.scale_and_shift), tiled(self.norm_time.scale_and_shift)
        weights = columns_of(_array(self.layer.mix.weight)[:, :, 0, 0].T)
        adds = self.wide is None
        return (
            self.z, self.bands, scales, self.time, times, weights, self.factors, self.passed, adds, self.out,
            self.shares,
        )  # fmt: skip

    def backwards(self, grad: Array, grad_time: Array) -> tuple:
        """What ``passes_back.end_back`` asks for."""
        times = tiled(self.norm_time.scale_and_shift)
        weights = columns_of(_array(self.layer.mix.weight)[:, :, 0, 0])
        return (
            self.z, self.bands, self.time, times, weights, self.factors, self.out, grad, grad_time, self.shares,
        )  # fmt: skip


@dataclass
class Run:
    """A batch on its way: clips, frames and bins of the input, and threads with their scratch."""

    net: Any
    x: Array
    n: int
    frames: int
    bins: int
    jobs: int
    scratch: Array
    groups: int

    def over(self, task: Any, *args: Any) -> None:
        in_turns(task, self.jobs, self.n, *args)

    def sums(self, rows: int, dims: Dims) -> Array:
        """Zeros (groups, rows, period) of float32, flat but for the groups."""
        return np.zeros((self.groups, rows * dims[4]), np.float32)

    def signal(self, lines: int, dims: Dims) -> Array:
        """Torch's memory begins where a vector may begin, and is kept."""
        return torch.empty(self.n * lines * dims[3] + 256).numpy()

    def folded(self, sums: Array, dims: Dims) -> Array:
        """(rows, channels)."""
        return fold(sums.reshape(self.groups, -1, dims[4]), dims[0])

    def moments(self, sums: Array, dims: Dims) -> Array:
        """(rows, 2, channels)."""
        return self.folded(sums, dims).reshape(-1, 2, dims[0])


def run(net: Any, frames: Tensor) -> Tensor:
    """(n, frames, bins) → (n, left of bins, frames, channels), what ``BCResNet.last`` makes of the blocks' output."""
    parameters = {name: p for name, p in net.named_parameters() if not name.startswith(("head", "norm_head", "out"))}
    if torch.is_grad_enabled():
        return _Stack.apply(frames, net, list(parameters), *parameters.values())
    return _forward(net, frames, keeps=False)[0]


# -- forwards ----------------------------------------------------------------------------------------------------------


def _forward(net: Any, x: Tensor, keeps: bool) -> tuple[Tensor, Run, Lines, list[Block]]:
    n, frames, bins = x.shape
    groups = -(-n // CLIPS)
    jobs = max(1, min(torch.get_num_threads(), groups))
    widest = max(net.stem.out_channels, *(block.mix.out_channels for block in net.blocks))
    size = passes.room(frames, bins, widest, max(block.along_time.dilation[1] for block in net.blocks))
    r = Run(net, _flat(x), n, frames, bins, jobs, torch.empty(jobs, size).numpy(), groups)
    first = _stem(r)
    blocks: list[Block] = []
    for i, layer in enumerate(net.blocks):
        block = _block(r, layer, f"blocks.{i}", blocks[-1] if blocks else None, first)
        blocks = [*blocks, block] if keeps else [block]
    end = blocks[-1]
    height = net.last.kernel_size[0]
    left = end.lines - height + 1
    y = r.signal(left, end.dims)
    r.over(passes.finish_and_end, end.forwards(), end.dims, _last_taps(net), height, y, r.scratch)
    channels, _, length, row, _ = end.dims
    lines = torch.from_numpy(y[: n * left * row]).view(n, left, row)
    return lines[:, :, :length].reshape(n, left, frames, channels), r, first, blocks


def _stem(r: Run) -> Lines:
    dims, lines = dims_of(r.net.stem.out_channels, r.frames), (r.bins + 1) // 2
    weights = columns_of(_array(r.net.stem.weight)[:, 0].transpose(2, 1, 0).reshape(TAPS, dims[0]))
    x, sums = r.signal(lines, dims), r.sums(2, dims)
    r.over(passes.stem, r.x, r.bins, dims, weights, x, lines, r.scratch, sums)
    norm = normalisation([r.net.norm_stem], r.moments(sums, dims), [r.n * lines * r.frames], r.net.training)
    return Lines(x, lines, dims, norm)


def _block(r: Run, layer: Any, name: str, before: Block | None, first: Lines) -> Block:
    dims, n, training = dims_of(layer.mix.out_channels, r.frames), r.n, r.net.training
    bands = np.repeat(np.arange(len(layer.band_sizes)), layer.band_sizes)
    taps, lines, out_of = _bin_taps(layer), len(bands), len(layer.band_sizes)
    z, sums, wide = r.signal(lines, dims), r.sums(2 * out_of, dims), None
    if layer.widen is not None:
        wide = _widened(r, layer, dims, before, first)
        stride = layer.along_bins.stride[0]
        r.over(
            passes.open_and_convolve, wide.x, wide.count, dims, wide.opening, taps, stride, bands, z, r.scratch, sums
        )
    else:
        assert before is not None
        r.over(passes.finish_and_convolve, before.forwards(), dims, taps, bands, z, r.scratch, sums)
    counts = [n * r.frames * size for size in layer.band_sizes]
    norm = normalisation(list(layer.norm_bands), r.moments(sums, dims), counts, training)
    mean, time, sums = r.signal(1, dims), r.signal(1, dims), r.sums(2, dims)
    scales, shifts = norm.scale_and_shift.transpose(1, 0, 2) / lines
    bias = tiled((shifts * np.array(layer.band_sizes)[:, None]).sum(0))
    r.over(
        passes.along_time, z, dims, bands, tiled(scales), bias, _time_taps(layer), layer.along_time.dilation[1], mean,
        time, r.scratch, sums,
    )  # fmt: skip
    norm_time = normalisation([layer.norm_time], r.moments(sums, dims), [n * r.frames], training)
    passed = before.out if before is not None and wide is None else NOTHING
    factors = _factors(layer.dropout, n, dims[0])
    return Block(
        layer, name, dims, bands, wide, z, norm, mean, time, norm_time, factors, passed, r.signal(lines, dims),
        r.signal(1, dims),
    )  # fmt: skip


def _widened(r: Run, layer: Any, dims: Dims, before: Block | None, first: Lines) -> Lines:
    """The input of a block, with its width."""
    count = before.lines if before else first.count
    x, sums, weights = r.signal(count, dims), r.sums(2, dims), columns_of(_array(layer.widen.weight).T)
    if before:
        r.over(passes.finish_and_widen, before.forwards(), before.dims, weights, dims, x, r.scratch, sums)
    else:
        r.over(
            passes.open_and_widen, first.x, count, first.dims, first.opening, weights, dims, x, r.scratch, sums
        )  # fmt: skip
    counts = [r.n * count * r.frames]
    return Lines(x, count, dims, normalisation([layer.norm_wide], r.moments(sums, dims), counts, r.net.training))


def _factors(dropout: Any, n: int, channels: int) -> Array:
    """What dropout multiplies each channel of a clip with, drawn as torch draws it."""
    if not dropout.training or dropout.p == 0:
        return np.ones(n * channels, np.float32)
    kept = 1 - dropout.p
    return torch.empty(n * channels).bernoulli_(kept).div_(kept).numpy()


# -- backwards ---------------------------------------------------------------------------------------------------------


class _Stack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, net: Any, names: list[str], *parameters: Tensor) -> Tensor:
        out, *ctx.kept = _forward(net, x, keeps=True)
        ctx.names, ctx.shapes = names, [p.shape for p in parameters]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        found = _backward(grads[0], *ctx.kept)
        results = [
            torch.from_numpy(np.ascontiguousarray(found[name], np.float32)).view(shape)
            for name, shape in zip(ctx.names, ctx.shapes, strict=True)
        ]
        return None, None, None, *results


def _backward(given: Tensor, r: Run, first: Lines, blocks: list[Block]) -> dict[str, Array]:
    """Gradients of all parameters."""
    found: dict[str, Array] = {}
    own = blocks[-1]
    height = r.net.last.kernel_size[0]
    grad, grad_time = r.signal(own.lines, own.dims), r.signal(1, own.dims)
    sums, products = _sums_of(r, own)
    taps = r.sums(5 * height, own.dims)
    r.over(
        passes_back.end_back, _padded(given, own.dims), _last_taps(r.net), height, own.backwards(grad, grad_time),
        own.dims, r.scratch, sums, products, taps,
    )  # fmt: skip
    found["last.weight"] = r.folded(taps, own.dims).T
    for i in range(len(blocks) - 1, -1, -1):
        own, before = blocks[i], blocks[i - 1] if i else None
        found[f"{own.name}.mix.weight"] = _product(products, own.dims[0], own.dims[0]).T
        back = _time_back(r, own, grad_time, sums, found)
        if own.wide is None:
            assert before is not None
            new, taps = r.signal(1, own.dims), r.sums(3, own.dims)
            sums, products = _sums_of(r, before)
            r.over(
                passes_back.convolve_back, own.z, grad, grad_time, own.dims, own.bands, back, _bin_taps(own.layer),
                before.backwards(grad, new), r.scratch, taps, sums, products,
            )  # fmt: skip
            grad_time = new
        else:
            wide, taps, wide_sums = own.wide, r.sums(3, own.dims), r.sums(2, own.dims)
            grad_wide = r.signal(wide.count, own.dims)
            r.over(
                passes_back.open_convolve_back, own.z, grad, grad_time, own.dims, own.bands, back,
                _bin_taps(own.layer), own.layer.along_bins.stride[0], wide.x, wide.count, wide.opening, grad_wide,
                r.scratch, taps, wide_sums,
            )  # fmt: skip
            back = _through(r, wide.norm, wide_sums, own.dims, found, [f"{own.name}.norm_wide"])
            weights = columns_of(_array(own.layer.widen.weight))
            narrow = before.dims if before else first.dims
            wide_found = np.zeros((r.groups, narrow[0] * whole.py_func(own.dims[0])), np.float32)
            grad = r.signal(wide.count, narrow)
            if before:
                sums, products = _sums_of(r, before)
                grad_time = r.signal(1, narrow)
                r.over(
                    passes_back.widen_back, wide.x, grad_wide, own.dims, back, weights,
                    before.backwards(grad, grad_time), narrow, r.scratch, wide_found, sums, products,
                )  # fmt: skip
            else:
                sums = r.sums(2, narrow)
                r.over(
                    passes_back.open_widen_back, wide.x, grad_wide, own.dims, back, weights, first.x, first.count,
                    narrow, first.opening, grad, r.scratch, wide_found, sums,
                )  # fmt: skip
            found[f"{own.name}.widen.weight"] = _product(wide_found, narrow[0], own.dims[0]).T
        found[f"{own.name}.along_bins.weight"] = r.folded(taps, own.dims).T
    back = _through(r, first.norm, sums, first.dims, found, ["norm_stem"])
    stem = np.zeros((r.groups, TAPS * whole.py_func(first.dims[0])), np.float32)
    r.over(passes_back.stem_back, r.x, r.bins, first.dims, first.x, grad, first.count, back, r.scratch, stem)
    weights = _product(stem, TAPS, first.dims[0]).reshape(KERNEL, KERNEL, first.dims[0])
    found["stem.weight"] = weights.transpose(2, 1, 0)
    return found


def _time_back(r: Run, own: Block, grad_time: Array, sums: Array, found: dict[str, Array]) -> Array:
    """Through the part along time; returns the factors of the way through the normalisation of sub-bands.

    sums : of the gradient behind the normalisation of sub-bands but for what comes from here, and of that along time.
    """
    layer, dims, bands = own.layer, own.dims, len(own.layer.band_sizes)
    moments = r.moments(sums, dims)
    back, *gradients = own.norm_time.back(moments[bands:])
    _keep(found, [f"{own.name}.norm_time"], *gradients)
    taps, parts = r.sums(3, dims), r.sums(1 + bands, dims)
    r.over(
        passes_back.time_back, own.z, dims, own.bands, tiled(back), _time_taps(layer) / np.float32(own.lines),
        layer.along_time.dilation[1], own.mean, own.time, grad_time, r.scratch, parts, taps,
    )  # fmt: skip
    found[f"{own.name}.along_time.weight"] = r.folded(taps, dims).T
    more = r.folded(parts, dims)
    moments = moments[:bands]
    moments[:, 0] += more[0] * np.array(layer.band_sizes)[:, None]
    moments[:, 1] += more[1:]
    back, *gradients = own.norm.back(moments)
    _keep(found, [f"{own.name}.norm_bands.{k}" for k in range(bands)], *gradients)
    return tiled(back)


def _through(r: Run, norm: Norm, sums: Array, dims: Dims, found: dict[str, Array], names: list[str]) -> Array:
    back, *gradients = norm.back(r.moments(sums, dims))
    _keep(found, names, *gradients)
    return tiled(back)


def _keep(found: dict[str, Array], names: list[str], weights: Array, biases: Array) -> None:
    for name, weight, bias in zip(names, weights, biases, strict=True):
        found[f"{name}.weight"], found[f"{name}.bias"] = weight, bias


def _sums_of(r: Run, block: Block) -> tuple[Array, Array]:
    """Room for the sums of a block's gradients, and for that of its mixture."""
    channels = block.dims[0]
    products = np.zeros((r.groups, channels * whole.py_func(channels)), np.float32)
    return r.sums(2 * (len(block.layer.band_sizes) + 1), block.dims), products


# -- parameters --------------------------------------------------------------------------------------------------------


def columns_of(weights: Array) -> Array:
    """(depth, wide) → flat, with columns of zeros up to whole vectors."""
    rest = whole.py_func(weights.shape[1]) - weights.shape[1]
    return np.pad(weights, ((0, 0), (0, rest))).ravel()


def _product(parts: Array, rows: int, columns: int) -> Array:
    """The sum (rows, columns) of products of groups, without the columns that fill vectors."""
    return parts.sum(0, dtype=np.float64).reshape(rows, -1)[:, :columns]


def _bin_taps(layer: Any) -> Array:
    """(4, period) of the convolution along frequency, the last zero."""
    taps = _array(layer.along_bins.weight)[:, 0, :, 0].T
    return tiled(np.concatenate([taps, np.zeros_like(taps[:1])]))


def _time_taps(layer: Any) -> Array:
    return tiled(_array(layer.along_time.weight)[:, 0, 0].T)


def _last_taps(net: Any) -> Array:
    """(height, 5, period)."""
    return tiled(_array(net.last.weight)[:, 0].transpose(1, 2, 0))


def _array(p: Tensor) -> Array:
    return p.detach().numpy()


def _flat(x: Tensor) -> Array:
    return x.detach().contiguous().view(-1).numpy()


def _padded(grad: Tensor, dims: Dims) -> Array:
    """(n, lines, frames, channels) → a signal."""
    n, lines = grad.shape[:2]
    out = torch.zeros(n, lines, dims[3])
    out[:, :, : dims[2]] = grad.flatten(2)
    return out.view(-1).numpy()
