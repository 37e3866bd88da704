from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from kwsbench.pages.images import heat_axes, heat_panel, png


def test_a_picture_has_a_pixel_an_element_and_its_first_row_at_the_bottom():
    matrix = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    picture = Image.open(BytesIO(png(matrix)))
    assert picture.size == (3, 2)
    light = np.asarray(picture.convert("L"), int)
    assert light[1, 0] == light.min() and light[0, 2] == light.max()
    assert (np.diff(np.concatenate([light[1], light[0]])) > 0).all()


def test_a_limit_of_zero_is_a_limit():
    light = np.asarray(Image.open(BytesIO(png(np.array([[-4.0, 0.0]]), -4.0, 0.0))).convert("RGB"), int)
    assert (light[0, 0] == (13, 14, 40)).all() and (light[0, 1] == (250, 243, 214)).all()


@pytest.mark.parametrize("matrix", [np.zeros((2, 2)), np.full((2, 2), np.nan), np.array([[-np.inf, 0.0, np.inf]])])
def test_what_has_no_range_is_drawn_all_the_same(matrix):
    assert Image.open(BytesIO(png(matrix))).size == matrix.shape[::-1]


def test_what_is_drawn_over_a_picture_lies_where_its_values_are():
    across, up = heat_axes((0, 2), (0, 8000))
    assert across.at(0) == 50 and across.at(2) == 330 and up.at(0) == 160 and up.at(8000) == 14
    drawn = heat_panel("a clip", np.zeros((3, 4)), (0, 2, "s"), (0, 8000, "Hz"))
    assert 'x="50" y="14" width="280" height="146"' in drawn and "<title>a clip</title>" in drawn
