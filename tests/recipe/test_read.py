"""A right recipe: defaults, short forms, matrices, and what the command line changes."""

from kwsbench.recipe import load_recipe
from kwsbench.recipe.catalogue import Catalogue


def test_whole_numbers_fit_where_the_type_says_number_and_become_floats(write):
    entry = load_recipe(write("corpora: plain\nmodels: {toy: {rate_of_learning: 1, floor: null}}")).models["toy"]
    assert entry.settings["rate_of_learning"] == (1.0,) and type(entry.settings["rate_of_learning"][0]) is float
    assert entry.settings["floor"] == (None,)


def test_defaults_come_from_the_code(write):
    recipe = load_recipe(write("corpora: plain\nmodels:\n  toy:\n"))
    entry = recipe.models["toy"]
    assert entry.settings["size"] == (8,) and entry.settings["widths"] == ((1, 2),)
    assert (entry.frontend["kind"], entry.frontend["rate"]) == (("mfcc",), (8000,))
    assert set(entry.frontend) == set(Catalogue().frontend)
    assert entry.labels == {} and entry.limits == {}
    assert (recipe.study, recipe.seed, recipe.seeds, recipe.keep_models) == ("r", 0, (0,), False)
    assert recipe.corpora == {"plain": {}} and recipe.limits.cell_minutes == 60
    assert recipe.splits == ({name: one.default for name, one in Catalogue().splits.items()},)
    assert "seed" not in recipe.labels[0] and "noise" not in recipe.labels[0]
    assert load_recipe(write("models: {toy: {}}")).corpora.keys() == {"synthetic"}


def test_lists_expand_where_the_type_takes_none(write):
    text = """
        corpora: [plain]
        models:
          a: {model: toy, size: [1, 2], widths: [3, 4], blocks: [[1], [2]], many: [5, 6], start: [kmeans]}
          b: {model: toy, widths: [[3], [4, 5]], frontend: {rate: [8000, 16000]}, labels: {unknown: [pooled, words]}}
        """
    entries = load_recipe(write(text)).models
    a, b = entries["a"].settings, entries["b"].settings
    assert a["size"] == (1, 2) and a["start"] == ("kmeans",)
    assert a["widths"] == ((3, 4),) and a["blocks"] == (((1,), (2,)),) and a["many"] == ((5, 6),)
    assert b["widths"] == ((3,), (4, 5))
    assert entries["b"].frontend["rate"] == (8000, 16000)
    assert entries["b"].labels == {"unknown": ("pooled", "words")}


def test_splits_and_labels_are_matrices_too(write):
    text = """
        corpora: plain
        splits: {scheme: speakers, folds: [2, 3]}
        labels: [{scheme: keywords, keywords: [[a], [b, c]]}, {scheme: all}]
        models: {toy: {}}
        """
    recipe = load_recipe(write(text))
    assert [split["folds"] for split in recipe.splits] == [2, 3]
    assert [labels["keywords"] for labels in recipe.labels] == [("a",), ("b", "c"), ()]


def test_short_forms_mean_their_long_ones(write):
    short = load_recipe(write("corpora: plain\nsplits: speakers\nlabels: kws12\nseeds: 2\nmodels: {toy: }"))
    long = load_recipe(
        write(
            """
            study: r
            corpora: {plain: {}}
            splits: [{scheme: speakers}]
            labels: [{scheme: kws12}]
            seeds: [0, 1]
            models: {toy: {model: toy}}
            """
        )
    )
    assert short == long


def test_a_model_from_outside(write):
    recipe = load_recipe(write("corpora: plain\nmodels: {mine: {model: 'kws_toys:Toy', size: 3}}"))
    assert recipe.models["mine"].model == "kws_toys:Toy" and recipe.models["mine"].settings["size"] == (3,)


def test_corpus_only_and_seeds(write, mistakes):
    path = write(
        "corpora: {toys: {manifest: m}, plain: }\nseeds: [7]\nmodels: {toy: {}, b: {model: toy}, c: {model: toy}}"
    )
    assert load_recipe(path, corpus="toys").corpora == {"toys": {"manifest": "m", "takes": 2}}
    assert load_recipe(path, corpus="plain").corpora == {"plain": {}}
    assert list(load_recipe(path, corpus="synthetic").corpora) == ["synthetic"]
    assert list(load_recipe(path, only="c, toy").models) == ["toy", "c"]
    assert list(load_recipe(path, only=["b"]).models) == ["b"]
    assert load_recipe(path).seeds == (7,)
    assert load_recipe(path, seeds=3).seeds == (0, 1, 2)
    assert load_recipe(path, seeds=[4, 6]).seeds == (4, 6)
    assert mistakes(path, corpus="plane")[0].startswith("--corpus plane: corpora.plane: no corpus plane")
    assert "did you mean plain?" in mistakes(path, corpus="plane")[0]
    assert mistakes(path, seeds=0) == ["--seeds 0: seeds: 0: expected at least one repeat"]
    assert mistakes(path, only="toyy,b") == [
        "--only toyy,b: toyy: no entry of that name; expected one of toy, b, c; did you mean toy?"
    ]
    broken = write("corpora: plain\nmodels: {toy: {size: x}}", "broken.yaml")
    assert len(mistakes(broken, only="toy")) == 1  # the entry is there, though it cannot be read
    assert mistakes(path, only=",")[0].startswith("--only ,: expected one of toy, b, c")


def test_a_robustness_block_is_filled_in_and_its_absence_is_nothing(write):
    head = "corpora: plain\nmodels: {toy: {}}\n"
    standard = {name: one.default for name, one in Catalogue().asked["robustness"].items()}
    assert load_recipe(write(head)).robustness == {}
    for text in ("robustness: standard", "robustness: {}", "robustness:"):
        assert load_recipe(write(head + text)).robustness == standard
    few = load_recipe(write(head + "robustness: {snr_db: [5], speed: []}"), overrides=["robustness.telephone=false"])
    assert few.robustness == standard | {"snr_db": (5.0,), "speed": (), "telephone": False}
    changed = load_recipe(write(head + "robustness: standard"), overrides=["robustness.noises=[pink]"])
    assert changed.robustness == standard | {"noises": ("pink",)}
