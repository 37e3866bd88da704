import base64
import re
from io import BytesIO

import numpy as np
from PIL import Image

from kwsbench.pages.matrices import matrix_panel


def test_the_first_row_is_on_top_and_every_name_stands_twice():
    drawn = matrix_panel("told", np.array([[0.0, -4.0], [-2.0, 0.0]]), ["yes", "no"], "nats", (-4, 0))
    picture = Image.open(BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", drawn)[1]))).convert("L")
    light = np.asarray(picture, int)
    assert light.shape == (2, 2) and light[0, 1] < light[1, 0] < light[0, 0] == light[1, 1]
    assert drawn.count(">yes<") == drawn.count(">no<") == 2 and "<title>told</title>" in drawn


def test_a_matrix_of_one_value_is_drawn():
    assert "<svg" in matrix_panel("x", np.zeros((1, 1)), ["a"], "nats", (0, 0))
