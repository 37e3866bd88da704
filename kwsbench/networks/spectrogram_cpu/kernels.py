"""The innermost steps, written down as LLVM's instructions: all numbers of channels are known, sums are in registers.

Arrays are contiguous; a place in them is the number of elements before it, whatever their shape. Eight or sixteen
channels are a vector, as they come; ``native.vectors`` is for channels of any number.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from kwsbench.native.compiled import intrinsic
from kwsbench.native.vectors import WIDE

N = types.intp
WORD = ir.IntType(64)
# lines of a kernel whose weights and sums are in registers together
LINES_AT_ONCE = {2: [(0, 1)], 3: [(0, 1, 2)] if WIDE else [(0,), (1,), (2,)]}


class _Lines:
    """Instructions at a builder's place, on vectors of so many float32."""

    def __init__(self, context: Any, builder: Any, lanes: int) -> None:
        self.context, self.builder, self.lanes = context, builder, lanes
        self.kind = ir.VectorType(ir.FloatType(), lanes)
        self.zero = ir.Constant(self.kind, [0.0] * lanes)

    def place(self, kind: Any, array: Any, i: Any) -> Any:
        """Pointer to element ``i`` of an array."""
        return self.at(self.context.make_array(kind)(self.context, self.builder, array).data, i)

    def at(self, place: Any, i: Any) -> Any:
        """Pointer to ``i`` elements behind a place."""
        return self.builder.gep(place, [ir.Constant(WORD, i) if isinstance(i, int) else i], inbounds=True)

    def load(self, place: Any, i: Any = 0) -> Any:
        return self.builder.load(self.builder.bitcast(self.at(place, i), self.kind.as_pointer()), align=4)

    def store(self, value: Any, place: Any, i: Any = 0) -> None:
        self.builder.store(value, self.builder.bitcast(self.at(place, i), self.kind.as_pointer()), align=4)

    def spread(self, value: Any) -> Any:
        """A vector of one number."""
        kind = ir.VectorType(value.type, self.lanes)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        kind = ir.FunctionType(self.kind, [self.kind] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f32"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])

    def cells(self, values: list) -> list:
        """Variables, which LLVM keeps in registers."""
        return [cgutils.alloca_once_value(self.builder, value) for value in values]

    def add_to(self, cell: Any, a: Any, b: Any) -> None:
        """``cell += a · b``."""
        self.builder.store(self.fma(a, b, self.builder.load(cell)), cell)

    def positive(self, value: Any) -> Any:
        """ReLU, which keeps what is no number."""
        return self.builder.select(self.builder.fcmp_ordered("<", value, self.zero), self.zero, value)


def convolution(rows: int, lanes: int, vectors: int, kernel: int, channels: int, relu: bool) -> Any:
    """An intrinsic for ``rows`` neighbouring places of a convolution to lanes · vectors channels.

    ``f(out, to, x, at, row, weights, bias)``: out[to:] is (rows, lanes · vectors); x[at:] its first place's input,
    channels last, ``row`` numbers from line to line. weights : (kernel, kernel, channels, lanes · vectors).
    """
    depth, wide = kernel * channels, lanes * vectors

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lines = _Lines(context, builder, lanes)
        out, x = (lines.place(sig.args[i], args[i], args[i + 1]) for i in (0, 2))
        weights, bias = (lines.place(sig.args[i], args[i], 0) for i in (5, 6))
        start = [lines.load(bias, lanes * v) for v in range(vectors)]
        sums = lines.cells(start * rows)
        for dy in range(kernel):
            line, taps = lines.at(x, builder.mul(args[4], ir.Constant(WORD, dy))), lines.at(weights, dy * depth * wide)
            with cgutils.for_range(builder, ir.Constant(WORD, depth)) as loop:
                tap = lines.at(taps, builder.mul(loop.index, ir.Constant(WORD, wide)))
                columns, here = [lines.load(tap, lanes * v) for v in range(vectors)], lines.at(line, loop.index)
                for r in range(rows):
                    factor = lines.spread(builder.load(lines.at(here, r * channels), align=4))
                    for v, column in enumerate(columns):
                        lines.add_to(sums[r * vectors + v], factor, column)
        for i, cell in enumerate(sums):
            value = builder.load(cell)
            lines.store(lines.positive(value) if relu else value, out, i * lanes)
        return context.get_dummy_value()

    @intrinsic
    def convolve(typing: Any, out: Any, to: Any, x: Any, at: Any, row: Any, weights: Any, bias: Any) -> Any:
        return types.void(out, N, x, N, N, weights, bias), build

    return convolve


def pool(lanes: int, channels: int) -> Any:
    """An intrinsic for ``lanes`` of the channels of one place behind a max pool of 2 × 2 and ReLU.

    ``f(x, at, row, out, winners, to)``: out[to:] gets the largest, winners[to:] which one it is, of equals the first:
    0 and 1 in the first line, 2 and 3 in the second.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lines = _Lines(context, builder, lanes)
        x = lines.place(sig.args[0], *args[:2])
        out, winners = (lines.place(sig.args[i], args[i], args[5]) for i in (3, 4))
        bytes_ = ir.VectorType(ir.IntType(8), lanes)
        places = [x, lines.at(x, channels), lines.at(x, args[2]), lines.at(lines.at(x, args[2]), channels)]
        best, which = lines.load(x), ir.Constant(bytes_, [0] * lanes)
        for i, place in enumerate(places[1:], 1):
            value = lines.load(place)
            more = builder.fcmp_ordered(">", value, best)
            best = builder.select(more, value, best)
            which = builder.select(more, ir.Constant(bytes_, [i] * lanes), which)
        lines.store(lines.positive(best), out)
        builder.store(which, builder.bitcast(winners, bytes_.as_pointer()), align=1)
        return context.get_dummy_value()

    @intrinsic
    def pooled(typing: Any, x: Any, at: Any, row: Any, out: Any, winners: Any, to: Any) -> Any:
        return types.void(x, N, N, out, winners, N), build

    return pooled


def _build_drop(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    lines = _Lines(context, builder, 8)
    x, bits = (lines.place(sig.args[i], args[i], args[2]) for i in (0, 1))
    drawn = builder.load(builder.bitcast(bits, ir.VectorType(ir.IntType(16), 8).as_pointer()), align=2)
    kept = builder.icmp_signed(">=", drawn, lines.spread(builder.trunc(args[3], ir.IntType(16))))
    value = builder.fmul(lines.load(x), lines.spread(args[4]))
    lines.store(builder.select(kept, value, lines.zero), x)
    return context.get_dummy_value()


@intrinsic
def drop(typing: Any, x: Any, bits: Any, at: Any, least: Any, scale: Any) -> Any:
    """Of eight numbers those whose bits are at least so much, times ``scale``; the others are zero."""
    return types.void(x, bits, N, N, types.float32), _build_drop


# -- backwards ---------------------------------------------------------------------------------------------------------


def opened(channels: int, pooled: bool) -> Any:
    """An intrinsic that lists the gradients of one channel of a line which are not zero behind ReLU and dropout.

    ``f(y, at, grad, of, winners, wide, places, row, scale, values, offsets)`` → how many: where y[at + wide · p] is
    positive, for p below ``places``, values get grad[of + wide · p] · scale and offsets where it belongs in the input
    of the convolution, of ``channels`` and ``row`` numbers a line; at a pool's winner where there is a pool.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lines = _Lines(context, builder, 1)
        y, grad, winners = (lines.place(sig.args[i], args[i], args[at]) for i, at in ((0, 1), (2, 3), (4, 1)))
        values, offsets = (lines.place(sig.args[i], args[i], 0) for i in (9, 10))
        wide, places, row, scale = args[5:9]
        (count,) = lines.cells([ir.Constant(WORD, 0)])
        nothing = ir.Constant(ir.FloatType(), 0.0)
        with cgutils.for_range(builder, places) as loop:
            i, k = builder.mul(loop.index, wide), builder.load(count)
            value = builder.fmul(builder.load(lines.at(grad, i)), scale)
            offset = builder.mul(loop.index, ir.Constant(WORD, channels * (2 if pooled else 1)))
            if pooled:
                winner = builder.zext(builder.load(lines.at(winners, i)), WORD)
                one = ir.Constant(WORD, 1)
                right = builder.mul(builder.and_(winner, one), ir.Constant(WORD, channels))
                offset = builder.add(builder.add(offset, right), builder.mul(builder.lshr(winner, one), row))
            builder.store(value, lines.at(values, k))
            builder.store(offset, lines.at(offsets, k))
            is_open = builder.fcmp_ordered(">", builder.load(lines.at(y, i)), nothing)
            builder.store(builder.add(k, builder.zext(is_open, WORD)), count)
        return builder.load(count)

    @intrinsic
    def list_open(
        typing: Any, y: Any, at: Any, grad: Any, of: Any, winners: Any, wide: Any, places: Any, row: Any, scale: Any,
        values: Any, offsets: Any,
    ) -> Any:  # fmt: skip
        return N(y, N, grad, N, winners, N, N, N, types.float32, values, offsets), build

    return list_open


def transposed(lanes: int, parts: int, kernel: int) -> Any:
    """An intrinsic for the way back of one output channel of a convolution, from a list of gradients.

    ``f(x, at, grad, of, row, weights, w_at, found, f_at, values, offsets, count)`` → their sum: what each of them adds
    to grad, the input's gradient, and to found, the weights'. x, grad : lines of ``row`` numbers, the list's offsets
    count from ``at`` and ``of``. weights[w_at:], found[f_at:] : (kernel, lanes · parts), a line of taps and channels.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lines = _Lines(context, builder, lanes)
        row = args[4]
        x, grad, weights, found = (lines.place(sig.args[i], args[i], args[i + 1]) for i in (0, 2, 5, 7))
        values, offsets = (lines.place(sig.args[i], args[i], 0) for i in (9, 10))
        (total,) = lines.cells([ir.Constant(ir.FloatType(), 0.0)])
        for group in LINES_AT_ONCE[kernel]:
            taps = [(dy, j) for dy in group for j in range(parts)]
            factors = [lines.load(weights, (dy * parts + j) * lanes) for dy, j in taps]
            sums = lines.cells([lines.zero] * len(taps))
            with cgutils.for_range(builder, args[11]) as loop:
                value = builder.load(lines.at(values, loop.index))
                offset = builder.load(lines.at(offsets, loop.index))
                if group[0] == 0:
                    builder.store(builder.fadd(builder.load(total), value), total)
                spread = lines.spread(value)
                for (dy, j), factor, cell in zip(taps, factors, sums, strict=True):
                    here = builder.add(offset, builder.mul(row, ir.Constant(WORD, dy)))
                    own, to = (lines.at(lines.at(place, here), j * lanes) for place in (x, grad))
                    lines.add_to(cell, spread, lines.load(own))
                    lines.store(lines.fma(spread, factor, lines.load(to)), to)
            for (dy, j), cell in zip(taps, sums, strict=True):
                place = (dy * parts + j) * lanes
                lines.store(builder.fadd(lines.load(found, place), builder.load(cell)), found, place)
        return builder.load(total)

    @intrinsic
    def give_back(
        typing: Any, x: Any, at: Any, grad: Any, of: Any, row: Any, weights: Any, w_at: Any, found: Any, f_at: Any,
        values: Any, offsets: Any, count: Any,
    ) -> Any:  # fmt: skip
        return types.float32(x, N, grad, N, N, weights, N, found, N, values, offsets, N), build

    return give_back


def _build_first_back(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    lines = _Lines(context, builder, 8)
    y, grad, x = (lines.place(sig.args[i], args[i], args[i + 1]) for i in (0, 2, 4))
    found = lines.place(sig.args[8], args[8], 0)
    sums = lines.cells([lines.zero] * 5)
    with cgutils.for_range(builder, args[7]) as loop:
        i = builder.mul(loop.index, ir.Constant(WORD, 8))
        is_open = builder.fcmp_ordered(">", lines.load(y, i), lines.zero)
        value = builder.select(is_open, lines.load(grad, i), lines.zero)
        for tap in range(4):
            place = lines.at(
                lines.at(x, builder.add(loop.index, builder.mul(args[6], ir.Constant(WORD, tap // 2)))), tap % 2
            )
            lines.add_to(sums[tap], lines.spread(builder.load(place, align=4)), value)
        builder.store(builder.fadd(builder.load(sums[4]), value), sums[4])
    for k, cell in enumerate(sums):
        lines.store(builder.fadd(lines.load(found, 8 * k), builder.load(cell)), found, 8 * k)
    return context.get_dummy_value()


@intrinsic
def first_back(
    typing: Any, y: Any, at: Any, grad: Any, of: Any, x: Any, x_at: Any, row: Any, places: Any, found: Any
) -> Any:
    """Add a line of the gradient of the first convolution's output y, in front of its ReLU, to what is found.

    y[at:], grad[of:] : (places, 8). x[x_at:] : lines of ``row`` numbers. found : (5, 8), four taps and the bias.
    """
    return types.void(y, N, grad, N, x, N, N, N, found), _build_first_back
