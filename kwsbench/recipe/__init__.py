"""What was asked for: a YAML file → a Recipe, strict, with every mistake at once.

The schema is not written here: a model's settings are the keyword arguments of its class, a corpus's those of its
``load``, a split's those of ``make_splits``, a labelling's those of ``label_split``, a frontend's the fields of
``Frontend``. A new setting in the code is a new setting in recipes.

    YAML files ──source──► a tree with places ──read, against the catalogue──► Recipe ──study.expand──► cells
"""

from kwsbench.recipe.editor import json_schema
from kwsbench.recipe.form import Choices, Entry, Limits, Recipe, combinations
from kwsbench.recipe.read import load_recipe

__all__ = ["Choices", "Entry", "Limits", "Recipe", "combinations", "json_schema", "load_recipe"]
