"""Sixteen float32 at a time: a vector type for numba, and products of small matrices.

numba compiles loops over single numbers and leaves it to LLVM to make vectors of them; that fails as soon as a loop
reads and writes more than a few arrays. Here vectors are written down: ``load``, ``store``, ``+ - *``, ``largest``,
comparisons and ``where`` are one instruction each on a processor with AVX-512, two with AVX2, four with NEON.

Arrays are contiguous float32; a place in them is the number of elements before it, whatever their shape.
"""

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from kwsbench.native.compiled import compiled, inlined, intrinsic

LANES = 16
LOWEST = float(np.finfo(np.float32).min)


class _Vector(types.Type):
    """Sixteen float32."""


class _Mask(types.Type):
    """Sixteen truths."""


vector, mask = _Vector("float32x16"), _Mask("bool1x16")
FLOATS, BITS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(1), LANES)


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, FLOATS)


@register_model(_Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, BITS)


# -- operators -----------------------------------------------------------------------------------------------------


def _define(symbol: Callable, result: types.Type, build: Callable, operand: types.Type = vector) -> None:
    """Let ``symbol`` take two of ``operand``; ``build(builder, a, b)`` makes the instruction."""

    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            return signature(result, operand, operand) if args == (operand, operand) else None

    infer_global(symbol)(Template)
    lower_builtin(symbol, operand, operand)(lambda context, builder, sig, args: build(builder, *args))


