"""Steps on a tile: some hundred rows (steps in time) of all channels of a clip, small enough for a core's own cache.

A matrix lies in a flat array: ``at`` is the place of its first number, ``row`` leads from one row to the next. Rows of
a tile that are outside of its clip hold ``LOWEST``, which no maximum takes. Rows "begin … end" are without the last.
"""

from typing import Any

import numpy as np

from kwsbench.native.compiled import compiled, inlined
from kwsbench.native.vectors import LANES, LOWEST, fill, largest, load, store, where

F32 = np.float32
THIRD, FIFTH = F32(1 / 3), F32(1 / 5)
FEW = 32  # rows that are summed by themselves: sums of sums lose fewer digits


@compiled
def fetch(tile: Any, at: int, row: int, x: Any, pool: int, clip: int, begin: int, end: int, reading: Any) -> None:
    """Rows begin … end of a clip as its readers see them: scale₂·max(scale·x + shift, floor) + shift₂.

    x : three planes (n, t, …), channels of one beside those of the next. pool : 1, or 2 where a row is the larger of
    two. reading : (5 or more, c), scale, shift, floor, scale₂, shift₂.
    """
    c, first = reading.shape[1], 0
    for plane in x:
        t, width = plane.shape[1], plane.shape[2]
        for s in range(begin, end):
            to, of = at + (s - begin) * row + first, (clip * t + s * pool) * width
            if 0 <= s < t // pool:
                for k in range(0, width, LANES):
                    how = first + k
                    scale, shift = load(reading, how), load(reading, c + how)
                    v = load(plane, of + k) * scale + shift
                    if pool == 2:
                        v = largest(v, load(plane, of + width + k) * scale + shift)
                    v = largest(load(reading, 2 * c + how), v)
                    store(tile, to + k, v * load(reading, 3 * c + how) + load(reading, 4 * c + how))
            else:
                for k in range(0, width, LANES):
                    store(tile, to + k, fill(F32(LOWEST)))
        first += width


# -- moments and sums ----------------------------------------------------------------------------------------------


@inlined
def _keep(parts: Any, to: int, apart: int, pivot: Any, total: Any, squares: Any, share: Any) -> None:
    """Mean and squared deviations from sums about a pivot."""
    store(parts, to, pivot + total * share)
    store(parts, to + apart, squares - total * total * share)


@compiled
def moments(x: Any, at: int, row: int, rows: int, columns: int, parts: Any, to: int, apart: int) -> None:
    """Mean and sum of squared deviations of each column, to parts[to:] and parts[to + apart:]."""
    share = fill(F32(1 / rows))
    for k in range(0, columns, LANES):
        pivot = load(x, at + k)  # so that a large mean costs no digits
        total = squares = fill(F32(0))
        for few in range(0, rows, FEW):
            own_total = own_squares = fill(F32(0))
            for r in range(few, min(few + FEW, rows)):
                v = load(x, at + r * row + k) - pivot
                own_total, own_squares = own_total + v, own_squares + v * v
            total, squares = total + own_total, squares + own_squares
        _keep(parts, to + k, apart, pivot, total, squares, share)


@compiled
def gradient_sums(
    raw: Any, at: int, row: int, grad: Any, g_at: int, g_row: int, rows: int, columns: int, about: Any, first: int,
    parts: Any, to: int,
) -> None:  # fmt: skip
    """Sums of the gradient behind a ReLU, and of gradient · (raw - mean), to parts[to:].

    about : (3, all), scale, shift and mean, from column ``first`` on; the ReLU is open where scale·raw + shift > 0.
    parts[to:] : (2, all), from column ``first`` on.
    """
    whole = about.shape[1]
    zero = fill(F32(0))
    for k in range(0, columns, LANES):
        how = first + k
        scale, shift, mean = load(about, how), load(about, whole + how), load(about, 2 * whole + how)
        total = product = zero
        for few in range(0, rows, FEW):
            own_total = own_product = zero
            for r in range(few, min(few + FEW, rows)):
                v = load(raw, at + r * row + k)
                g = where(v * scale + shift > zero, load(grad, g_at + r * g_row + k), zero)
                own_total, own_product = own_total + g, own_product + g * (v - mean)
            total, product = total + own_total, product + own_product
        store(parts, to + how, total)
        store(parts, to + whole + how, product)


# -- pools ---------------------------------------------------------------------------------------------------------


