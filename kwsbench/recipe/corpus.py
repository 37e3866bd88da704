"""Settings of one corpus outside of a recipe, as the command line gives them."""

from collections.abc import Sequence
from typing import Any

from kwsbench.errors import UserError
from kwsbench.recipe.catalogue import Catalogue
from kwsbench.recipe.settings import read_settings
from kwsbench.recipe.source import Located, Problem, with_override


def corpus_settings(name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The settings of a corpus, its defaults where nothing else is said.

    Parameters
    ----------
    name : as recipes name it.
    overrides : "path=/data/mine" and the like, as ``--set`` gives them.

    Raises
    ------
    UserError : no such corpus; every mistake in its settings, one per line.
    """
    problems: list[Problem] = []
    known = Catalogue().corpus(name)
    tree = Located(None, "", "")
    for text in overrides:
        tree = with_override(tree, text, problems)
    settings = read_settings(tree, known, "", problems)
    if problems:
        raise UserError("\n".join(map(str, sorted(problems, key=lambda problem: problem.order))))
    return settings
