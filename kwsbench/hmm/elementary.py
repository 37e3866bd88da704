"""Exponential and logarithm as polynomials without branches: what compiled loops over long rows vectorise.

Faster than the library's, which handle every special value; here arguments are clamped to where results are normal
numbers. numba keeps compiled callers on disk and does not see a change here: touch them, or delete ``__pycache__``.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

LOG_2E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.693145751953125, 1.42860682030941723212e-6


def _bits(context: Any, value: Any) -> Any:
    """The bits of a float64 as int64, of a float32 as int32."""
    wide = value == types.float64

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64 if wide else 32))

    return (types.int64 if wide else types.int32)(value), generate


def _value(context: Any, value: Any) -> Any:
    """The bits of an int64 as float64, of an int32 as float32."""
    wide = value == types.int64

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType() if wide else ir.FloatType())

    return (types.float64 if wide else types.float32)(value), generate


_as_int: Any = intrinsic(_bits)
_as_float: Any = intrinsic(_value)


@njit(inline="always")
def _exp64(x: float) -> float:
    """exp(x) to 2 units in the last place for x in [−708, 709]; below: exp(−708)."""
    x = max(x, -708.0)
    n = np.floor(x * LOG_2E + 0.5)
    r = x - n * LN2_HIGH - n * LN2_LOW  # |r| ≤ ln 2 / 2
    p = 1 / 479001600.0
    p = p * r + 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _as_float((np.int64(n) + np.int64(1023)) << np.int64(52))


@njit(inline="always")
def _log64(x: float) -> float:
    """log(x) of a normal positive number, relative error below 1e-15 away from 1."""
    bits = _as_int(x)
    # mantissa in [√½, √2): shifting the exponent's border there keeps z small
    shifted = bits - np.int64(0x3FE6A09E667F3BCD)
    n = shifted >> np.int64(52)
    m = _as_float(bits - (n << np.int64(52)))
    z = (m - 1.0) / (m + 1.0)
    y = z * z
    p = 1 / 21.0
    p = p * y + 1 / 19.0
    p = p * y + 1 / 17.0
    p = p * y + 1 / 15.0
    p = p * y + 1 / 13.0
    p = p * y + 1 / 11.0
    p = p * y + 1 / 9.0
    p = p * y + 1 / 7.0
    p = p * y + 1 / 5.0
    p = p * y + 1 / 3.0
    p = p * y + 1.0
    return n * LN2_HIGH + (2.0 * z * p + n * LN2_LOW)


@njit(inline="always")
def _exp32(x: Any) -> Any:
    """exp(x) to 2 units in the last place for x in [−87, 88]; below: exp(−87)."""
    x = max(x, np.float32(-87.0))
    n = np.floor(x * np.float32(LOG_2E) + np.float32(0.5))
    r = x - n * np.float32(LN2_HIGH) - n * np.float32(LN2_LOW)
    p = np.float32(1 / 5040.0)
    p = p * r + np.float32(1 / 720.0)
    p = p * r + np.float32(1 / 120.0)
    p = p * r + np.float32(1 / 24.0)
    p = p * r + np.float32(1 / 6.0)
    p = p * r + np.float32(0.5)
    p = p * r + np.float32(1.0)
    p = p * r + np.float32(1.0)
    # integers of mixed or narrow types widen here, hence the casts
    return p * _as_float(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))


@njit(inline="always")
def _log32(x: Any) -> Any:
    """log(x) of a normal positive number to float32's precision."""
    bits = _as_int(x)
    shifted = np.int32(bits - np.int32(0x3F3504F3))
    n = np.int32(shifted >> np.int32(23))
    m = _as_float(np.int32(bits - np.int32(n << np.int32(23))))
    z = (m - np.float32(1.0)) / (m + np.float32(1.0))
    y = z * z
    p = np.float32(1 / 9.0)
    p = p * y + np.float32(1 / 7.0)
    p = p * y + np.float32(1 / 5.0)
    p = p * y + np.float32(1 / 3.0)
    p = p * y + np.float32(1.0)
    return np.float32(n) * np.float32(LN2_HIGH) + (np.float32(2.0) * z * p + np.float32(n) * np.float32(LN2_LOW))


def exponential(x: Any) -> Any:
    """exp at the precision of x; compiled only."""
    return math.exp(x)


def logarithm(x: Any) -> Any:
    """log at the precision of x; compiled only."""
    return math.log(x)


@overload(exponential, inline="always")
def _exponential(x: Any) -> Any:
    def narrow(x: Any) -> Any:
        return _exp32(x)

    def wide(x: Any) -> Any:
        return _exp64(x)

    return narrow if x == types.float32 else wide


@overload(logarithm, inline="always")
def _logarithm(x: Any) -> Any:
    def narrow(x: Any) -> Any:
        return _log32(x)

    def wide(x: Any) -> Any:
        return _log64(x)

    return narrow if x == types.float32 else wide


@njit(inline="always")
def log_add(a: float, b: float) -> float:
    """log(eᵃ + eᵇ)."""
    top = max(a, b)
    # 1 + e^(difference) is at least 1, so its logarithm is exact enough without log1p
    return top + _log64(1.0 + _exp64(min(a, b) - top))
