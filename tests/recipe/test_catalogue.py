"""What the code itself says can stand in a recipe; the project's own recipes; and how little is imported for it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kwsbench.corpora import CORPORA
from kwsbench.errors import UserError
from kwsbench.models import MODELS
from kwsbench.recipe import load_recipe
from kwsbench.recipe.catalogue import Catalogue, known
from kwsbench.recipe.settings import describe, read_value, settings_of
from kwsbench.recipe.source import Located

ROOT = Path(__file__).parents[2]


def test_the_settings_of_every_model_and_corpus_can_be_said_in_a_recipe():
    catalogue = Catalogue()
    found = [catalogue.model(name)[1] for name in MODELS] + [catalogue.corpus(name) for name in CORPORA]
    for several in [*found, catalogue.splits, catalogue.labels, catalogue.frontend]:
        for one in several.values():
            assert not re.search("[<\\[]", describe(one.hint)), one
            if one.default is not type(one).default:
                problems: list = []
                listed = json.loads(json.dumps(one.default))
                assert read_value(located(listed), one.hint, one.name, problems) == one.default, (one, problems)


def located(value) -> Located:
    if isinstance(value, list):
        return Located([located(item) for item in value], "here:1")
    if isinstance(value, dict):
        return Located({key: located(item) for key, item in value.items()}, "here:1")
    return Located(value, "here:1")


def test_settings_are_keyword_arguments_and_fields(toys):
    import kws_toys

    assert list(settings_of(kws_toys.load, leave_out=("progress",))) == ["manifest", "takes"]
    assert list(settings_of(kws_toys.Toy))[:3] == ["size", "rate_of_learning", "name"]


def test_what_is_known(toys, tmp_path):
    assert ("toy", "A model with a setting of every type.") in known("models")
    assert ("toys", "A toy corpus.") in known("corpora")
    assert all(text for what in ("models", "corpora", "recipes") for _, text in known(what))
    (tmp_path / "a.yaml").write_text("# What is asked?\n# More.\nmodels: {}\n")
    assert known("recipes", tmp_path) == [(str(tmp_path / "a.yaml"), "What is asked?")]
    with pytest.raises(UserError, match="did you mean models"):
        known("model")


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_the_recipes_of_the_project_are_right(path):
    recipe = load_recipe(path)
    assert recipe.study == path.stem
    assert path.read_text().startswith("# ")


def test_reading_a_recipe_imports_nothing_heavy():
    code = """
import sys
from pathlib import Path
from kwsbench.recipe import load_recipe, json_schema
from kwsbench.study import expand
light = sorted({"numpy", "pandas", "ruamel"} & {name.split(".")[0] for name in sys.modules})
for path in sorted(Path("recipes").glob("*.yaml")):
    assert expand(load_recipe(path)).cells
json_schema()
heavy = {"torch", "numba", "sklearn", "matplotlib", "hmmlearn", "scipy", "soundfile", "librosa"}
print(light, sorted(heavy & {name.split(".")[0] for name in sys.modules}))
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[] []"
