"""Recipe → Study: a flat list of cells, each of which says by itself all that its result depends on."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from kwsbench.recipe import Entry, Recipe, combinations
from kwsbench.recipe.form import asked_for
from kwsbench.recipe.settings import frozen
from kwsbench.seeds import derive_seed

LATE: Mapping[str, Mapping[str, Any]] = {
    "labels": {"unseen": (), "unheard": (), "unheard_sides": ("test",)},
    "split": {"train_speakers": "all", "train_clips": "all", "like": None},
    "network": {
        "filter_db": 0.0,
        "teacher_share": 0.0,
        "teacher_temperature": 1.0,
        "calibrate": False,
        "decoys": "both",
    },
    "teacher": {"calibrate": False, "decoys": "both"},
}
"""Settings that came after the first results, and the values with which they change nothing.

Those of networks are no other model's: a gmm_hmm's ``calibrate`` is as old as its results. Teachers came with
``teacher_share``, so theirs are fewer.
"""


@dataclass(frozen=True)
class Cell:
    """One model with one setting and seed on one labelled split; ``Cell(**json)`` of ``asdict`` gives an equal one.

    Attributes
    ----------
    study_seed : the recipe's seed; splits and labels draw from it.
    corpus, corpus_settings, split, labels : settings of the task, defaults filled in; the labels are what is scored.
    train_labels : the unknown and silence settings that differ on the training side; empty: none.
    entry, model : the entry's name in the recipe, and the model it runs.
    settings, frontend : arguments of the model's class and of ``Frontend``, in full.
    setting : what varies in the entry's matrix, as text, e.g. "mixtures=8"; part of no key.
    seed : number of the repeated fit.
    limits : ``cell_minutes``, ``memory_mb``, ``bad_share``, see ``recipe.Limits``; part of no key.
    fold : name of the split among those that the split's settings make, set by ``with_fold``.
    robustness : settings of the corrupted test clips that the model is scored on too; empty: none, and part of no key.
    streaming : settings of the streams that the model listens to; empty: none, and part of no key.
    teacher : ``model``, ``settings`` and ``frontend`` of the network that this one learns from too; empty: none, and
        part of no key.
    exclude : ``clips`` that take no part on these ``sides``, of training and validation; empty: all do, and part of no
        key. Clips that a recipe leaves out of the test are no matter of the cell, which answers to them all.
    """

    study_seed: int
    corpus: str
    corpus_settings: Mapping[str, Any]
    split: Mapping[str, Any]
    labels: Mapping[str, Any]
    train_labels: Mapping[str, Any]
    entry: str
    model: str
    settings: Mapping[str, Any]
    setting: str
    frontend: Mapping[str, Any]
    seed: int
    limits: Mapping[str, Any]
    fold: str = ""
    robustness: Mapping[str, Any] = field(default_factory=dict)
    streaming: Mapping[str, Any] = field(default_factory=dict)
    teacher: Mapping[str, Any] = field(default_factory=dict)
    exclude: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # JSON has no tuples: lists become tuples, as models expect them and as equality needs
        for one in fields(self):
            object.__setattr__(self, one.name, frozen(getattr(self, one.name)))

    @property
    def of_teacher(self) -> "Cell":
        """The cell that would fit the teacher for itself, on this one's labels."""
        return replace(self, **self.teacher, teacher={})

    def with_fold(self, name: str) -> "Cell":
        """This cell on one fold, named as ``Split.name`` names it."""
        return replace(self, fold=name)

    @property
    def parts(self) -> dict[str, Any]:
        """All that the result depends on, JSON-able; neither limits, nor the entry's name, nor the other cells."""
        found = asked_for(
            {name: one for name, one in asdict(self).items() if name not in ("entry", "setting", "limits")}
        )
        if not self.teacher:
            del found["teacher"]
        # where they say nothing, the same cell as before there were these settings
        for part in ("labels", "split"):
            found[part] = _without(found[part], LATE[part])
        if "filter_db" in self.settings:
            found["settings"] = _without(found["settings"], LATE["network"])
        if self.teacher:
            found["teacher"] = found["teacher"] | {"settings": _without(found["teacher"]["settings"], LATE["teacher"])}
        return found

    @property
    def id(self) -> str:
        """A readable name for files, e.g. "synthetic-official-kws12-light_cnn-s0-1f2e3d4c"."""
        digest = hashlib.sha256(_canonical([self.entry, self.parts]).encode()).hexdigest()[:8]
        names = (self.corpus, self.fold or self.split_name, self.labels_name, self.entry)
        slugs = [re.sub(r"[^A-Za-z0-9._-]+", "_", str(name))[:40] for name in names]
        return "-".join([*(slug for slug in slugs if slug), f"s{self.seed}", digest])

    @property
    def split_name(self) -> str:
        """The split's scheme, and where its test side comes from if not from the split itself."""
        scheme, test = str(self.split.get("scheme", "")), self.split.get("test", "split")
        return scheme if test == "split" else f"{scheme}+{test}_test"

    @property
    def labels_name(self) -> str:
        """The scheme of the labels, and whether there are words that nothing is trained on."""
        return str(self.labels.get("scheme", "")) + "".join(
            f"+{name}" for name in ("unseen", "unheard") if self.labels.get(name)
        )

    def key(self, task_fingerprint: str, recordings_fingerprint: str, versions: Mapping[str, object]) -> str:
        """SHA-256 (hex) over the settings, the task, what is in the recordings, and the versions of the rooms."""
        sources = {"task": task_fingerprint, "recordings": recordings_fingerprint}
        parts = {"cell": self.parts, **sources, "versions": dict(versions)}
        return hashlib.sha256(_canonical(parts).encode()).hexdigest()

    def derived_seed(self, purpose: str) -> int:
        """A seed for one purpose ("fit", ...) from the axes it may depend on: one model's settings share theirs."""
        split = self.fold or self.split_name
        return derive_seed(self.study_seed, self.corpus, split, self.model, self.seed, purpose)


