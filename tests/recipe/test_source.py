"""YAML 1.2 with places, recipes that extend others, values set by hand."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.recipe import load_recipe
from kwsbench.recipe.source import parse


def scalars(text: str) -> list:
    problems: list = []
    plain = parse(text, "here", problems).plain()
    assert not problems
    return plain


def test_yaml_is_version_1_2():
    assert scalars("[yes, no, on, off, y, n, Yes, NO]") == ["yes", "no", "on", "off", "y", "n", "Yes", "NO"]
    assert scalars("[true, false, True, FALSE]") == [True, False, True, False]
    numbers = scalars("[1, -2, +3, 010, 0o17, 0x1F, 1_000]")
    assert numbers == [1, -2, 3, 10, 15, 31, 1000] and {type(number) for number in numbers} == {int}
    floats = scalars("[1e-4, 1E5, 1.e3, -.5e3, +.5, -1e-4, .5, 3.0, -.inf]")
    assert floats == [1e-4, 1e5, 1e3, -500.0, 0.5, -1e-4, 0.5, 3.0, -float("inf")]
    assert {type(number) for number in floats} == {float}
    assert scalars("[~, null, '', 'yes', '1', \"1e-4\", 2017-01-01, 1:30, 1.2.3, e5]") == [
        None, None, "", "yes", "1", "1e-4", "2017-01-01", "1:30", "1.2.3", "e5"
    ]  # fmt: skip
    assert scalars("no: 1\noff: 2") == {"no": 1, "off": 2}


# JSON writes other characters as two surrogates, which YAML does not join; a key of YAML ends within 1,024 characters
TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10))
@settings(max_examples=100, deadline=None)
def test_json_is_yaml_and_reads_as_itself(value):
    assert scalars(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("a: [1,", 1, "no YAML"),
        ("a: 1\nb: c: d", 2, "no YAML"),
        ("a:\n\t- b", 2, "no YAML"),
        ("a: 1\n---\nb: 2", 2, "single document"),
        ("a: 1\nb: *x", 2, "undefined alias"),
        ("a: 1\nb: \x07", 2, "no YAML"),
        ("a: &x [*x]", 1, "holds itself"),
        ("%YAML 1.1\n---\na: yes", 1, "begins with %"),
        ("", 1, "a recipe is a mapping"),
        ("- a", 1, "a recipe is a mapping"),
        ("extends: gone.yaml", 1, "gone.yaml: no such file"),
        ("\nextends: r.yaml", 2, "in a circle: r.yaml → r.yaml"),
    ],
)
def test_text_that_cannot_be_read_names_its_line(write, mistakes, text, line, fragment):
    path = write("")
    path.write_text(text)
    (found,) = [one for one in mistakes(path) if not one.startswith("  →")]
    assert found.startswith(f"r.yaml:{line}: ")
    assert fragment in found


def test_a_recipe_that_is_absent_or_not_utf8(write, mistakes):
    assert "no.yaml: cannot read the recipe" in mistakes(Path("no.yaml"))[0]
    write("").write_bytes(b"study: \xff\n")
    assert "not UTF-8" in mistakes(Path("r.yaml"))[0]


def test_extends_merges_deeply_and_keeps_places(write, mistakes):
    write(
        "study: base\nseed: 5\ncorpora: plain\nmodels:\n  toy: {size: 3, name: b}\n  other: {model: toy}\n",
        "sub/base.yaml",
    )
    write("extends: base.yaml\nlimits: {memory_mb: 9}\n", "sub/middle.yaml")
    recipe = load_recipe(write("extends: sub/middle.yaml\nmodels:\n  toy: {size: 4}\n  new: {model: toy}\n"))
    assert (recipe.study, recipe.seed, recipe.limits.memory_mb) == ("r", 5, 9)
    assert list(recipe.models) == ["toy", "other", "new"]
    assert recipe.models["toy"].settings["size"] == (4,) and recipe.models["toy"].settings["name"] == ("b",)

    write("corpora: plain\nmodels:\n  toy:\n    size: x\n    name: b\n", "base.yaml")
    found = mistakes(write("extends: base.yaml\nmodels:\n  toy:\n    nme: c\n    name: 3\n"))
    assert [line.split(": ")[0] for line in found] == ["base.yaml:4", "r.yaml:4", "r.yaml:5"]


def test_extends_replaces_what_is_no_mapping(write):
    write("corpora: {plain: {}}\nseeds: [1, 2]\nsplits: [hash, speakers]\nmodels: {toy: {widths: [1]}}", "base.yaml")
    recipe = load_recipe(
        write("extends: base.yaml\nseeds: [3]\nsplits: hash\ncorpora: {toys: {manifest: a}}\nmodels:\n")
    )
    assert recipe.seeds == (3,) and [split["scheme"] for split in recipe.splits] == ["hash"]
    assert list(recipe.corpora) == ["plain", "toys"]
    assert list(load_recipe(write("extends: base.yaml\ncorpora: synthetic\n")).corpora) == ["synthetic"]


def test_extends_in_a_circle(write, mistakes):
    write("extends: b.yaml\n", "a.yaml")
    write("seed: 1\nextends: ./a.yaml\n", "b.yaml")
    (found, _) = mistakes(Path("a.yaml"))
    assert found == "b.yaml:2: extends goes in a circle: a.yaml → b.yaml → a.yaml"
    write("", "sub/empty.yaml")
    (found, _) = mistakes(write("extends: sub/../r.yaml\n"))
    assert found == "r.yaml:1: extends goes in a circle: r.yaml → sub/../r.yaml"


def test_overrides_set_values(write):
    path = write("corpora: plain\nsplits: [hash, speakers]\nmodels: {toy: {size: 3}, b.c: {model: toy}}")
    sets = (
        "models.toy.size=[4, 5]",
        "models.b.c.name=yes",
        "models.toy.frontend.rate=16000",
        "splits.1.folds=3",
        "limits.cell_minutes=1e-1",
        "seeds=2",
        "models.new={model: toy, name: 'a=b'}",
        "corpora.toys={manifest: m.csv}",
    )
    recipe = load_recipe(path, overrides=sets)
    toy, other = recipe.models["toy"], recipe.models["b.c"]
    assert toy.settings["size"] == (4, 5) and toy.frontend["rate"] == (16000,)
    assert other.settings["name"] == ("yes",) and recipe.models["new"].settings["name"] == ("a=b",)
    assert recipe.splits[1]["folds"] == 3 and recipe.limits.cell_minutes == 0.1 and recipe.seeds == (0, 1)
    assert recipe.corpora == {"plain": {}, "toys": {"manifest": "m.csv", "takes": 2}}
    assert load_recipe(path, overrides=["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("models.toy.sise=4", "models.toy.sise: 4: no setting of that name"),
        ("models.toi.size=4", "models have no toi; did you mean toy?"),
        ("models.toy.size=x", "models.toy.size: x: expected a whole number"),
        ("models.toy.frontend.rat=1", "did you mean rate?"),
        ("model.toy.size=4", "did you mean models?"),
        ("corpora.plainn.a=4", "did you mean plain?"),
        ("splits.2.folds=3", "2 is no place in a list"),
        ("splits.folds=3", "folds is no place in a list"),
        ("seed.x=3", "seed is 5, no mapping; set it whole: seed=..."),
        ("splits.0.fold=3", "splits[0].fold: 3: no setting of that name; expected one of scheme, "),
        ("seed", "expected PATH=VALUE"),
        ("=3", "expected PATH=VALUE"),
        ("seed=", "seed: null: expected a whole number"),
        ("seed=[1,", "no YAML"),
        ("seed={a: 1, a: 2}", "stands twice"),
    ],
)
def test_a_wrong_override_says_which(write, mistakes, override, fragment):
    path = write("seed: 5\ncorpora: plain\nsplits: [hash, speakers]\nmodels: {toy: {}}")
    found = mistakes(path, overrides=[override])
    assert all(line.startswith(f"--set {override}: ") for line in found), found
    assert fragment in found[0]
