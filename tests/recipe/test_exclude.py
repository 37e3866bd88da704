"""A recipe names clips that are left out: in a file beside it, or one by one."""

import json
from pathlib import Path

import pytest

from kwsbench.recipe import json_schema, load_recipe
from kwsbench.recipe.exclude import listed_clips
from kwsbench.study import Cell, expand

HEAD = "corpora: plain\nmodels: {toy: {}}\n"


@pytest.fixture
def lists(write):
    write('clip,word,note\nyes/b.wav,yes,"a, b"\n"no/a,1.wav",no,\n', "lists/table.csv")
    write("yes/b.wav\n\nno/a,1.wav\nyes/b.wav\n", "lists/lines.txt")
    write("clip\n", "lists/empty.csv")
    return write


def test_a_table_or_lines_name_the_same_clips(lists):
    assert listed_clips(Path("lists/table.csv")) == listed_clips(Path("lists/lines.txt")) == ("no/a,1.wav", "yes/b.wav")


def test_a_path_is_relative_to_the_recipe_that_has_it(lists):
    below = lists(HEAD + "exclude: {file: table.csv}\n", "lists/base.yaml")
    above = lists("extends: lists/base.yaml\nexclude: {sides: [test]}\n")
    assert load_recipe(below).exclude == {
        "clips": ("no/a,1.wav", "yes/b.wav"),
        "sides": ("train", "validation", "test"),
    }
    assert load_recipe(above).exclude == {"clips": ("no/a,1.wav", "yes/b.wav"), "sides": ("test",)}
    by_hand = load_recipe(lists(HEAD, "other/r.yaml"), overrides=["exclude=lists/lines.txt", "seed=3"])
    assert by_hand.exclude["clips"] == ("no/a,1.wav", "yes/b.wav")
    assert load_recipe(below, overrides=["exclude=null"]).exclude == {}


def test_a_resolved_recipe_has_the_clips_and_reads_as_the_same(lists):
    recipe = load_recipe(lists(HEAD + "exclude: {file: lists/table.csv, sides: [test, train]}\n"))
    again = load_recipe(lists(json.dumps(recipe.resolved()), "elsewhere/again.yaml"))
    assert again == recipe and again.exclude["sides"] == ("train", "test")
    assert "exclude" not in load_recipe(lists(HEAD, "without.yaml")).resolved()
    assert "exclude" in json_schema()["properties"]


def test_only_what_is_left_out_of_training_makes_another_cell(lists):
    def cell(text):
        return expand(load_recipe(lists(HEAD + text))).cells[0]

    plain, tested = cell(""), cell("exclude: {file: lists/table.csv, sides: [test]}\n")
    assert tested == plain and tested.id == plain.id and "exclude" not in plain.parts
    trained = cell("exclude: lists/table.csv\n")
    assert trained.id != plain.id and trained.exclude["sides"] == ("train", "validation")
    assert (
        Cell(**json.loads(json.dumps({name: getattr(trained, name) for name in Cell.__dataclass_fields__}))) == trained
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("exclude: lists/none.csv", 3, ["exclude: ", "none.csv: No such file", "relative to the recipe's folder"]),
        ("exclude:\n  file: lists/empty.csv", 4, ["empty.csv lists no clip", "headed clip"]),
        ("exclude: {sides: [test]}", 3, ["expected a file, or clips"]),
        ("exclude: {file: lists/table.csv, clips: [a]}", 3, ["expected a file, or clips"]),
        ("exclude: {clips: [], sides: [test]}", 3, ["at least one of clips"]),
        ("exclude: {file: lists/table.csv, sides: [tests]}", 3, ["exclude.sides[0]: tests", "expected one of train"]),
        ("exclude:\n  fil: lists/table.csv", 4, ["exclude.fil: ", "did you mean file?"]),
        ("exclude: 3", 3, ["exclude: 3: expected a mapping"]),
        ("exclude: lists", 3, ["Is a directory"]),
    ],
)
def test_mistakes_have_their_place(lists, mistakes, text, line, said):
    (message,) = mistakes(lists(HEAD + text + "\n"))
    assert message.startswith(f"r.yaml:{line}: ") and all(part in message for part in said), message
