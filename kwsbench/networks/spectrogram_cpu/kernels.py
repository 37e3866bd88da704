"""The innermost steps, written down as LLVM's instructions: all numbers of channels are known, sums are in registers.

Arrays are contiguous; a place in them is the number of elements before it, whatever their shape. Eight or sixteen
channels are a vector, as they come; ``native.vectors`` is for channels of any number. The first argument of most steps,
``width``, is a tuple of zeros as long as the network is wide: its length is part of its type, and so known when a step
is compiled. At a width of w there are w times as many channels as are said here, and they are gone through in turn.
"""

from collections.abc import Iterator
from itertools import product
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

    def each(self, n: int, size: int, *places: Any) -> Iterator[list]:
        """In turn: so many blocks of ``size`` elements at these places."""
        with cgutils.for_range(self.builder, ir.Constant(WORD, n)) as loop:
            begin = self.builder.mul(loop.index, ir.Constant(WORD, size))
            yield [self.at(place, begin) for place in places]

    def positive(self, value: Any) -> Any:
        """ReLU, which keeps what is no number."""
        return self.builder.select(self.builder.fcmp_ordered("<", value, self.zero), self.zero, value)


def convolution(rows: int, lanes: int, vectors: int, kernel: int, channels: int, relu: bool) -> Any:
    """An intrinsic for ``rows`` neighbouring places of a convolution to lanes · vectors channels.

    ``f(width, out, to, x, at, row, weights, bias)``: out[to:] is (rows, lanes · vectors); x[at:] its first place's
    input, channels last, ``row`` numbers from line to line. weights : (kernel, kernel, channels, lanes · vectors).
    One channel is one at every width.
    """
    own = lanes * vectors

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width, lines = sig.args[0].count, _Lines(context, builder, lanes)
        inputs, wide = channels if channels == 1 else channels * width, own * width
        depth = kernel * inputs
        to, x = (lines.place(sig.args[i], args[i], args[i + 1]) for i in (1, 3))
        for out, weights, bias in lines.each(width, own, to, *(lines.place(sig.args[i], args[i], 0) for i in (6, 7))):
            start = [lines.load(bias, lanes * v) for v in range(vectors)]
            sums = lines.cells(start * rows)
            for dy in range(kernel):
                line = lines.at(x, builder.mul(args[5], ir.Constant(WORD, dy)))
                taps = lines.at(weights, dy * depth * wide)
                with cgutils.for_range(builder, ir.Constant(WORD, depth)) as loop:
                    tap = lines.at(taps, builder.mul(loop.index, ir.Constant(WORD, wide)))
                    columns, here = [lines.load(tap, lanes * v) for v in range(vectors)], lines.at(line, loop.index)
                    for r in range(rows):
                        factor = lines.spread(builder.load(lines.at(here, r * inputs), align=4))
                        for v, column in enumerate(columns):
                            lines.add_to(sums[r * vectors + v], factor, column)
            for i, cell in enumerate(sums):
                value, (r, v) = builder.load(cell), divmod(i, vectors)
                lines.store(lines.positive(value) if relu else value, out, r * wide + v * lanes)
        return context.get_dummy_value()

    @intrinsic
    def convolve(typing: Any, width: Any, out: Any, to: Any, x: Any, at: Any, row: Any, weights: Any, bias: Any) -> Any:
        return types.void(width, out, N, x, N, N, weights, bias), build

    return convolve


