"""From a corpus to its folds: who is on which side, cut to what a recipe asks for.

Every split is proved before it is handed out: no speaker and no recording is on two sides. Two schemes say by their
names that speakers may be: ``leaky_official``, for figures of others that were made so, and ``leaky_random``, which
tells what such figures are worth.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.cuts import cut_training, leave_out
from kwsbench.errors import UserError
from kwsbench.proof import SIDES, assert_disjoint, duplicates
from kwsbench.schemes import LEAKY, RANDOM, SCHEMES, Wanted
from kwsbench.seeds import derive_seed, fingerprint

VERSION = 1


@dataclass(frozen=True)
class Split:
    """Who is on which side.

    Attributes
    ----------
    corpus : the clips, bad recordings left out.
    name : "hash", "speakers/3-of-5", "leave_one_speaker_out/jackson", "hash+official_test", …; the same for a training
        side that is cut down, so that what is drawn by it for the other sides stays the same.
    sides : clip → train | validation | test, sorted by clip; clips that take no part are absent.
    duplicates : clips whose samples are those of another clip of the split: ``sha256, clip, word, speaker, side``.
    """

    corpus: Corpus
    name: str
    sides: pd.Series
    duplicates: pd.DataFrame

    @cached_property
    def fingerprint(self) -> str:
        """Of who says what on which side; not of where the files lie."""
        clips = self.corpus.clips.set_index("clip").loc[self.sides.index]
        rows = zip(clips.index, clips["word"], clips["speaker"], self.sides, strict=True)
        return fingerprint(self.corpus.name, self.name, sorted(rows))

    @property
    def n_train_speakers(self) -> int:
        """Speakers of the training side, whatever they say."""
        clips = self.corpus.clips.set_index("clip")
        return clips["speaker"][self.sides.index[self.sides == "train"]].nunique()


def make_splits(
    corpus: Corpus,
    hashes: pd.Series | None = None,
    left_out: Mapping[str, Collection[str]] | None = None,
    *,
    scheme: Literal[
        "official", "hash", "speakers", "leave_one_speaker_out", "published", "leaky_official", "leaky_random"
    ] = "hash",
    like: Literal["official", "hash", "speakers", "leave_one_speaker_out", "published"] | None = None,
    test: Literal["split", "official"] = "split",
    folds: int = 5,
    validation_share: float = 0.1,
    train_speakers: int | Literal["all"] = "all",
    train_clips: int | Literal["all"] = "all",
    seed: int = 0,
) -> list[Split]:
    """The folds of a scheme, each proved to be free of leaks.

    Parameters
    ----------
    corpus : with the official test set's clips appended where ``test`` is "official".
    hashes : clip → SHA-256 of the decoded samples; None: only speakers are proved disjoint.
    left_out : side → clips that take no part where they are on it.
    scheme : "official": the lists that come with the corpus. "hash": by a hash of the speaker, as the reference does
        it. "speakers": ``folds`` folds of speakers, balanced by word. "leave_one_speaker_out": a fold a speaker.
        "published": the corpus's own folds; each tests once, and of three or more the one before it validates.
        "leaky_official": the lists that come with the corpus, though speakers are on more than one side.
        "leaky_random": on every side as many clips of each word as the scheme ``like`` has there, drawn from all clips
        whoever speaks; recordings that are the same stay together.
    like : the scheme whose sides "leaky_random" has in size; of no other scheme.
    test : "official": the official test set instead of the scheme's test side, whose clips are left out.
    folds : of scheme "speakers".
    validation_share : of the speakers who do not test, about, and at least one, where the scheme does not say who
        validates; at most a half.
    train_speakers : the clips of so many speakers of the training side stay on it, those of the others take no part.
        There is one order of speakers a split, so fewer are always among more: first those who together say all words
        of the side, each adding the most (a word counts as many as it has clips there), then the others as drawn.
    train_clips : at most so many clips of each word stay on the training side (of the speakers who do); fewer are
        always among more. Validation and test are whole whatever is taken from the training side.

    Raises
    ------
    UserError : no speakers, no lists or no folds; fewer training speakers than asked for. LeakError : a shared speaker
    or recording; names them.
    """
    check_settings(
        scheme=scheme,
        like=like,
        test=test,
        folds=folds,
        validation_share=validation_share,
        train_speakers=train_speakers,
        train_clips=train_clips,
    )
    _need_speakers(corpus)
    by_clip = corpus.clips.set_index("clip").sort_index()
    own = by_clip[by_clip["official_label"] == ""] if "official_label" in by_clip else by_clip
    made = []
    for name, sides in SCHEMES[scheme](Wanted(corpus.name, own, folds, validation_share, seed, hashes, like)):
        sides = leave_out(sides, left_out or {})
        sides = cut_training(
            sides, own, f"{corpus.name}, split {name}", train_speakers, train_clips, derive_seed(seed, name)
        )
        if test == "official":
            sides, name = _with_official_test(corpus, sides), f"{name}+official_test"
        _need_all_sides(corpus, name, sides)
        rows = by_clip.loc[sides.index]
        speakers = pd.Series("", rows.index) if scheme.startswith(LEAKY) else rows["speaker"]
        assert_disjoint(sides, speakers, hashes)
        made.append(Split(corpus, name, sides, duplicates(sides, rows, hashes)))
    return made


def check_settings(
    *,
    scheme: str = "hash",
    like: str | None = None,
    test: str = "split",
    folds: int = 5,
    validation_share: float = 0.1,
    train_speakers: int | str = "all",
    train_clips: int | str = "all",
) -> None:
    """Refuse settings of ``make_splits`` that make no sense for any corpus.

    Raises
    ------
    UserError : the first of them.
    """
    if folds < 2:
        raise UserError(f"folds is {folds}", "splits", "give 2 or more")
    if not 0 < validation_share <= 0.5:
        raise UserError(f"validation_share is {validation_share}", "splits", "give a share above 0, at most 0.5")
    for name, value in (("train_speakers", train_speakers), ("train_clips", train_clips)):
        if isinstance(value, int) and value < 1:
            raise UserError(f"{name} is {value}", "splits", "give 1 or more, or all")
    if like is not None and scheme != RANDOM:
        raise UserError(f"scheme {scheme} is like no other", "splits: like", f"it is for scheme: {RANDOM}")
    if scheme == RANDOM and like is None:
        raise UserError(f"{RANDOM} has the sizes of another scheme", "splits", "say of which, e.g. like: hash")
    if scheme == RANDOM and test == "official":
        raise UserError(f"{RANDOM} has a test side of its own", "splits: test", "leave out test: official")


def _need_speakers(corpus: Corpus) -> None:
    """Everybody has a name; only the silence of the official test set is nobody's."""
    clips = corpus.clips
    nameless = clips["speaker"].isna() | (clips["speaker"] == "")
    if "official_label" in clips:
        nameless &= clips["official_label"] != "_silence_"
    if nameless.any():
        first = clips["clip"][nameless].iloc[0]
        raise UserError(
            f"{int(nameless.sum()):,} of {len(clips):,} clips have no speaker (the first: {first})",
            corpus.name,
            "a speaker-disjoint split needs a speaker id for every clip: give them in the manifest's speaker column, "
            "or in the file names as the corpus's layout has them",
        )


def _need_all_sides(corpus: Corpus, name: str, sides: pd.Series) -> None:
    empty = [side for side in SIDES if not (sides == side).any()]
    if empty:
        todo = "more speakers are needed, or another scheme"
        raise UserError(f"split {name} leaves no clips for {', '.join(empty)}", corpus.name, todo)


def _with_official_test(corpus: Corpus, sides: pd.Series) -> pd.Series:
    """The scheme's training and validation sides, and the official test set, whole, as the test side."""
    label = corpus.clips["official_label"] if "official_label" in corpus.clips else pd.Series("", corpus.clips.index)
    official = corpus.clips["clip"][label != ""]
    if not len(official):
        raise UserError("the official test set was not read with the corpus", corpus.name, "use a corpus that has one")
    test = pd.Series("test", index=pd.Index(official, name="clip"), name="side")
    return pd.concat([sides[sides != "test"], test]).sort_index()