def _without(settings: Mapping[str, Any], late: Mapping[str, Any]) -> dict[str, Any]:
    """The settings but for late ones that change nothing."""
    return {name: value for name, value in settings.items() if late.get(name, ...) != value}


@dataclass(frozen=True)
class Study:
    """A recipe and its cells, in the recipe's order: corpora, splits, labels, models, settings, seeds."""

    recipe: Recipe
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        return self.recipe.study

    @property
    def keep_models(self) -> bool:
        return self.recipe.keep_models

    @property
    def resolved(self) -> dict[str, Any]:
        """The recipe in full, JSON-able."""
        return self.recipe.resolved()


def expand(recipe: Recipe) -> Study:
    """Every cell of a recipe; the folds of a split are found later, with the data (``Cell.with_fold``)."""
    tasks = itertools.product(recipe.corpora.items(), recipe.splits, recipe.labels)
    sides = tuple(side for side in recipe.exclude.get("sides", ()) if side != "test")
    exclude = {"clips": recipe.exclude["clips"], "sides": sides} if sides else {}
    cells = [
        Cell(
            study_seed=recipe.seed,
            corpus=corpus,
            corpus_settings=corpus_settings,
            split=split,
            labels=labels,
            train_labels=train_labels,
            entry=entry.name,
            model=entry.model,
            settings=settings,
            setting=text,
            frontend=frontend,
            seed=seed,
            limits={**asdict(recipe.limits), **entry.limits},
            robustness=recipe.robustness,
            streaming=recipe.streaming,
            teacher=entry.teacher,
            exclude=exclude,
        )
        for (corpus, corpus_settings), split, labels in tasks
        for entry in recipe.models.values()
        for settings, frontend, train_labels, text in _variants(entry)
        for seed in recipe.seeds
    ]
    return Study(recipe, tuple(cells))


def _variants(entry: Entry) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]]:
    """Settings, frontend, training labels of each point of an entry's matrix, and what tells it from the others."""
    blocks = (("", entry.settings), ("frontend.", entry.frontend), ("labels.", entry.labels))
    points = itertools.product(*(combinations(choices) for _, choices in blocks))
    for settings, frontend, labels in points:
        varied = [
            f"{prefix}{name}={_short(values[name])}"
            for (prefix, choices), values in zip(blocks, (settings, frontend, labels), strict=True)
            for name, several in choices.items()
            if len(several) > 1
        ]
        yield settings, frontend, labels, ", ".join(varied)


def _short(value: Any) -> str:
    return "×".join(_short(item) for item in value) if isinstance(value, tuple) else str(value)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
