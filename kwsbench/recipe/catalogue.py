"""What a recipe may name, and with which settings: models, corpora, splits, labels, frontends.

Nothing is listed here: names come from the registries, settings from the signatures. Looking at a signature imports
its module, and modules keep torch, scikit-learn, numba and matplotlib inside their functions.
"""

import importlib
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kwsbench.errors import UserError
from kwsbench.recipe.exclude import Exclude
from kwsbench.recipe.form import ASKED, Limits
from kwsbench.recipe.settings import Setting, settings_of
from kwsbench.recipe.source import nearest

# keyword arguments of make_splits and label_split that the program hands over by itself
_OURS = ("seed", "noise")


class Catalogue:
    """The settings of everything that a recipe can name; each signature is read when it is first asked for."""

    @cached_property
    def splits(self) -> dict[str, Setting]:
        from kwsbench.splits import make_splits

        return settings_of(make_splits, leave_out=_OURS)

    @cached_property
    def labels(self) -> dict[str, Setting]:
        from kwsbench.labels import label_split

        return settings_of(label_split, leave_out=_OURS)

    @staticmethod
    def check_split(**settings: Any) -> None:
        """Refuse a split that no corpus can have; UserError says why."""
        from kwsbench.splits import check_settings

        check_settings(**settings)

    @staticmethod
    def check_labels(**settings: Any) -> None:
        """Refuse labels that no split can have, or a part of their settings; UserError says why."""
        from kwsbench.labels import check_settings

        check_settings(**settings)

    @cached_property
    def training_labels(self) -> dict[str, Setting]:
        """The settings of unknown and silence: the part of the labels that one model may learn from otherwise."""
        return {name: one for name, one in self.labels.items() if name.startswith(("unknown", "silence"))}

    @cached_property
    def frontend_class(self) -> type:
        from kwsbench.features import Frontend

        return Frontend

    @cached_property
    def frontend(self) -> dict[str, Setting]:
        return settings_of(self.frontend_class)

    @cached_property
    def asked_classes(self) -> dict[str, type]:
        """The class of the settings of each block of ``ASKED``."""
        from kwsbench.corruptions import Corruptions
        from kwsbench.timeline import Streaming

        return dict(zip(ASKED, (Corruptions, Streaming), strict=True))

    @cached_property
    def asked(self) -> dict[str, dict[str, Setting]]:
        return {name: settings_of(cls) for name, cls in self.asked_classes.items()}

    @cached_property
    def exclude(self) -> dict[str, Setting]:
        return settings_of(Exclude)

    @cached_property
    def limits(self) -> dict[str, Setting]:
        return settings_of(Limits)

    @cached_property
    def entry_limits(self) -> dict[str, Setting]:
        """The limits that one model may have of its own; ``bad_share`` is about the recordings."""
        return {name: one for name, one in self.limits.items() if name != "bad_share"}

    def model(self, name: str) -> tuple[type, dict[str, Setting]]:
        """A model's class and its settings.

        Raises
        ------
        UserError : no such model, with the nearest name.
        """
        from kwsbench.models import MODELS, model_class

        if name not in MODELS and ":" not in name:
            known = f"expected one of {', '.join(MODELS)}, or `model:` with one of these or package.module:Class"
            raise UserError(f"no model {name}; {known}", todo=nearest(name, MODELS))
        cls = model_class(name)
        return cls, settings_of(cls)

    def spells(self, name: str) -> bool:
        """Whether a model can answer a label that it has no training clips of."""
        return getattr(self.model(name)[0], "open_vocabulary", False)

    def learns_from_others(self, name: str) -> bool:
        """Whether a model can have a teacher, and be one: networks can."""
        from kwsbench.models.network import Network

        return issubclass(self.model(name)[0], Network)

    @cached_property
    def spelling_models(self) -> list[str]:
        from kwsbench.models import MODELS

        return [name for name in MODELS if self.spells(name)]

    def frontend_of(self, cls: type) -> dict[str, Setting]:
        """The settings of the frontend, with the defaults that a model wants.

        Raises
        ------
        UserError : the model wants a setting that no frontend has.
        """
        own: dict[str, object] = dict(getattr(cls, "frontend", {}))
        strange = [name for name in own if name not in self.frontend]
        if strange:
            hint = " ".join(filter(None, (nearest(name, self.frontend) for name in strange)))
            raise UserError(f"{cls.__qualname__}.frontend: Frontend has no {', '.join(strange)}", todo=hint)
        return {name: replace(one, default=own.get(name, one.default)) for name, one in self.frontend.items()}

    def corpus(self, name: str) -> dict[str, Setting]:
        """A corpus's settings.

        Raises
        ------
        UserError : no such corpus, with the nearest name.
        """
        return settings_of(_loader(name), leave_out=("progress",))


def _loader(name: str) -> Callable[..., Any]:
    from kwsbench.corpora import CORPORA

    if name not in CORPORA:
        known = f"expected one of {', '.join(sorted(CORPORA))}"
        raise UserError(f"no corpus {name}; {known}", todo=nearest(name, CORPORA))
    module, _, attribute = CORPORA[name].partition(":")
    loader: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return loader


def known(what: str, folder: Path | None = None) -> list[tuple[str, str]]:
    """Names and what each is, in one line: of "models", "corpora", or the "recipes" in a folder.

    Parameters
    ----------
    folder : where recipes lie; default ``recipes`` here, else beside the package.

    Raises
    ------
    UserError : ``what`` is something else.
    """
    from kwsbench.corpora import CORPORA
    from kwsbench.models import MODELS, model_class

    if what == "models":
        return [(name, _headline(model_class(name).__doc__)) for name in MODELS]
    if what == "corpora":
        return [(name, _headline(_loader(name).__doc__)) for name in CORPORA]
    if what == "recipes":
        places = [folder] if folder else [Path("recipes"), Path(__file__).parents[2] / "recipes"]
        here = next((place for place in places if place.is_dir()), None)
        files = sorted(here.glob("*.yaml")) if here else []
        return [(str(file), _question(file.read_text(encoding="utf-8"))) for file in files]
    hint = nearest(what, ("models", "corpora", "recipes"))
    raise UserError(f"list {what}: expected models, corpora or recipes", todo=hint)


def _headline(text: str | None) -> str:
    """The first line of a docstring."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "")


def _question(text: str) -> str:
    """The first sentence of the comment at the head of a recipe."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    comment = " ".join(line.strip("# ") for line in lines)
    return re.split(r"(?<=[.?!]) ", comment, maxsplit=1)[0]