@inlined
def _averages(a: Any, b: Any, here: Any, d: Any, e: Any, s: int, t: int) -> Any:
    """Averages of the three and of the five rows around row s, of those that are inside of the clip."""
    if s < 2 or s >= t - 2:
        zero = fill(F32(0))
        a, b = a if s > 1 else zero, b if s > 0 else zero
        d, e = d if s < t - 1 else zero, e if s < t - 2 else zero
        three = b + here + d
        three_share = F32(1) / F32(1 + int(s > 0) + int(s < t - 1))
        five_share = F32(1) / F32(1 + int(s > 0) + int(s > 1) + int(s < t - 1) + int(s < t - 2))
        return three * fill(three_share), (three + a + e) * fill(five_share)
    three = b + here + d
    return three * fill(THIRD), (three + a + e) * fill(FIFTH)


@compiled
def pool_moments(tile: Any, c: int, begin: int, end: int, t: int, parts: Any, to: int) -> None:
    """Moments, as ``moments`` gives them, of a tile and of its four pools.

    tile : (rows, c), rows begin - 2 … end + 2. parts[to:] : (5, 2, c): as it is, maxima over 3 and 5 steps, averages
    over 3 and 5.
    """
    share, zero = fill(F32(1 / (end - begin))), fill(F32(0))
    for k in range(0, c, LANES):
        place = k
        a, b, here, d = load(tile, place), load(tile, place + c), load(tile, place + 2 * c), load(tile, place + 3 * c)
        place += 4 * c
        before, top = largest(a, largest(b, here)), largest(b, largest(here, d))
        e = load(tile, place)  # pivots are the values of the first row
        pivot0, pivot1, pivot2 = here, top, largest(before, largest(here, largest(d, e)))
        pivot3, pivot4 = _averages(a, b, here, d, e, begin, t)
        sum0 = sum1 = sum2 = sum3 = sum4 = zero
        squares0 = squares1 = squares2 = squares3 = squares4 = zero
        for few in range(begin, end, FEW):
            own0 = own1 = own2 = own3 = own4 = zero
            square0 = square1 = square2 = square3 = square4 = zero
            for s in range(few, min(few + FEW, end)):
                e = load(tile, place)
                place += c
                after = largest(here, largest(d, e))
                mean3, mean5 = _averages(a, b, here, d, e, s, t)
                v = here - pivot0
                own0, square0 = own0 + v, square0 + v * v
                v = top - pivot1
                own1, square1 = own1 + v, square1 + v * v
                v = largest(before, after) - pivot2
                own2, square2 = own2 + v, square2 + v * v
                v = mean3 - pivot3
                own3, square3 = own3 + v, square3 + v * v
                v = mean5 - pivot4
                own4, square4 = own4 + v, square4 + v * v
                a, b, here, d = b, here, d, e
                before, top = top, after
            sum0, squares0 = sum0 + own0, squares0 + square0
            sum1, squares1 = sum1 + own1, squares1 + square1
            sum2, squares2 = sum2 + own2, squares2 + square2
            sum3, squares3 = sum3 + own3, squares3 + square3
            sum4, squares4 = sum4 + own4, squares4 + square4
        _keep(parts, to + k, c, pivot0, sum0, squares0, share)
        _keep(parts, to + 2 * c + k, c, pivot1, sum1, squares1, share)
        _keep(parts, to + 4 * c + k, c, pivot2, sum2, squares2, share)
        _keep(parts, to + 6 * c + k, c, pivot3, sum3, squares3, share)
        _keep(parts, to + 8 * c + k, c, pivot4, sum4, squares4, share)


@compiled
def maxima(tile: Any, at: int, row: int, rows: int, reading: Any, to3: int, to5: int) -> None:
    """Maxima over 3 and 5 steps, less their means, of a tile whose first row is two before theirs.

    reading : (7, c), the last two are means.
    """
    c = reading.shape[1]
    for r in range(rows):
        for k in range(0, c, LANES):
            place = at + r * row + k
            top = largest(load(tile, place + row), largest(load(tile, place + 2 * row), load(tile, place + 3 * row)))
            all_five = largest(top, largest(load(tile, place), load(tile, place + 4 * row)))
            store(tile, to3 + r * row + k, top - load(reading, 5 * c + k))
            store(tile, to5 + r * row + k, all_five - load(reading, 6 * c + k))


