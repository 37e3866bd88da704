import re

import numpy as np

from kwsbench.pages.violins import LEFT, ROW, TOP, WIDTH, violins


def test_a_violin_has_its_quartiles_where_they_are():
    values = np.arange(101.0)
    drawn = violins("Energy", [("yes", values), ("no", np.array([50.0]))], "dB", (0, 100))
    at = lambda v: LEFT + (WIDTH - 14 - LEFT) * v / 100  # noqa: E731
    line = re.search(r'<line x1="([\d.]+)" x2="([\d.]+)"[^>]*class="error"', drawn)
    assert [float(x) for x in line.groups()] == [round(at(25), 2), round(at(75), 2)]
    assert drawn.count('class="whisker"') == 1 and drawn.count('class="dot"') == 2  # one value has no density
    assert "<title>Energy. Medians: yes 50, no 50.</title>" in drawn


def test_outlines_are_mirrored_and_stay_in_their_row():
    rng = np.random.default_rng(2)
    groups = [(str(i), rng.normal(i, 1 + i, 300)) for i in range(4)]
    drawn = violins("x", groups, "dB", (-5, 10))
    for row, path in enumerate(re.findall(r'd="M([^"]+)Z"', drawn)):
        x, y = np.array([point.split() for point in path.split("L")], float).T
        middle = TOP + ROW * (row + 0.5)
        np.testing.assert_allclose(y[: len(y) // 2] - middle, middle - y[len(y) // 2 :][::-1], atol=0.11)
        assert np.abs(y - middle).max() < ROW / 2 and x.min() >= LEFT and x.max() <= WIDTH - 14


def test_groups_without_values_and_without_spread_are_drawn():
    drawn = violins("x", [("none", np.zeros(0)), ("same", np.full(9, -3.0))], "dB", (-10, 0))
    assert "Medians: same −3." in drawn and "whisker" not in drawn and ">none</text>" in drawn
