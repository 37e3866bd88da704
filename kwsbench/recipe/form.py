"""The form of a recipe once it is read: everything named, everything filled in."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

STANDARD = "standard"  # a name for a block of ``ASKED`` without settings
ASKED = ("robustness", "streaming")  # blocks of what is done after the test; in no key where they are not asked for
LATER = (*ASKED, "exclude", "fusions")  # blocks that are the same as nothing where they are empty
Choices = Mapping[str, tuple[Any, ...]]
_OF_THE_FILE = ("path", "exclude_where")  # fields that say where a recipe was read from


@dataclass(frozen=True)
class Limits:
    """What a cell may use up.

    Attributes
    ----------
    cell_minutes : wall-clock minutes after which a cell is stopped.
    memory_mb : resident megabytes above which a cell is stopped.
    bad_share : share of unreadable recordings above which the study refuses to run.
    """

    cell_minutes: float = 60.0
    memory_mb: int = 16000
    bad_share: float = 0.01


@dataclass(frozen=True)
class Entry:
    """One line of ``models:``. Each setting holds the tuple of its choices: one, or several that span a matrix.

    Attributes
    ----------
    name, model : the entry's own name, and the model it runs.
    settings, frontend : every setting, defaults filled in.
    labels : the task's unknown and silence settings that differ on the training side of this entry only.
    limits : the limits that differ for this entry.
    teacher : ``model``, ``settings`` and ``frontend`` of the network that this one learns from too; empty: none.
    """

    name: str
    model: str
    settings: Choices
    frontend: Choices
    labels: Choices = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    teacher: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Everything a study needs to know, defaults filled in.

    Attributes
    ----------
    study : name of the folder below ``results/``.
    seed : every random number of the study derives from it.
    seeds : numbers of the repeated fits.
    corpora : name → settings.
    splits, labels : one mapping of settings each.
    models : entry name → entry, in the recipe's order.
    limits, keep_models : see ``Limits``; whether fitted models are kept.
    robustness : the settings of ``Corruptions`` in full; empty: models are scored on clips as they are alone.
    streaming : the settings of ``Streaming`` in full; empty: models listen to no stream.
    exclude : ``clips`` that are left out, sorted, and the ``sides`` that they leave, see ``Exclude``; empty: none are.
    fusions : name → the entries that answer together under it.
    path : where the recipe was read from. exclude_where : file:line of ``exclude``.
    """

    study: str
    seed: int
    seeds: tuple[int, ...]
    corpora: Mapping[str, Mapping[str, Any]]
    splits: tuple[Mapping[str, Any], ...]
    labels: tuple[Mapping[str, Any], ...]
    models: Mapping[str, Entry]
    limits: Limits = Limits()
    keep_models: bool = False
    robustness: Mapping[str, Any] = field(default_factory=dict)
    streaming: Mapping[str, Any] = field(default_factory=dict)
    exclude: Mapping[str, Any] = field(default_factory=dict)
    fusions: Mapping[str, "Fusion"] = field(default_factory=dict)
    path: Path = field(default=Path(), compare=False)
    exclude_where: str = field(default="", compare=False)

    def resolved(self) -> dict[str, Any]:
        """The recipe written out in full, JSON-able; a file with this content loads as the same recipe."""
        plain = asked_for({key: value for key, value in asdict(self).items() if key not in _OF_THE_FILE})
        plain["models"] = {entry.name: _written(entry) for entry in self.models.values()}
        if self.fusions:
            plain["fusions"] = {name: fusion.written() for name, fusion in self.fusions.items()}
        result: dict[str, Any] = json.loads(json.dumps(plain))
        return result


@dataclass(frozen=True)
class Fusion:
    """Entries that answer as one, by the mean of their posteriors.

    Attributes
    ----------
    members : the entries.
    priors : how often labels are said. "train": as each member learned it. "validation": as on the validation side,
        where members learned it of the training side, as networks do (decoys are not counted); see ``evaluate.fusion``.
    weights : how much each fit of a member counts. "equal"; "validation": as makes labels likeliest on validation.
    """

    members: tuple[str, ...]
    priors: Literal["train", "validation"] = "train"
    weights: Literal["equal", "validation"] = "equal"

    def written(self) -> list[str] | dict[str, Any]:
        """As a recipe has it; a list says the members alone."""
        asked = {name: getattr(self, name) for name in ("priors", "weights")}
        unlike = {name: how for name, how in asked.items() if how not in ("train", "equal")}
        return {"members": list(self.members), **unlike} if unlike else list(self.members)


def asked_for(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Without the blocks of ``LATER`` that are empty: the same as before there were these blocks."""
    return {name: value for name, value in parts.items() if value or name not in LATER}


def _written(entry: Entry) -> dict[str, Any]:
    def block(choices: Choices) -> dict[str, Any]:
        return {key: values[0] if len(values) == 1 else values for key, values in choices.items()}

    parts = {"frontend": block(entry.frontend), "labels": block(entry.labels), "limits": dict(entry.limits)}
    if entry.teacher:
        about = entry.teacher
        parts["teacher"] = {"model": about["model"], **about["settings"], "frontend": about["frontend"]}
    return {"model": entry.model, **block(entry.settings), **{key: part for key, part in parts.items() if part}}


@dataclass(frozen=True)
class Top:
    """The plain values at the top of a recipe."""

    study: str
    seed: int = 0
    seeds: int | tuple[int, ...] = 1
    keep_models: bool = False


def combinations(choices: Choices) -> Iterator[dict[str, Any]]:
    """Every way to take one of each setting's choices, the last setting varying fastest."""
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))