@compiled
def average(x: Any, at: int, row: int, begin: int, end: int, t: int, y: Any, to: int, y_row: int) -> None:
    """Average pools of two vectors: of the first over 3 steps, of the second over 5. ``at``: of row 0 of the clip."""
    for s in range(begin, end):
        three, five = at + s * row, at + s * row + LANES
        b, here, d = load(x, five - row), load(x, five), load(x, five + row)
        _, mean5 = _averages(load(x, five - 2 * row), b, here, d, load(x, five + 2 * row), s, t)
        b, here, d = load(x, three - row), load(x, three), load(x, three + row)
        mean3, _ = _averages(b, b, here, d, d, s, t)
        store(y, to + (s - begin) * y_row, mean3)
        store(y, to + (s - begin) * y_row + LANES, mean5)


@inlined
def _shares(x: Any, at: int, row: int, s: int, t: int, radius: int) -> Any:
    """What row s gets from the averages it is part of; theirs lie around ``at``."""
    total = fill(F32(0))
    for r in range(max(s - radius, 0), min(s + radius + 1, t)):
        count = min(r + radius + 1, t) - max(r - radius, 0)
        total = total + load(x, at + (r - s) * row) * fill(F32(1 / count))
    return total


@compiled
def spread(x: Any, at: int, row: int, begin: int, end: int, t: int, y: Any, to: int, y_row: int) -> None:
    """The transpose of ``average``."""
    for s in range(begin, end):
        three, five = at + s * row, at + s * row + LANES
        if 4 <= s < t - 4:
            v = load(x, three - row) + load(x, three) + load(x, three + row)
            w = load(x, five - row) + load(x, five) + load(x, five + row)
            w = w + load(x, five - 2 * row) + load(x, five + 2 * row)
            v, w = v * fill(THIRD), w * fill(FIFTH)
        else:
            v, w = _shares(x, three, row, s, t, 1), _shares(x, five, row, s, t, 2)
        store(y, to + (s - begin) * y_row, v)
        store(y, to + (s - begin) * y_row + LANES, w)


# -- gradients of pools --------------------------------------------------------------------------------------------


@compiled
def give_maxima(u: Any, row: int, begin: int, end: int, t: int, three: int, five: int, to: int, through: Any) -> None:
    """Add to rows begin … end of the gradient at ``to`` what the two maxima give.

    A maximum over five is the larger of two maxima over three; its gradient goes to that one, the earlier of equals,
    and from there to the row it came from.

    u : begins with rows begin - 4 … end + 4 of what was pooled. three, five : rows begin - 2 … end + 2 of the gradients
    of the pools without what comes through their statistics, which is offset + slope · pool.
    through : (4, c), offset and slope of each pool.
    """
    zero, c = fill(F32(0)), through.shape[1]
    for k in range(0, c, LANES):
        offset3, slope3 = load(through, k), load(through, c + k)
        offset5, slope5 = load(through, 2 * c + k), load(through, 3 * c + k)
        # at row s: b3 is three rows before it, a3 three after it; tops are the maxima over three around such rows
        s = begin - 1
        place = k
        b3, b2, b1 = load(u, place), load(u, place + row), load(u, place + 2 * row)
        here, a1, a2 = load(u, place + 3 * row), load(u, place + 4 * row), load(u, place + 5 * row)
        top_b2, top_b1 = largest(b3, largest(b2, b1)), largest(b2, largest(b1, here))
        top, top_a1 = largest(b1, largest(here, a1)), largest(here, largest(a1, a2))
        five_b1 = five_here = give_b1 = give_b2 = zero
        if begin > 1:
            five_b1 = load(u, five + k) + offset5 + slope5 * largest(top_b2, top)
        if begin > 0:
            five_here = load(u, five + row + k) + offset5 + slope5 * largest(top_b1, top_a1)
        for s in range(begin - 1, end + 1):
            r = s - begin + 2
            a3 = load(u, (r + 5) * row + k)
            top_a2 = largest(a1, largest(a2, a3))
            five_a1 = zero
            if s + 1 < t:
                five_a1 = load(u, five + (r + 1) * row + k) + offset5 + slope5 * largest(top, top_a2)
            give = where(top >= top_a2, five_a1, zero) + where(top > top_b2, five_b1, zero)
            if 0 <= s < t:
                give = give + load(u, three + r * row + k) + offset3 + slope3 * top
            if s > begin:  # all that comes to row s - 1 is known
                spot = to + (s - 1 - begin) * row + k
                over_next, over_last = b1 >= here, b1 > b2
                own = where(over_next & (b1 >= a1), give, zero)
                own = own + where(over_last & over_next, give_b1, zero)
                own = own + where(over_last & (b1 > b3), give_b2, zero)
                store(u, spot, load(u, spot) + own)
            b3, b2, b1, here, a1, a2 = b2, b1, here, a1, a2, a3
            top_b2, top_b1, top, top_a1 = top_b1, top, top_a1, top_a2
            five_b1, five_here = five_here, five_a1
            give_b2, give_b1 = give_b1, give


