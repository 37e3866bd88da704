import re

import numpy as np
from scipy.cluster.hierarchy import linkage

from kwsbench.pages.dendrograms import LEFT, ROW, TOP, dendrogram


def test_a_join_lies_at_its_distance_between_its_rows():
    names = ["a", "b", "c"]
    found = linkage(np.array([5.0, 1.0, 4.0]), "average")  # a–b 5, a–c 1, b–c 4
    drawn = dendrogram("Words", found, names, "nats")
    rows = re.findall(r'y="([\d.]+)" text-anchor="end" class="tick">(\w)<', drawn)
    place = {name: float(y) - 4 for y, name in rows}
    assert sorted(place.values()) == [TOP + ROW * (i + 0.5) for i in range(3)]
    joins = [np.array([p.split(",") for p in j.split()], float) for j in re.findall(r'points="([^"]+)"', drawn)]
    near = next(j for j in joins if j[:, 0].max() == min(k[:, 0].max() for k in joins))
    assert set(near[[0, 3], 1]) == {place["a"], place["c"]} and (near[[0, 3], 0] == LEFT).all()
    far = max(joins, key=lambda j: j[:, 0].max())
    assert abs((far[1, 0] - LEFT) / (near[1, 0] - LEFT) - 4.5) < 0.01
    assert "Joined first: a with c at 1; b with a, c at 4.5." in drawn


def test_things_without_distance_are_drawn():
    assert "polyline" in dendrogram("x", linkage(np.zeros(1), "average"), ["a", "b"], "nats")