def pool(lanes: int, channels: int) -> Any:
    """An intrinsic for the channels of one place behind a max pool of 2 × 2 and ReLU, ``lanes`` at a time.

    ``f(width, x, at, row, out, winners, to)``: out[to:] gets the largest, winners[to:] which one it is, of equals the
    first: 0 and 1 in the first line, 2 and 3 in the second.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide, lines = channels * sig.args[0].count, _Lines(context, builder, lanes)
        first = lines.place(sig.args[1], *args[1:3])
        kept = (lines.place(sig.args[i], args[i], args[6]) for i in (4, 5))
        bytes_ = ir.VectorType(ir.IntType(8), lanes)
        for x, out, winners in lines.each(wide // lanes, lanes, first, *kept):
            places = [lines.at(x, wide), lines.at(x, args[3]), lines.at(lines.at(x, args[3]), wide)]
            best, which = lines.load(x), ir.Constant(bytes_, [0] * lanes)
            for i, place in enumerate(places, 1):
                value = lines.load(place)
                more = builder.fcmp_ordered(">", value, best)
                best = builder.select(more, value, best)
                which = builder.select(more, ir.Constant(bytes_, [i] * lanes), which)
            lines.store(lines.positive(best), out)
            builder.store(which, builder.bitcast(winners, bytes_.as_pointer()), align=1)
        return context.get_dummy_value()

    @intrinsic
    def pooled(typing: Any, width: Any, x: Any, at: Any, row: Any, out: Any, winners: Any, to: Any) -> Any:
        return types.void(width, x, N, N, out, winners, N), build

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

    ``f(width, y, at, grad, of, winners, wide, places, row, scale, values, offsets)`` → how many: where
    y[at + wide · p] is positive, for p below ``places``, values get grad[of + wide · p] · scale and offsets where it
    belongs in the input of the convolution, of ``channels`` and ``row`` numbers a line; at a pool's winner where there
    is a pool.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        inputs, lines = channels * sig.args[0].count, _Lines(context, builder, 1)
        y, grad, winners = (lines.place(sig.args[i], args[i], args[at]) for i, at in ((1, 2), (3, 4), (5, 2)))
        values, offsets = (lines.place(sig.args[i], args[i], 0) for i in (10, 11))
        wide, places, row, scale = args[6:10]
        (count,) = lines.cells([ir.Constant(WORD, 0)])
        nothing = ir.Constant(ir.FloatType(), 0.0)
        with cgutils.for_range(builder, places) as loop:
            i, k = builder.mul(loop.index, wide), builder.load(count)
            value = builder.fmul(builder.load(lines.at(grad, i)), scale)
            offset = builder.mul(loop.index, ir.Constant(WORD, inputs * (2 if pooled else 1)))
            if pooled:
                winner = builder.zext(builder.load(lines.at(winners, i)), WORD)
                one = ir.Constant(WORD, 1)
                right = builder.mul(builder.and_(winner, one), ir.Constant(WORD, inputs))
                offset = builder.add(builder.add(offset, right), builder.mul(builder.lshr(winner, one), row))
            builder.store(value, lines.at(values, k))
            builder.store(offset, lines.at(offsets, k))
            is_open = builder.fcmp_ordered(">", builder.load(lines.at(y, i)), nothing)
            builder.store(builder.add(k, builder.zext(is_open, WORD)), count)
        return builder.load(count)

    @intrinsic
    def list_open(
        typing: Any, width: Any, y: Any, at: Any, grad: Any, of: Any, winners: Any, wide: Any, places: Any, row: Any,
        scale: Any, values: Any, offsets: Any,
    ) -> Any:  # fmt: skip
        return N(width, y, N, grad, N, winners, N, N, N, types.float32, values, offsets), build

    return list_open


def transposed(lanes: int, parts: int, kernel: int) -> Any:
    """An intrinsic for the way back of one output channel of a convolution, from a list of gradients.

    ``f(width, x, at, grad, of, row, weights, w_at, found, f_at, values, offsets, count)`` → their sum: what each of
    them adds to grad, the input's gradient, and to found, the weights'. x, grad : lines of ``row`` numbers, the list's
    offsets count from ``at`` and ``of``. weights[w_at:], found[f_at:] : (kernel, lanes · parts), a line of taps and
    channels.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width, lines = sig.args[0].count, _Lines(context, builder, lanes)
        wide, row = parts * width, args[5]
        x, grad, weights, found = (lines.place(sig.args[i], args[i], args[i + 1]) for i in (1, 3, 6, 8))
        values, offsets = (lines.place(sig.args[i], args[i], 0) for i in (10, 11))
        (total,) = lines.cells([ir.Constant(ir.FloatType(), 0.0)])
        for group, begin in product(LINES_AT_ONCE[kernel], range(0, wide, parts)):
            taps = [(dy, j) for dy in group for j in range(begin, begin + parts)]
            factors = [lines.load(weights, (dy * wide + j) * lanes) for dy, j in taps]
            sums = lines.cells([lines.zero] * len(taps))
            with cgutils.for_range(builder, args[12]) as loop:
                value = builder.load(lines.at(values, loop.index))
                offset = builder.load(lines.at(offsets, loop.index))
                if group[0] == begin == 0:
                    builder.store(builder.fadd(builder.load(total), value), total)
                spread = lines.spread(value)
                for (dy, j), factor, cell in zip(taps, factors, sums, strict=True):
                    here = builder.add(offset, builder.mul(row, ir.Constant(WORD, dy)))
                    own, to = (lines.at(lines.at(place, here), j * lanes) for place in (x, grad))
                    lines.add_to(cell, spread, lines.load(own))
                    lines.store(lines.fma(spread, factor, lines.load(to)), to)
            for (dy, j), cell in zip(taps, sums, strict=True):
                place = (dy * wide + j) * lanes
                lines.store(builder.fadd(lines.load(found, place), builder.load(cell)), found, place)
        return builder.load(total)

    @intrinsic
    def give_back(
        typing: Any, width: Any, x: Any, at: Any, grad: Any, of: Any, row: Any, weights: Any, w_at: Any, found: Any,
        f_at: Any, values: Any, offsets: Any, count: Any,
    ) -> Any:  # fmt: skip
        return types.float32(width, x, N, grad, N, N, weights, N, found, N, values, offsets, N), build

    return give_back


def _build_first_back(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    width, lines = sig.args[0].count, _Lines(context, builder, 8)
    wide = 8 * width
    whole_y, whole_grad, x = (lines.place(sig.args[i], args[i], args[i + 1]) for i in (1, 3, 5))
    for y, grad, found in lines.each(width, 8, whole_y, whole_grad, lines.place(sig.args[9], args[9], 0)):
        sums = lines.cells([lines.zero] * 5)
        with cgutils.for_range(builder, args[8]) as loop:
            i = builder.mul(loop.index, ir.Constant(WORD, wide))
            is_open = builder.fcmp_ordered(">", lines.load(y, i), lines.zero)
            value = builder.select(is_open, lines.load(grad, i), lines.zero)
            for tap in range(4):
                line = lines.at(x, builder.mul(args[7], ir.Constant(WORD, tap // 2)))
                place = lines.at(lines.at(line, loop.index), tap % 2)
                lines.add_to(sums[tap], lines.spread(builder.load(place, align=4)), value)
            builder.store(builder.fadd(builder.load(sums[4]), value), sums[4])
        for k, cell in enumerate(sums):
            lines.store(builder.fadd(lines.load(found, wide * k), builder.load(cell)), found, wide * k)
    return context.get_dummy_value()


@intrinsic
def first_back(
    typing: Any, width: Any, y: Any, at: Any, grad: Any, of: Any, x: Any, x_at: Any, row: Any, places: Any, found: Any
) -> Any:
    """Add a line of the gradient of the first convolution's output y, in front of its ReLU, to what is found.

    y[at:], grad[of:] : (places, 8). x[x_at:] : lines of ``row`` numbers. found : (5, 8), four taps and the bias.
    """
    return types.void(width, y, N, grad, N, x, N, N, N, found), _build_first_back
