import re

import numpy as np

from kwsbench.pages.figures import Axis, Curve
from kwsbench.pages.images import heat_panel
from kwsbench.pages.traces import border, envelope, line_panel, wave_panel


def test_an_envelope_has_the_least_and_the_largest_of_each_stretch():
    lows, highs = envelope(np.array([1.0, -2.0, 3.0, 0.5, -1.0, 0.0]), 3)
    assert lows.tolist() == [-2, 0.5, -1] and highs.tolist() == [1, 3, 0]
    assert len(envelope(np.arange(5.0), 280)[0]) == 5 and len(envelope(np.zeros(0), 9)[0]) == 0


def test_a_wave_is_drawn_whatever_it_holds():
    for samples in (np.zeros(0), np.zeros(100), np.sin(np.arange(16000.0))):
        drawn = wave_panel("“yes” & more", samples, 16000)
        assert "seconds" in drawn and "“yes” &amp; more" in drawn and "nan" not in drawn


def test_lines_leave_out_what_is_no_number_and_stay_within_the_limits():
    curve = Curve("before", 0, [0, 1000, 2000], [-10.0, float("nan"), -300.0])
    drawn = line_panel("spectrum", [curve], "Hz", "dB", y_limits=(-80, 0))
    (points,) = re.findall(r'points="([^"]*)"', drawn)
    assert len(points.split()) == 2 and points.endswith(",240.0")
    assert "1,000" in drawn and "−80" in drawn


def test_borders_stand_where_they_are_told():
    for on_picture in (True, False):
        drawn = border(120.0, Axis(0, 1, 160, 14), on_picture=on_picture)
        assert 'x1="120"' in drawn and 'y2="14"' in drawn


def test_marks_of_a_picture_may_be_given():
    drawn = heat_panel("mel", np.zeros((2, 2)), (0, 1, "s"), (0, 2840, "Hz"), y_ticks=[(1000.0, "1000 Hz")])
    assert "1000 Hz" in drawn and ">500<" not in drawn
