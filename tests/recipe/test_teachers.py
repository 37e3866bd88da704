"""A recipe says who teaches whom."""

import json

import pytest

from kwsbench.errors import UserError
from kwsbench.recipe import json_schema, load_recipe
from kwsbench.study import Cell, expand

HEAD = """
corpora: plain
models:
  big: {model: bc_resnet, tau: 2, epochs: 3, frontend: {n_filters: 32}}
  many: {model: bc_resnet, tau: [1, 2]}
  toy: {}
  other_labels: {model: ds_cnn, labels: {unknown: words}}
"""
SMALL = "  small: {model: bc_resnet, tau: 1, teacher_share: 0.5, teacher: %s}\n"


def cells(write, text, **arguments):
    study = expand(load_recipe(write(HEAD + text), **arguments))
    return {cell.entry: cell for cell in study.cells}


def test_an_entry_is_named(write):
    found = cells(write, SMALL % "big")
    small, big = found["small"], found["big"]
    assert small.teacher == {"model": "bc_resnet", "settings": big.settings, "frontend": big.frontend}
    assert small.teacher["settings"]["epochs"] == 3 and small.teacher["frontend"]["n_filters"] == 32
    assert small.of_teacher.key("t", "r", {}) == big.key("t", "r", {})
    assert "teacher" not in big.parts and not big.teacher
    assert Cell(**json.loads(json.dumps({name: getattr(small, name) for name in Cell.__dataclass_fields__}))) == small


def test_it_may_be_written_out_and_stay_out_of_the_run(write):
    named = cells(write, SMALL % "big", only="small")
    written = cells(write, SMALL % "{model: bc_resnet, tau: 2, epochs: 3, frontend: {n_filters: 32}}")
    assert list(named) == ["small"] and named["small"] == written["small"]


def test_it_is_part_of_the_key(write):
    alone = cells(write, "  small: {model: bc_resnet, tau: 1}\n")["small"]
    found = [cells(write, SMALL % teacher)["small"] for teacher in ("big", "{model: ds_cnn}")]
    assert len({cell.key("t", "r", {}) for cell in (alone, *found)}) == 3
    assert {cell.derived_seed("fit") for cell in found} == {alone.derived_seed("fit")}


def test_the_recipe_written_out_is_the_same(write):
    recipe = load_recipe(write(HEAD + SMALL % "big"))
    assert load_recipe(write(json.dumps(recipe.resolved()), "again.yaml")) == recipe


def test_editors_know_it():
    definitions = json_schema()["$defs"]
    assert "teacher" in definitions["bc_resnet"]["properties"] and "teacher" not in definitions["gmm_hmm"]["properties"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL % "bigg", "models.small.teacher: bigg: no entry of that name; expected one of big"),
        (SMALL % "bigg", "did you mean big?"),
        (SMALL % "[big]", 'models.small.teacher: ["big"]: no entry of that name'),
        (SMALL % "many", "many has several values of tau; a teacher is one"),
        (SMALL % "toy", "toy teaches nobody; networks do"),
        (SMALL % "small", "small has a teacher itself"),
        (SMALL % "other_labels", "other_labels has other labels than small; give both the same"),
        (SMALL % "{tau: 2}", "expected the name of an entry, or model: and its settings"),
        (SMALL % "{model: bc_resnet, tua: 2}", "models.small.teacher.tua"),
        (SMALL % "{model: bc_resnet, teacher: big}", "models.small.teacher.teacher: not for a teacher"),
        (SMALL % "{model: bc_resnet, limits: {cell_minutes: 3}}", "models.small.teacher.limits: not for a teacher"),
        ("  small: {model: bc_resnet, teacher_share: 0.5}\n", "teacher_share: 0.5, and there is no teacher"),
        ("  small: {model: bc_resnet, teacher: big}\n", "it would teach nothing; say what part"),
        ("  small: {model: bc_resnet, teacher_share: [0, 0.5], teacher: big}\n", "it would teach nothing"),
        ("  small: {model: toy, teacher: big}\n", "toy learns from no teacher; networks do"),
    ],
)
def test_mistakes_have_their_line(write, text, message):
    with pytest.raises(UserError) as caught:
        load_recipe(write(HEAD + text))
    assert message in str(caught.value) and "r.yaml:7: " in str(caught.value)
