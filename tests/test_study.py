"""Cells: how many, what each says of itself, and that none depends on another."""

import copy
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.models import MODELS
from kwsbench.recipe import load_recipe
from kwsbench.study import Cell, Study, expand

TOYS = '''
class Toy:
    """A toy."""

    frontend = {"kind": "mfcc"}

    def __init__(self, *, size: int = 8, rate: float = 0.5, widths: tuple[int, ...] = (1, 2)) -> None: ...
    def fit(self, train, validation, context): ...
    def scores(self, clips): ...
    def cost(self, clips): ...
    def save(self, folder): ...
    def load(self, folder): ...
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where recipes are written; a model ``toy`` is known."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "study_toys.py").write_text(TOYS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setitem(MODELS, "toy", "study_toys:Toy")
        yield folder


BASE = {
    "seed": 5,
    "seeds": 2,
    "corpora": ["synthetic", "fsdd"],
    "splits": ["hash", {"scheme": "speakers", "folds": 3}],
    "labels": ["kws12", {"scheme": "keywords", "keywords": ["yes", "no"]}],
    "models": {
        "toy": {"size": [1, 2, 3], "rate": [0.25, 0.5], "frontend": {"rate": [8000, 16000]}},
        "wide": {"model": "toy", "widths": [5, 6], "labels": {"unknown": "words"}, "limits": {"cell_minutes": 2}},
    },
}


def study(folder: Path, recipe: dict, name: str = "r") -> Study:
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(recipe))
    return expand(load_recipe(path))


@pytest.fixture(scope="module")
def base(folder) -> Study:
    return study(folder, BASE)


def test_every_combination_is_a_cell(base):
    # 2 corpora × 2 splits × 2 labels × (3 sizes × 2 rates × 2 frontends + 1) × 2 seeds
    assert len(base.cells) == 2 * 2 * 2 * 13 * 2
    assert len({cell.id for cell in base.cells}) == len(base.cells)
    assert len({cell.key("t", "r", {}) for cell in base.cells}) == len(base.cells)
    assert base.name == "r" and base.resolved["seeds"] == [0, 1] and base.keep_models is False
    first = base.cells[0]
    assert (first.corpus, first.entry, first.model, first.seed, first.study_seed) == ("synthetic", "toy", "toy", 0, 5)
    assert first.settings == {"size": 1, "rate": 0.25, "widths": (1, 2)}
    assert first.frontend["kind"] == "mfcc" and first.frontend["rate"] == 8000
    assert first.setting == "size=1, rate=0.25, frontend.rate=8000"
    assert first.limits == {"cell_minutes": 60.0, "memory_mb": 16000, "bad_share": 0.01}
    wide = next(cell for cell in base.cells if cell.entry == "wide")
    assert wide.settings["widths"] == (5, 6) and wide.setting == "" and wide.limits["cell_minutes"] == 2
    assert wide.train_labels == {"unknown": "words"} and wide.labels == first.labels


def test_a_cell_has_a_readable_name(base):
    names = [cell.id for cell in base.cells]
    assert re.fullmatch(r"synthetic-hash-kws12-toy-s0-[0-9a-f]{8}", names[0])
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,200}", name) for name in names)
    cell = base.cells[0].with_fold("speakers/3-of-5")
    assert re.fullmatch(r"synthetic-speakers_3-of-5-kws12-toy-s0-[0-9a-f]{8}", cell.id)
    outside = replace(base.cells[0], corpus="my.corpora:Löad" + 300 * "x", fold="")
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,200}", outside.id)
    assert replace(base.cells[0], split={"scheme": "hash", "test": "official"}).split_name == "hash+official_test"


CHANGES = {
    "study_seed": 6,
    "corpus": "mswc",
    "corpus_settings": {"size": 3},
    "split": {"scheme": "hash", "validation_share": 0.2},
    "labels": {"scheme": "kws12", "unknown_share": 0.2},
    "train_labels": {"silence": "zeros"},
    "model": "gmm",
    "settings": {"size": 9},
    "frontend": {"rate": 4000},
    "seed": 7,
    "fold": "speakers/1-of-5",
    "robustness": {"snr_db": [0.0]},
    "streaming": {"hours": 2.0},
    "teacher": {"model": "bc_resnet", "settings": {"tau": 3.0}, "frontend": {}},
    "exclude": {"clips": ("a.wav",), "sides": ("train",)},
}


def test_the_key_covers_all_that_the_result_depends_on(base):
    cell = base.cells[0]
    key = cell.key("task", "recordings", {"splits": 1})
    assert re.fullmatch("[0-9a-f]{64}", key)
    for name, value in CHANGES.items():
        changed = replace(cell, **{name: value})
        assert changed.key("task", "recordings", {"splits": 1}) != key and changed.id != cell.id, name
    assert cell.key("other", "recordings", {"splits": 1}) != key
    assert cell.key("task", "others", {"splits": 1}) != key
    assert cell.key("task", "recordings", {"splits": 2}) != key
    for name, value in {"limits": {"cell_minutes": 1.0}, "setting": "size=1"}.items():
        changed = replace(cell, **{name: value})
        assert changed.key("task", "recordings", {"splits": 1}) == key and changed.id == cell.id, name
    renamed = replace(cell, entry="other")
    assert renamed.key("task", "recordings", {"splits": 1}) == key and renamed.id != cell.id
    assert set(CHANGES) | {"limits", "setting", "entry"} == set(asdict(cell))


@pytest.mark.parametrize("late", ["unseen", "unheard"])
def test_where_no_word_is_kept_out_the_key_is_that_from_before_there_was_the_setting(base, late):
    cell = base.cells[0]
    before = replace(cell, labels={name: value for name, value in cell.labels.items() if name != late})
    assert cell.labels[late] == () and before.id == cell.id and before.key("t", "r", {}) == cell.key("t", "r", {})
    without = replace(cell, labels={**cell.labels, late: ("go",)})
    assert without.key("t", "r", {}) != cell.key("t", "r", {}) and without.labels_name == f"kws12+{late}"


def test_the_key_is_that_from_before_unheard_words_could_be_on_validation(base):
    cell = base.cells[0]
    before = replace(cell, labels={name: value for name, value in cell.labels.items() if name != "unheard_sides"})
    assert before.id == cell.id and before.key("t", "r", {}) == cell.key("t", "r", {})
    other = replace(cell, labels={**cell.labels, "unheard_sides": ("validation",)})
    assert other.key("t", "r", {}) != cell.key("t", "r", {}) and other.labels_name == "kws12"


@pytest.mark.parametrize("block", ["robustness", "streaming"])
def test_where_a_block_is_not_asked_for_the_key_is_that_from_before_there_was_the_block(folder, base, block):
    cell = base.cells[0]
    assert getattr(cell, block) == {} and block not in cell.parts and block not in base.resolved
    asked = study(folder, {**BASE, block: "standard"})
    assert asked.cells[0].parts == cell.parts | {block: getattr(asked.cells[0], block)}
    assert asked.resolved[block] and asked.cells[0].derived_seed("fit") == cell.derived_seed("fit")
    assert asked.cells[0].key("t", "r", {}) != cell.key("t", "r", {})


def test_what_a_block_asks_for_travels_in_the_cell(folder, base):
    cell = base.cells[0]
    asked = study(folder, {**BASE, "robustness": {"snr_db": [5]}})
    assert asked.cells[0].parts == cell.parts | {"robustness": asked.cells[0].robustness}
    assert asked.cells[0].robustness["snr_db"] == (5.0,) and asked.cells[0].robustness["telephone"] is True
    assert asked.cells[0].derived_seed("fit") == cell.derived_seed("fit")
    assert Cell(**json.loads(json.dumps(asdict(asked.cells[0])))) == asked.cells[0]


def test_a_whole_training_side_has_the_key_from_before_it_could_be_cut(base):
    cell = base.cells[0]
    late = {"train_speakers": "all", "train_clips": "all", "like": None}
    assert late.items() <= dict(cell.split).items() and not late.keys() & cell.parts["split"].keys()
    before = replace(cell, split={name: value for name, value in cell.split.items() if name not in late})
    assert before.id == cell.id and before.key("t", "r", {}) == cell.key("t", "r", {})
    for name, value in {"train_speakers": 5, "train_clips": 5, "like": "hash"}.items():
        changed = replace(cell, split={**cell.split, name: value})
        assert changed.key("t", "r", {}) != cell.key("t", "r", {}) and changed.parts["split"][name] == value


def test_a_network_without_filters_has_the_key_from_before_there_were_any(base):
    cell = replace(base.cells[0], settings={"width": 2})
    without = replace(cell, settings={"width": 2, "filter_db": 0.0})
    assert without.id == cell.id and without.key("t", "r", {}) == cell.key("t", "r", {})
    assert replace(cell, settings={"width": 2, "filter_db": 6.0}).key("t", "r", {}) != cell.key("t", "r", {})


def test_a_cell_survives_json(base):
    for cell in base.cells:
        again = Cell(**json.loads(json.dumps(asdict(cell))))
        assert again == cell and again.id == cell.id
        assert replace(cell, settings=dict(reversed(cell.settings.items()))).id == cell.id
        assert isinstance(again.settings["widths"], tuple)


def test_seeds_depend_on_their_own_axes_only(base):
    cell = base.cells[0]
    seed = cell.derived_seed("fit")
    assert replace(cell, settings={"size": 9}, setting="size=9", entry="x").derived_seed("fit") == seed
    assert cell.derived_seed("split") != seed
    for name in ("study_seed", "corpus", "model", "seed", "fold"):
        assert replace(cell, **{name: CHANGES[name]}).derived_seed("fit") != seed, name


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_order_and_company_change_no_cell(folder, base, random):
    recipe = copy.deepcopy(BASE)
    for key in ("corpora", "splits", "labels"):
        random.shuffle(recipe[key])
    recipe["seeds"] = random.sample([0, 1], 2)
    toy = recipe["models"]["toy"]
    random.shuffle(toy["size"])
    random.shuffle(toy["rate"])
    random.shuffle(toy["frontend"]["rate"])
    mixed = {name: dict(random.sample(list(entry.items()), len(entry))) for name, entry in recipe["models"].items()}
    recipe["models"] = dict(random.sample(list(mixed.items()), len(mixed)))
    recipe = dict(random.sample(list(recipe.items()), len(recipe)))
    shuffled = study(folder, recipe, "shuffled")
    assert sorted(cell.id for cell in shuffled.cells) == sorted(cell.id for cell in base.cells)
    by_id = {cell.id: cell for cell in base.cells}
    assert all(cell == by_id[cell.id] for cell in shuffled.cells)

    fewer = copy.deepcopy(recipe)
    for key in ("corpora", "splits", "labels", "seeds"):
        fewer[key] = fewer[key][:1]
    for name in ("size", "rate"):
        fewer["models"]["toy"][name] = fewer["models"]["toy"][name][0]
    kept = study(folder, fewer, "fewer").cells
    assert len(kept) == 3
    for cell in kept:
        same = by_id[cell.id]
        assert cell.key("t", "r", {}) == same.key("t", "r", {}) and cell.derived_seed("fit") == same.derived_seed("fit")


def test_a_default_written_out_is_the_same_cell(folder):
    written = {"corpora": "fsdd", "models": {"toy": {"size": 8, "rate": 0.5, "frontend": {"kind": "mfcc"}}}}
    short = study(folder, {"corpora": "fsdd", "models": {"toy": {}}})
    assert study(folder, written).cells == short.cells


OTHER_SETTINGS_THEN = {"fsdd", "speech_commands"}  # the seed studies, as README says


def test_results_are_of_the_cells_that_recipes_ask_for(repository):
    """A setting that comes later must not make what is stored another cell, which a repetition would fit anew."""
    compared = 0
    for path in sorted((repository / "recipes").glob("*.yaml")):
        stored = sorted((repository / "results" / path.stem).glob("cells/*.json"))
        if not stored or path.stem in OTHER_SETTINGS_THEN:
            continue
        records = [json.loads(one.read_text()) for one in stored]
        seeds = 1 + max(record["parts"]["seed"] for record in records)
        asked: dict[tuple[str, int], list[Cell]] = {}
        for cell in expand(load_recipe(path, seeds=seeds)).cells:
            asked.setdefault((cell.entry, cell.seed), []).append(cell)
        for record in records:
            parts = record["parts"]
            found = (parts["task_fingerprint"], parts["recordings_fingerprint"], parts["versions"])
            cells = asked[parts["entry"], parts["seed"]]
            assert record["key"] in {cell.with_fold(parts["fold"]).key(*found) for cell in cells}, record["cell"]
            compared += 1
    assert compared > 300
