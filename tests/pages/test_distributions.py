import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from kwsbench.pages.distributions import Sample, bars, cumulative, histogram, number, scatter


def heights(svg):
    return [float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', svg)]


def test_bars_are_as_high_as_their_numbers():
    high, low = heights(bars("clips", ["yes", "no"], [200, 50], "clips"))
    assert high == pytest.approx(4 * low, rel=0.01)


def test_a_histogram_counts_its_values_and_leaves_out_what_is_none():
    svg = histogram("x", np.array([0.0, 0.0, 1.0, np.nan]), "s")
    high, low = heights(svg)
    assert high == pytest.approx(2 * low, rel=0.01)
    assert "half below 0" in svg and "most 1" in svg


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0], [np.nan], [0.0, 1e-12]])
@pytest.mark.parametrize("log", [False, True])
def test_few_or_equal_values_are_drawn(values, log):
    values = np.array(values, float) + (1 if log else 0)
    ET.fromstring(histogram("x", values, "s", log=log))
    ET.fromstring(cumulative("x", [Sample("a", 0, values), Sample("b", 9, np.zeros(0))], "s"))


def test_distribution_functions_rise_from_none_to_all():
    svg = cumulative("x", [Sample("a", 0, np.arange(100.0))], "s")
    ys = [float(pair.split(",")[1]) for pair in re.search(r'points="([^"]*)"', svg)[1].split()]
    assert ys == sorted(ys, reverse=True) and ys[0] == 160 and ys[-1] == 14
    assert "half below 49.5" in svg


def test_points_stand_where_their_values_are():
    svg = scatter("x", [(Sample("a", 0, np.array([0.0, 1.0])), np.array([5.0, 6.0]))], "s", "dB")
    assert re.findall(r'cx="(\d+)" cy="(\d+)"', svg) == [("58", "274"), ("548", "14")]
    ET.fromstring(svg)


def test_numbers_have_a_true_minus():
    assert [number(v) for v in (-43.94, 0.125, 8000, 0)] == ["−43.9", "0.125", "8,000", "0"]
