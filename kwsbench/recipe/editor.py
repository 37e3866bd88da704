"""The schema of recipes for editors that complete and check YAML as it is typed."""

import json
from collections.abc import Mapping
from typing import Any

from kwsbench.recipe.catalogue import Catalogue
from kwsbench.recipe.form import STANDARD, Fusion, Top
from kwsbench.recipe.settings import Setting, json_object, settings_of


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a recipe, for editors: from the same signatures as ``load_recipe``."""
    from kwsbench.corpora import CORPORA
    from kwsbench.models import MODELS

    catalogue = Catalogue()
    definitions: dict[str, Any] = {}
    for name in MODELS:
        cls, settings = catalogue.model(name)
        parts: dict[str, Any] = {
            "model": {"type": "string"},
            "frontend": json_object(catalogue.frontend_of(cls), matrix=True),
            "labels": json_object(catalogue.training_labels, matrix=True),
            "limits": json_object(catalogue.entry_limits),
        }
        if catalogue.learns_from_others(name):
            parts["teacher"] = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/entry"}]}
        definitions[name] = json_object(settings, matrix=True, **parts)
    named, other = {"required": ["model"]}, {"$ref": "#/$defs/entry"}
    # an entry under a name of its own says which model it is; one from outside is checked by the program alone
    branches = [
        {"if": {"properties": {"model": {"const": name}}, **named}, "then": {"$ref": f"#/$defs/{name}"}}
        for name in MODELS
    ]
    models = {
        "type": "object",
        "properties": {name: {"if": named, "then": other, "else": {"$ref": f"#/$defs/{name}"}} for name in MODELS},
        "additionalProperties": other,
        "minProperties": 1,
    }
    definitions["entry"] = {"type": "object", **named, "allOf": branches}
    corpora = {name: json_object(catalogue.corpus(name)) for name in CORPORA}
    name_of_corpus = {"enum": sorted(CORPORA)}
    members = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}
    fusion = json_object(settings_of(Fusion), members=members)
    blocks: dict[str, Any] = {
        "extends": {"type": "string"},
        "corpora": {
            "anyOf": [
                name_of_corpus,
                {"type": "array", "items": name_of_corpus, "minItems": 1, "uniqueItems": True},
                {"type": "object", "properties": corpora, "additionalProperties": False},
            ]
        },
        "splits": _one_or_more(catalogue.splits),
        "labels": _one_or_more(catalogue.labels),
        "models": models,
        **{name: {"anyOf": [{"const": STANDARD}, json_object(one)]} for name, one in catalogue.asked.items()},
        "exclude": {"anyOf": [{"type": "string"}, json_object(catalogue.exclude)]},
        "fusions": {"type": "object", "additionalProperties": {"anyOf": [members, fusion]}},
        "limits": json_object(catalogue.limits),
    }
    settings = {**settings_of(Top), "study": Setting("study", str, "")}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kwsbench recipe",
        **json_object(settings, **blocks),
        "$defs": definitions,
    }
    result: dict[str, Any] = json.loads(json.dumps(schema))
    return result


def _one_or_more(settings: Mapping[str, Setting]) -> dict[str, Any]:
    one = {"anyOf": [{"type": "string"}, json_object(settings, matrix=True)]}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
