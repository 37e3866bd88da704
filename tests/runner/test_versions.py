"""What a key says of the code: the rooms a cell goes through, and settings whose meaning changed."""

import pytest

from kwsbench.recipe import load_recipe
from kwsbench.runner.local import versions_of
from kwsbench.study import expand


@pytest.fixture
def versions(tmp_path):
    """Versions in the key of a light_cnn with these settings."""

    def of(settings):
        path = tmp_path / "recipe.yaml"
        path.write_text(f"models: {{light_cnn: {{{settings}}}}}\n")
        return versions_of(expand(load_recipe(path)).cells[0])

    return of


def test_only_cells_that_average_weights_are_others_since_averages_are_settled(versions):
    plain, averaged = versions(""), versions("ema: 0.99")
    assert "ema" not in plain and averaged == plain | {"ema": 2}
    assert versions("ema: 0.0") == plain


def test_only_cells_that_weigh_targets_are_others_since_decoys_are_counted(versions):
    plain, weighed = versions(""), versions("balance: weights")
    assert "balance" not in plain and weighed == plain | {"balance": 2}
    assert versions("balance: none") == plain
