"""A recipe written out in full loads as itself; the schema for editors takes and refuses what the program does."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.recipe import Recipe, json_schema, load_recipe

# JSON writes other characters as two surrogates, which YAML does not join
TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20)
SETTINGS = {
    "size": st.integers(1, 5),
    "rate_of_learning": st.floats(-1e3, 1e3),
    "name": TEXTS,
    "fast": st.booleans(),
    "start": st.sampled_from(["equal", "kmeans"]),
    "widths": st.lists(st.integers(), max_size=3),
    "pair": st.tuples(st.integers(), TEXTS).map(list),
    "floor": st.none() | st.floats(-1, 1),
    "blocks": st.lists(st.lists(st.integers(), max_size=2), max_size=2),
}
FREE = {"size", "rate_of_learning", "name", "fast", "start"}


@st.composite
def entries(draw) -> dict:
    """One entry of ``models:`` as a recipe would hold it, some settings with several choices."""
    entry: dict = {"model": "toy"}
    for name, values in SETTINGS.items():
        how = draw(st.sampled_from(["absent", "one", "several"]))
        if how == "several" and name in FREE:
            entry[name] = draw(st.lists(values, min_size=1, max_size=3, unique=True))
        elif how != "absent":
            entry[name] = draw(values)
    if draw(st.booleans()):
        entry["frontend"] = {"rate": draw(st.sampled_from([8000, 16000, [8000, 16000]]))}
    if draw(st.booleans()):
        entry["labels"] = {"unknown": draw(st.sampled_from(["words", ["pooled", "words"]]))}
    if draw(st.booleans()):
        entry["limits"] = {"cell_minutes": draw(st.integers(1, 9))}
    return entry


@st.composite
def recipes(draw) -> dict:
    """A right recipe as nested plain values."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "toy"]), min_size=1, unique=True))
    recipe: dict = {
        "corpora": draw(st.sampled_from(["plain", ["plain"], {"plain": None, "toys": {"manifest": "yes"}}])),
        "models": {name: draw(entries()) for name in names},
    }
    optional = {
        "study": st.sampled_from(["all", "a-b.c"]),
        "seed": st.integers(),
        "seeds": st.integers(1, 3) | st.lists(st.integers(0, 9), min_size=1, unique=True, max_size=3),
        "splits": st.sampled_from(["hash", ["hash", {"scheme": "speakers", "folds": 3}]]),
        "labels": st.sampled_from(
            ["kws12", [{"scheme": "keywords", "keywords": ["yes", "no", "off"], "unknown_share": 0}]]
        ),
        "keep_models": st.booleans(),
        "limits": st.just({"memory_mb": 100}),
        "robustness": st.sampled_from(["standard", {}, {"snr_db": [5, -2.5], "noises": ["pink"], "telephone": False}]),
        "streaming": st.sampled_from(["standard", {}, {"hours": 2, "snr_db": [0, 10], "smoothed": 1}]),
    }
    return recipe | {name: draw(values) for name, values in optional.items() if draw(st.booleans())}


def loaded(folder: Path, recipe: dict) -> Recipe:
    path = folder / "r.yaml"
    path.write_text(json.dumps(recipe))
    return load_recipe(path)


@given(recipes())
@settings(max_examples=60, deadline=None)
def test_a_resolved_recipe_loads_as_itself(toys, recipe):
    first = loaded(toys, recipe)
    resolved = first.resolved()
    assert json.loads(json.dumps(resolved)) == resolved
    again = loaded(toys, resolved)
    assert again == first
    assert again.resolved() == resolved


def matches(value, schema: dict, root: dict) -> bool:
    """Whether a value fits a JSON schema, for the keywords that ``json_schema`` writes."""
    if "$ref" in schema and not matches(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root):
        return False
    if "if" in schema:
        branch = "then" if matches(value, schema["if"], root) else "else"
        if not matches(value, schema.get(branch, {}), root):
            return False
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    named = schema.get("type", [])
    checks = {"integer": lambda: type(value) is int, "number": lambda: type(value) in (int, float)}
    fits = [
        checks[kind]() if kind in checks else isinstance(value, kinds[kind])
        for kind in [named] * isinstance(named, str) or named
    ]
    if named and not any(fits):
        return False
    if "enum" in schema and not any(type(one) is type(value) and one == value for one in schema["enum"]):
        return False
    if "const" in schema and schema["const"] != value:
        return False
    if "anyOf" in schema and not any(matches(value, one, root) for one in schema["anyOf"]):
        return False
    if not all(matches(value, one, root) for one in schema.get("allOf", [])):
        return False
    if isinstance(value, dict):
        known_keys, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
        if set(schema.get("required", [])) - set(value):
            return False
        return all(
            matches(item, known_keys[key], root)
            if key in known_keys
            else rest is not False and matches(item, rest, root)
            for key, item in value.items()
        )
    if isinstance(value, list):
        fixed = schema.get("prefixItems", [])
        size = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        tail = (matches(item, schema.get("items", {}), root) for item in value[len(fixed) :])
        return size and all(map(lambda item, one: matches(item, one, root), value, fixed)) and all(tail)
    return True


@given(recipes())
@settings(max_examples=30, deadline=None)
def test_the_json_schema_takes_what_the_program_takes(toys, recipe):
    loaded(toys, recipe)
    schema = json_schema()
    assert matches(recipe, schema, schema)


def test_the_json_schema_refuses_what_the_program_refuses(write):
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema
    assert matches({"models": {"toy": {"size": 3}, "mine": {"model": "some.where:Model", "x": 1}}}, schema, schema)
    for wrong in (
        {"models": {"toy": {"sise": 3}}},
        {"models": {"toy": {"size": "3"}}},
        {"models": {"mine": {}}},
        {"models": {"mine": {"size": 3}}},
        {"models": {"mine": {"model": "toy", "sise": 3}}},
        {"models": {"toy": {"frontend": {"rat": 3}}}},
        {"models": {"toy": {"start": "kmean"}}},
        {"models": {"toy": {}}, "sedes": 3},
        {"models": {"toy": {}}, "corpora": "plane"},
        {"models": {"toy": {}}, "corpora": {"toys": {}}},
        {"models": {"toy": {}}, "splits": {"fold": 3}},
        {"models": {"toy": {}}, "robustness": {"snr": [3]}},
        {"models": {"toy": {}}, "robustness": {"noises": ["purple"]}},
        {"models": {"toy": {}}, "robustness": "usual"},
        {"models": {"toy": {}}, "streaming": {"snr_db": [3]}},
        {"models": {"toy": {}}, "streaming": {"hour": 3}},
    ):
        assert not matches(wrong, schema, schema), wrong
