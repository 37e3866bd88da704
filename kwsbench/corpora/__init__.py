"""Which clips are there, and who says what? One file a corpus, one small table.

A corpus module has ``load(root, *, progress, **settings) -> Corpus``; its keyword settings are the recipe's schema. It
lists names and reads tables; it never opens a recording.
"""

import difflib
import importlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent
from kwsbench.seeds import fingerprint

CORPORA: dict[str, str] = {
    "synthetic": "kwsbench.corpora.synthetic:load",
    "speech_commands": "kwsbench.corpora.speech_commands:load",
    "speech_commands_v0.01": "kwsbench.corpora.speech_commands:load_v1",
    "speech_commands_v0.02": "kwsbench.corpora.speech_commands:load_v2",
    "fsdd": "kwsbench.corpora.fsdd:load",
    "audiomnist": "kwsbench.corpora.audiomnist:load",
    "mswc": "kwsbench.corpora.mswc:load",
    "folder": "kwsbench.corpora.folder:load",
}
MADE_HERE = ("synthetic",)  # rendered into the cache, not looked for among the data
COLUMNS = ("clip", "path", "word", "speaker")


@dataclass(frozen=True)
class Corpus:
    """The clips of a corpus.

    Attributes
    ----------
    name : as recipes name it.
    clips : ``clip`` (unique, path below the corpus's root), ``path`` (absolute), ``word``, ``speaker`` ("" where
        nobody or nobody known speaks); optional ``side`` ("train", "validation", "test": lists that come with the
        corpus), ``fold`` (int, published folds), ``official_label`` (clips of the official test set: keyword,
        "_unknown_" or "_silence_"; "" elsewhere).
    noise : long recordings without words, sorted.
    licence : of the recordings.
    synthetic : no person spoke these.
    notes : sentences that stand under every table made from this corpus.
    """

    name: str
    clips: pd.DataFrame
    noise: tuple[Path, ...] = ()
    licence: str = ""
    synthetic: bool = False
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.clips]
        if missing:
            raise ValueError(f"corpus {self.name}: its clips lack {', '.join(missing)}")
        twice = self.clips["clip"][self.clips["clip"].duplicated()]
        if len(twice):
            raise UserError(f"two clips are named {twice.iloc[0]!r}", self.name, "give every clip a name of its own")

    @cached_property
    def fingerprint(self) -> str:
        """Of name, clips, words and speakers; not of where they lie."""
        rows = self.clips.sort_values("clip")[["clip", "word", "speaker"]]
        return fingerprint(self.name, rows.to_csv(index=False))

    def without(self, clips: Collection[str]) -> "Corpus":
        """The same corpus less some clips."""
        return replace(self, clips=self.clips[~self.clips["clip"].isin(set(clips))].reset_index(drop=True))


def load_corpus(name: str, root: Path, *, progress: Progress = silent, **settings: Any) -> Corpus:
    """The corpus of that name below the data root.

    Raises
    ------
    UserError : no such corpus, or not there; says where it was looked for.
    """
    if name not in CORPORA:
        near = difflib.get_close_matches(name, CORPORA, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"no corpus named {name!r}", todo=f"{hint}Known: {', '.join(CORPORA)}")
    module, function = CORPORA[name].split(":")
    load = getattr(importlib.import_module(module), function)
    return load(Path(root), progress=progress, **settings)


def add_official_test(corpus: Corpus, root: Path) -> Corpus:
    """The corpus with its separately published test set as further clips; see ``speech_commands``."""
    from kwsbench.corpora.speech_commands import add_official_test as add

    return add(corpus, root)