@inlined
def _average_there_and_back(tile: Any, at: int, row: int, s: int, t: int, radius: int) -> Any:
    """Row s of an average pool's transpose, of the pool (of what lies at ``at``, row s) and of ones."""
    ones, sums = F32(0), fill(F32(0))
    for r in range(max(s - radius, 0), min(s + radius + 1, t)):
        lo, hi = max(r - radius, 0), min(r + radius + 1, t)
        share, total = F32(1 / (hi - lo)), fill(F32(0))
        for q in range(lo, hi):
            total = total + load(tile, at + (q - s) * row)
        sums = sums + total * fill(share * share)
        ones += share
    return sums, fill(ones)


@compiled
def give_averages(u: Any, row: int, begin: int, end: int, t: int, to: int, through: Any) -> None:
    """Add to rows begin … end of the gradient at ``to`` what comes through the statistics of the averages.

    That is a filter of u over nine rows: pooled, times a slope, and pooled back.

    u : rows begin - 4 … end + 4 of what was pooled. through : (5, c), offset and slope of the gradient of each average
    pool, and what is added of u itself.
    """
    s = begin
    while s < end:
        place, spot = (s - begin + 4) * row, to + (s - begin) * row
        if s >= 4 and s + 1 < min(t - 4, end):
            _two_rows_of_averages(u, place, row, spot, through)
            s += 2
        else:
            _row_of_averages(u, place, row, s, t, spot, through)
            s += 1


@compiled
def _row_of_averages(tile: Any, at: int, row: int, s: int, t: int, to: int, through: Any) -> None:
    c = through.shape[1]
    for k in range(0, c, LANES):
        mean3, ones3 = _average_there_and_back(tile, at + k, row, s, t, 1)
        mean5, ones5 = _average_there_and_back(tile, at + k, row, s, t, 2)
        v = load(through, k) * ones3 + load(through, c + k) * mean3 + load(through, 4 * c + k) * load(tile, at + k)
        v = v + load(through, 2 * c + k) * ones5 + load(through, 3 * c + k) * mean5
        store(tile, to + k, load(tile, to + k) + v)


@compiled
def _two_rows_of_averages(tile: Any, at: int, row: int, to: int, through: Any) -> None:
    """Where all pools are whole: the filter is 1 2 3 2 1 ninths and 1 2 3 4 5 4 3 2 1 twenty-fifths."""
    c = through.shape[1]
    for k in range(0, c, LANES):
        place, spot = at + k, to + k
        ninth = load(through, c + k) * fill(F32(1 / 9))
        w4 = load(through, 3 * c + k) * fill(F32(1 / 25))
        w3, two = w4 + w4, ninth + ninth
        w2, w1, w0 = ninth + w3 + w4, two + w3 + w3, two + ninth + w3 + w3 + w4 + load(through, 4 * c + k)
        offset = load(through, k) + load(through, 2 * c + k)
        b4, b3 = load(tile, place - 4 * row), load(tile, place - 3 * row)
        b2, b1 = load(tile, place - 2 * row), load(tile, place - row)
        here, a1, a2 = load(tile, place), load(tile, place + row), load(tile, place + 2 * row)
        a3, a4, a5 = load(tile, place + 3 * row), load(tile, place + 4 * row), load(tile, place + 5 * row)
        v = load(tile, spot) + offset + w0 * here + w1 * (b1 + a1)
        store(tile, spot, v + w2 * (b2 + a2) + (w3 * (b3 + a3) + w4 * (b4 + a4)))
        v = load(tile, spot + row) + offset + w0 * a1 + w1 * (here + a2)
        store(tile, spot + row, v + w2 * (b1 + a3) + (w3 * (b2 + a4) + w4 * (b3 + a5)))