_define(operator.add, vector, lambda builder, a, b: builder.fadd(a, b, ("contract",)))
_define(operator.sub, vector, lambda builder, a, b: builder.fsub(a, b, ("contract",)))
_define(operator.mul, vector, lambda builder, a, b: builder.fmul(a, b, ("contract",)))
_define(operator.gt, mask, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_define(operator.ge, mask, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
_define(operator.and_, mask, lambda builder, a, b: builder.and_(a, b), mask)


def _place(context: Any, builder: Any, kind: Any, array: Any, i: Any) -> Any:
    """Pointer to the float ``i`` places from the start of an array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [i], inbounds=True)


@intrinsic
def load(typing: Any, array: Any, i: Any) -> Any:
    """The sixteen floats from place ``i`` on."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _place(context, builder, sig.args[0], *args)
        return builder.load(builder.bitcast(place, FLOATS.as_pointer()), align=4)

    return vector(array, types.intp), build


@intrinsic
def store(typing: Any, array: Any, i: Any, value: Any) -> Any:
    """Write sixteen floats from place ``i`` on."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _place(context, builder, sig.args[0], *args[:2])
        builder.store(args[2], builder.bitcast(place, FLOATS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@intrinsic
def fill(typing: Any, value: Any) -> Any:
    """A vector of one number."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return vector(types.float32), build


@intrinsic
def where(typing: Any, condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return vector(mask, vector, vector), build


@inlined
def largest(a: Any, b: Any) -> Any:
    """The larger; ``b`` where either is no number."""
    return where(a > b, a, b)


def _spread(builder: Any, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, first, zeros)


# -- products ------------------------------------------------------------------------------------------------------


def _registers() -> tuple[int, int]:
    """Rows and vectors of a result that fit into this processor's registers, beside what is multiplied."""
    try:
        wide = llvm.get_host_cpu_features().get("avx512f")
    except RuntimeError:  # LLVM does not know this processor
        wide = False
    return (8, 3) if wide else (6, 1)


ROWS, VECTORS = _registers()
WIDE = VECTORS > 1  # 32 registers of sixteen float32


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32"), [a, b, c])


def _small_product(vectors: int) -> Callable:
    """An intrinsic for some rows and 16·``vectors`` columns of a product, all of whose sums are in registers.

    ``f(c, c_at, c_row, a, a_at, a_row, a_step, b, b_at, b_row, rows, depth, add)``: for rows r below ``rows``, at most
    ``ROWS``, and columns v, c[c_at + r·c_row + v] = Σ_k a[a_at + r·a_row + k·a_step] · b[b_at + k·b_row + v], on top of
    what is there if ``add``.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        c, a, b = (_place(context, builder, sig.args[i], args[i], args[i + 1]) for i in (0, 3, 7))
        c_row, a_row, a_step, b_row, rows, depth, add = (args[i] for i in (2, 5, 6, 9, 10, 11, 12))

        def number(value: int) -> Any:
            return ir.Constant(rows.type, value)

        def at(place: Any, offset: Any) -> Any:
            return builder.gep(place, [offset], inbounds=True)

        def vectors_at(place: Any) -> list:
            return [builder.bitcast(at(place, number(LANES * v)), FLOATS.as_pointer()) for v in range(vectors)]

        last = builder.sub(rows, number(1))  # where there are fewer rows, it is computed again and again
        own = [builder.select(builder.icmp_signed("<", number(r), last), number(r), last) for r in range(ROWS)]
        results = [place for r in own for place in vectors_at(at(c, builder.mul(r, c_row)))]
        lines = [at(a, builder.mul(r, a_row)) for r in own]
        nothing = ir.Constant(FLOATS, [0.0] * LANES)
        start = [builder.select(add, builder.load(place, align=4), nothing) for place in results]

        entry, loop, done = builder.block, builder.append_basic_block("depth"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        k, a_at, b_at = (builder.phi(rows.type) for _ in range(3))
        sums = [builder.phi(FLOATS) for _ in start]
        columns = [builder.load(place, align=4) for place in vectors_at(at(b, b_at))]
        added = []
        for r, line in enumerate(lines):
            factor = _spread(builder, builder.load(at(line, a_at), align=4))
            added += [_fma(builder, factor, column, sums[r * vectors + v]) for v, column in enumerate(columns)]
        steps = [builder.add(k, number(1)), builder.add(a_at, a_step), builder.add(b_at, b_row)]
        for phi, first, then in zip([k, a_at, b_at, *sums], [number(0)] * 3 + start, steps + added, strict=True):
            phi.add_incoming(first, entry)
            phi.add_incoming(then, loop)
        builder.cbranch(builder.icmp_signed("<", steps[0], depth), loop, done)
        builder.position_at_end(done)
        for value, place in zip(added, results, strict=True):
            builder.store(value, place, align=4)
        return context.get_dummy_value()

    @intrinsic
    def small_product(
        typing: Any, c: Any, c_at: Any, c_row: Any, a: Any, a_at: Any, a_row: Any, a_step: Any, b: Any, b_at: Any,
        b_row: Any, rows: Any, depth: Any, add: Any,
    ) -> Any:  # fmt: skip
        n = types.intp
        return types.void(c, n, n, a, n, n, n, b, n, n, n, n, types.boolean), build

    return small_product


_ONE, _TWO, _THREE = (_small_product(n) for n in (1, 2, 3))


@inlined
def _width(left: int) -> int:
    """How many vectors of columns to take at once where ``left`` columns are left."""
    return 1 if VECTORS == 1 or left < 2 * LANES else 2 if left in (2 * LANES, 4 * LANES) else 3


@compiled
def multiply(
    c: Any, c_at: int, c_row: int, a: Any, a_at: int, a_row: int, b: Any, b_at: int, b_row: int,
    rows: int, columns: int, depth: int, add: bool,
) -> None:  # fmt: skip
    """C = A·B, or C += A·B: (rows, columns), (rows, depth), (depth, columns); columns are a multiple of 16.

    ``_at`` is the place of a matrix's first number, ``_row`` leads from one row to the next. The rows of A may overlap,
    as those of a convolution do.
    """
    v = 0
    while v < columns:
        width = _width(columns - v)
        for r in range(0, rows, ROWS):
            own, to, of = min(ROWS, rows - r), c_at + r * c_row + v, a_at + r * a_row
            if width == 3:
                _THREE(c, to, c_row, a, of, a_row, 1, b, b_at + v, b_row, own, depth, add)
            elif width == 2:
                _TWO(c, to, c_row, a, of, a_row, 1, b, b_at + v, b_row, own, depth, add)
            else:
                _ONE(c, to, c_row, a, of, a_row, 1, b, b_at + v, b_row, own, depth, add)
        v += width * LANES


@compiled
def multiply_across(
    c: Any, c_at: int, c_row: int, a: Any, a_at: int, a_row: int, b: Any, b_at: int, b_row: int,
    rows: int, columns: int, depth: int, add: bool,
) -> None:  # fmt: skip
    """C = AᵀB, or C += AᵀB: (rows, columns), (depth, rows), (depth, columns)."""
    v = 0
    while v < columns:
        width = _width(columns - v)
        for r in range(0, rows, ROWS):
            own, to, of = min(ROWS, rows - r), c_at + r * c_row + v, a_at + r
            if width == 3:
                _THREE(c, to, c_row, a, of, 1, a_row, b, b_at + v, b_row, own, depth, add)
            elif width == 2:
                _TWO(c, to, c_row, a, of, 1, a_row, b, b_at + v, b_row, own, depth, add)
            else:
                _ONE(c, to, c_row, a, of, 1, a_row, b, b_at + v, b_row, own, depth, add)
        v += width * LANES
