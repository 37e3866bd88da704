"""Drawings: where things stand in them."""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kwsbench.pages.figures import (
    Axis,
    Curve,
    Point,
    cost_chart,
    curve_panel,
    interval_axis,
    interval_bar,
    line_chart,
    nice_ticks,
)
from kwsbench.report.page.curves import WORDS, panels_of
from kwsbench.report.rows import Row
from kwsbench.wording import amount

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(finite, finite, st.integers(2, 8))
def test_ticks_are_few_round_and_inside(a, b, most):
    low, high = min(a, b), max(a, b)
    assume(high - low > 1e-6)
    ticks = nice_ticks(low, high, most)
    slack = 1e-6 * (high - low)
    assert len(ticks) <= most and all(low - slack <= tick <= high + slack for tick in ticks)
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
        assert min(abs(mantissa - nice) for nice in (1, 2, 5, 10)) < 1e-4
    if most >= 4:
        assert ticks, "some tick must stand between any two limits"


@given(st.floats(0.1, 10), st.floats(11, 1000), st.booleans())
def test_an_axis_maps_its_ends_and_keeps_order(low, high, log):
    axis = Axis(low, high, 300, 20, log)
    assert axis.at(low) == pytest.approx(300) and axis.at(high) == pytest.approx(20)
    middle = math.sqrt(low * high) if log else (low + high) / 2
    assert axis.at(middle) == pytest.approx(160)


def test_the_intervals_axis_leaves_a_floor_aside_and_points_to_it():
    axis = interval_axis([(0.1, 0.09, 0.11), (0.9, 0.88, 0.91)])
    assert axis.low == pytest.approx(0.85) and axis.high == pytest.approx(0.95)
    assert "<path" in interval_bar(axis, 0.1, 0.09, 0.11, 0)
    assert interval_axis([(0.1, 0.09, 0.11)]).low <= 0.09 and interval_axis([]) == interval_axis([(0.5, 0.0, 1.0)])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2), st.floats(0, 0.2)), min_size=1, max_size=6))
def test_every_interval_that_is_drawn_lies_on_the_axis(rows):
    limits = [(a, max(a - down, 0), min(a + up, 1)) for a, down, up in rows]
    axis = interval_axis(limits)
    best = max(a for a, _, _ in limits)
    for accuracy, low, high in limits:
        if accuracy >= best / 2:
            assert axis.low - 1e-9 <= low and high <= axis.high + 1e-9


def test_a_whisker_spans_its_interval():
    axis = Axis(0.0, 1.0, 0, 100)
    bar = interval_bar(axis, 0.5, 0.4, 0.7, 3)
    assert '<rect x="40"' in bar and 'width="30"' in bar and "accuracy 50.0 [40.0, 70.0] %" in bar
    assert bar.count("<rect") == 2 and interval_bar(axis, 0.5, math.nan, math.nan, 3).count("<rect") == 1


def names_of(chart):
    """Left, top, right, bottom of each name in a chart, letters taken as 8 × 13 pixels."""
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(start|end)" class="name">([^<]*)', chart)
    for x, y, anchor, name in found:
        left = float(x) - (8 * len(name) if anchor == "end" else 0)
        yield left, float(y) - 10, left + 8 * len(name), float(y) + 3


def cover(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("spread", [0.0, 0.002, 0.02, 0.2])
@pytest.mark.parametrize("n", [2, 7, 25])
def test_names_in_a_chart_of_costs_cover_neither_each_other_nor_a_point(n, spread):
    rng = np.random.default_rng(n)
    points = [Point(f"model_{i}", i, 10 ** (4 + 10 * spread * c), 0.8 + spread * (a - 0.5), 0.7, 0.9)
              for i, (c, a) in enumerate(rng.random((n, 2)))]  # fmt: skip
    chart = cost_chart(points, "work", amount)
    assert chart.count("<circle") == n and chart.count('class="error"') == n
    names = list(names_of(chart))
    assert not any(cover(a, b) for a, b in itertools.combinations(names, 2))
    at = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart)]
    assert not any(cover(name, (x - 5, y - 5, x + 5, y + 5)) for name in names for x, y in at)
    assert len(names) >= (n if n == 2 or (n == 7 and spread) else 7)
    assert all(f">model_{i}: " in chart for i in range(n))  # under the pointer all are named


def test_a_line_joins_its_points_and_every_point_has_its_whisker_beside_those_of_others():
    lines = [[Point(name, i, n, 0.5 + 0.1 * i, 0.4, 0.8) for n in (1, 10, 100)] for i, name in enumerate("ab")]
    chart = line_chart(lines, "speakers", amount)
    assert chart.count("<polyline") == 2 and chart.count("<circle") == 6 and chart.count('class="error"') == 6
    at = [float(x) for x in re.findall(r'<line x1="([\d.]+)" [^>]*class="error"', chart)]
    gaps = [b - a for a, b in zip(at[:3], at[1:3], strict=False)]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.1) and not set(at[:3]) & set(at[3:])  # powers of ten stand evenly
    assert "a: 50.0 % at 1, 50.0 % at 10" in chart


def test_curves_skip_what_is_no_number_and_mark_what_was_kept():
    panel = curve_panel("loss", [Curve("a", 0, [1, 2, 3], [3.0, math.nan, 1.0])], "epoch", 2.0)
    (points,) = re.findall(r'points="([^"]*)"', panel)
    assert len(points.split()) == 2 and "nan" not in panel and ">kept<" in panel
    single = curve_panel("loss", [Curve("a", 0, [1], [3.0])], "epoch", None)
    assert "<circle" in single and ">kept<" not in single


def fitted(*histories, best=0, labels=("yes", "no")) -> Row:
    records = [{"status": "ok", "fit": {"history": list(h), "best": best, "notes": []}} for h in histories]
    return Row(("c", "l", "s"), "m", "", tuple(records), "ok", label_names=labels)


def test_a_networks_log_becomes_panels_of_accuracy_and_loss():
    history = [
        {"epoch": e, "train_loss": 1.0, "validation_loss": 2.0, "validation_accuracy": 0.5, "lr": 0.1, "epoch_s": 3}
        for e in (1, 2, 3)
    ]
    accuracy, loss = panels_of(fitted(history, best=1), 4)
    assert [(c.name, c.colour, c.dashed) for c in loss.curves] == [
        ("train_loss", 4, True), ("validation_loss", 4, False),
    ]  # fmt: skip
    assert accuracy.title == "accuracy" and list(accuracy.curves[0].ys) == [50, 50, 50]
    assert accuracy.best == 2 and accuracy.x_title == "epoch"


def test_a_word_models_log_becomes_one_curve_a_word_and_words_may_stop_early():
    history = [{"iteration": 0.0, "yes": -60.0, "no": -70.0}, {"iteration": 1.0, "yes": -50.0}]
    (panel,) = panels_of(fitted(history, history, best=1), 0)
    assert panel.title == WORDS and [c.name for c in panel.curves] == ["yes", "no"]
    assert list(panel.curves[0].xs) == [0, 1] and math.isnan(panel.curves[1].ys[1]) and panel.best is None


def test_fits_lie_over_each_other_and_no_history_is_no_panel():
    history = [{"loss": 1.0}, {"loss": None}, {"loss": 0.5}]
    (panel,) = panels_of(fitted(history, history, history), 0)
    assert len(panel.curves) == 3 and panel.best is None and list(panel.curves[0].xs) == [1, 2, 3]
    assert panels_of(fitted([]), 0) == [] and panels_of(fitted([{"loss": None}]), 0) == []
