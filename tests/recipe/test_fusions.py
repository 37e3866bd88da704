"""A recipe names fusions of its models."""

import json

import pytest

from kwsbench.errors import UserError
from kwsbench.recipe import json_schema, load_recipe
from kwsbench.recipe.form import Fusion
from kwsbench.study import expand

HEAD = "corpora: plain\nmodels: {toy: {}, other: {model: toy, size: 3}}\n"


def test_members_are_read_and_written(write):
    recipe = load_recipe(write(HEAD + "fusions: {both: [toy, other], toys: [toy]}\n"))
    assert recipe.fusions == {"both": Fusion(("toy", "other")), "toys": Fusion(("toy",))}
    assert recipe.resolved()["fusions"] == {"both": ["toy", "other"], "toys": ["toy"]}
    assert load_recipe(write(json.dumps(recipe.resolved()), "again.yaml")) == recipe
    assert "fusions" not in load_recipe(write(HEAD, "without.yaml")).resolved()
    assert "fusions" in json_schema()["properties"]


def test_priors_are_read_and_written(write):
    recipe = load_recipe(write(HEAD + "fusions: {moved: {members: [toy, other], priors: validation}}\n"))
    assert recipe.fusions == {"moved": Fusion(("toy", "other"), "validation")}
    assert recipe.resolved()["fusions"] == {"moved": {"members": ["toy", "other"], "priors": "validation"}}
    assert load_recipe(write(json.dumps(recipe.resolved()), "again.yaml")) == recipe
    weighed = {"members": ["toy", "other"], "weights": "validation"}
    recipe = load_recipe(write(HEAD + f"fusions: {{weighed: {weighed}}}\n", "weighed.yaml"))
    assert recipe.fusions == {"weighed": Fusion(("toy", "other"), weights="validation")}
    assert recipe.resolved()["fusions"] == {"weighed": weighed}
    plain = load_recipe(write(HEAD + "fusions: {both: {members: [toy]}}\n", "plain.yaml"))
    assert plain.fusions == {"both": Fusion(("toy",))} and load_recipe(plain.path, only="other").fusions == {}


def test_they_change_no_cell(write):
    plain, fused = (expand(load_recipe(write(HEAD + text))) for text in ("", "fusions: {both: [toy, other]}\n"))
    assert plain.cells == fused.cells


def test_a_fusion_whose_members_are_left_out_is_left_out(write):
    path = write(HEAD + "fusions: {both: [toy, other], toys: [toy]}\n")
    assert set(load_recipe(path, only="toy").fusions) == {"toys"}


def test_a_recipe_adds_to_what_it_extends(write):
    write(HEAD + "fusions: {toys: [toy]}\n", "base.yaml")
    assert set(load_recipe(write("extends: base.yaml\nfusions: {both: [toy, other]}\n")).fusions) == {"toys", "both"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{both: [toy, othr]}", "fusions.both: othr: no entry of that name; expected one of toy, other"),
        ("{both: [toy, othr]}", "did you mean other?"),
        ("{both: [toy, toy]}", "fusions.both: toy stands twice"),
        ("{both: toy}", "fusions.both: toy: expected a list of entries of models"),
        ("{both: []}", "fusions.both: []: expected a list of entries of models"),
        ("{both: [[toy]]}", "fusions.both: "),
        ("{both: {members: [toy, othr]}}", "fusions.both: othr: no entry of that name; expected one of toy, other"),
        ("{both: {members: []}}", "fusions.both: []: expected a list of entries of models"),
        ("{both: {priors: validation}}", "members"),
        ("{both: {members: [toy], priors: test}}", "fusions.both.priors: test: expected one of train, validation"),
        ("{toy: [toy, other]}", "fusions.toy: an entry of models has this name"),
        ("{a b: [toy, other]}", "expected letters, digits"),
        ("[toy, other]", "fusions: "),
    ],
)
def test_mistakes_have_their_line(write, text, message):
    with pytest.raises(UserError) as caught:
        load_recipe(write(HEAD + f"fusions: {text}\n"))
    assert message in str(caught.value) and ":3: " in str(caught.value)
