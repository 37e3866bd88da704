"""Numbers as people read them."""

import numpy as np
import pandas as pd
import pytest

from kwsbench import wording


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (812, "812"), (999.4, "999"), (999.6, "1 k"), (314_100, "314 k"), (7_200_000, "7.2 M"),
     (3_441_334, "3.44 M"), (999_900, "1 M"), (1.5e9, "1.5 G"), (2e12, "2 T"),
     (None, "–"), (np.nan, "–"), (pd.NA, "–")],
)  # fmt: skip
def test_amount(number, text):
    assert wording.amount(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "0.0123 s"), (12.34, "12.3 s"), (185.2, "185 s"), (1044, "17.4 min"), (8316, "2.31 h"), (None, "–")],
)
def test_duration(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0.042, "0.042"), (1.5, "1.5"), (734.4, "734"), (1234.0, "1234"), (0, "0"), (0.0001, "0.000")]
)
def test_measure(number, text):
    assert wording.measure(number) == text


def test_shares_and_counts():
    assert wording.with_interval(0.8816, 0.869, 0.895) == "88.2 [86.9, 89.5]"
    assert wording.with_interval(0.8816, np.nan, np.nan) == "88.2"
    assert wording.percent(1) == "100.0" and wording.percent(None) == "–"
    assert wording.count(22246) == "22,246"
    assert [wording.plural(n, "matrix", "matrices") for n in (1, 2000)] == ["1 matrix", "2,000 matrices"]
