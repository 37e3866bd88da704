"""Who trains, who tests? And is it free of leaks?

Every split is proved before it is handed out: no speaker and no recording is on two sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.errors import LeakError, UserError
from kwsbench.seeds import derive_seed, fingerprint

VERSION = 1
MAX_CLIPS_A_WORD = 2**27 - 1  # the reference implementation's constant
VALIDATION_PERCENT = TESTING_PERCENT = 10.0
SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Who is on which side.

    Attributes
    ----------
    corpus : the clips, bad recordings left out.
    name : "hash", "speakers/3-of-5", "leave_one_speaker_out/jackson", "hash+official_test", …
    sides : clip → train | validation | test; clips that take no part are absent.
    duplicates : clips whose samples are those of another clip of the split: ``sha256, clip, word, speaker, side``.
    """

    corpus: Corpus
    name: str
    sides: pd.Series
    duplicates: pd.DataFrame

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.name, self.sides.sort_index().to_csv(header=False))


def hash_side(name: str, validation: float = VALIDATION_PERCENT, testing: float = TESTING_PERCENT) -> str:
    """The side of a Speech Commands file: a hash of the part of its name before ``_nohash_``, which is the speaker.

    Source: arXiv 1804.03209, section 7, and the reference implementation's ``which_set``. A file never changes sides
    when the corpus grows.
    """
    speaker = name.rsplit("/", 1)[-1].partition("_nohash_")[0]
    number = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (MAX_CLIPS_A_WORD + 1)
    percent = number * (100.0 / MAX_CLIPS_A_WORD)
    if percent < validation:
        return "validation"
    return "test" if percent < testing + validation else "train"


def make_splits(
    corpus: Corpus,
    hashes: pd.Series | None = None,
    *,
    scheme: Literal["official", "hash", "speakers", "leave_one_speaker_out", "published"] = "hash",
    test: Literal["split", "official"] = "split",
    folds: int = 5,
    validation_share: float = 0.1,
    seed: int = 0,
) -> list[Split]:
    """The folds of a scheme, each proved to be free of leaks.

    Parameters
    ----------
    corpus : with the official test set's clips appended where ``test`` is "official".
    hashes : clip → SHA-256 of the decoded samples; None: only speakers are proved disjoint.
    scheme : "official": the lists that come with the corpus. "hash": by a hash of the speaker, as the reference does
        it. "speakers": ``folds`` folds of speakers, balanced by word. "leave_one_speaker_out": a fold a speaker.
        "published": the corpus's own folds.
    test : "official": the official test set instead of the scheme's test side, whose clips are left out.
    folds : of scheme "speakers".
    validation_share : of the training speakers (at least one), where the scheme says nothing about validation.

    Raises
    ------
    UserError : no speakers, no lists or no folds. LeakError : a shared speaker or recording.
    """
    if not 0 < validation_share < 1:
        raise UserError(f"validation_share is {validation_share}", "splits", "give a share between 0 and 1")
    own = corpus.clips
    if "official_label" in own:
        own = own[own["official_label"] == ""]
    _need_speakers(corpus, own)
    makers = {
        "official": _official,
        "hash": _hash,
        "published": lambda c, o: _published(c, o, validation_share, seed),
        "speakers": lambda c, o: _speaker_folds(o, folds, validation_share, seed),
        "leave_one_speaker_out": lambda c, o: _leave_one_out(o, validation_share, seed),
    }
    made = []
    for name, sides in makers[scheme](corpus, own):
        if test == "official":
            sides, name = _with_official_test(corpus, sides), f"{name}+official_test"
        by_clip = corpus.clips.set_index("clip")
        speakers = by_clip["speaker"].reindex(sides.index)
        known = None if hashes is None else hashes.reindex(sides.index)
        assert_disjoint(sides, speakers, known)
        _need_all_sides(corpus, name, sides)
        made.append(Split(corpus, name, sides, _duplicates(sides, by_clip, known)))
    return made


def assert_disjoint(sides: pd.Series, speakers: pd.Series, hashes: pd.Series | None) -> None:
    """Prove that no speaker and no recording is on two sides; clips without a speaker ("") are proved by content only.

    Raises
    ------
    LeakError : names the speakers or the clips.
    """
    named = speakers != ""
    _assert_one_side(sides[named], speakers[named], "speaker")
    if hashes is not None:
        known = hashes.notna() & (hashes != "")
        _assert_one_side(sides[known], hashes[known], "recording")


def _assert_one_side(sides: pd.Series, groups: pd.Series, what: str) -> None:
    n_sides = sides.groupby(groups.to_numpy()).nunique()
    leaked = n_sides.index[n_sides > 1]
    if not len(leaked):
        return
    shown = []
    for group in leaked[:5]:
        members = sides[(groups == group).to_numpy()]
        one_each = [
            f"{clip} ({side})"
            for side, clip in members.reset_index().groupby(members.name or 0)["clip"].first().items()
        ]
        shown.append(f"{group if what == 'speaker' else 'same samples'}: {', '.join(one_each)}")
    more = f" and {len(leaked) - 5} more" if len(leaked) > 5 else ""
    raise LeakError(
        f"{len(leaked)} {what}{'s are' if len(leaked) > 1 else ' is'} on two sides: {'; '.join(shown)}{more}",
        todo="correct the speaker ids or the sides in the corpus, or choose another split scheme",
    )


def _need_speakers(corpus: Corpus, clips: pd.DataFrame) -> None:
    nameless = clips["clip"][clips["speaker"] == ""]
    if len(nameless):
        raise UserError(
            f"{len(nameless)} of {len(clips)} clips have no speaker (the first: {nameless.iloc[0]})",
            corpus.name,
            "a speaker-disjoint split needs a speaker id for every clip: give them in the manifest's speaker column, "
            "or in the file names as the corpus's layout has them",
        )


def _need_all_sides(corpus: Corpus, name: str, sides: pd.Series) -> None:
    empty = [side for side in SIDES if not (sides == side).any()]
    if empty:
        todo = "more speakers are needed, or another scheme or validation_share"
        raise UserError(f"split {name} leaves no clips for {', '.join(empty)}", corpus.name, todo)


Folds = Iterable[tuple[str, pd.Series]]


def _official(corpus: Corpus, own: pd.DataFrame) -> Folds:
    if "side" not in own or not own["side"].isin(SIDES).all():
        todo = "put validation_list.txt and testing_list.txt (or a side column) beside the clips, or use scheme: hash"
        raise UserError("the corpus comes without lists of sides", corpus.name, todo)
    return [("official", own.set_index("clip")["side"])]


def _hash(corpus: Corpus, own: pd.DataFrame) -> Folds:
    side_of = {speaker: hash_side(speaker) for speaker in own["speaker"].unique()}
    return [("hash", _by_speaker(own, side_of))]


def _by_speaker(own: pd.DataFrame, side_of: dict[str, str]) -> pd.Series:
    sides = own["speaker"].map(side_of)
    return pd.Series(sides.to_numpy(), index=pd.Index(own["clip"], name="clip"), name="side")


def _published(corpus: Corpus, own: pd.DataFrame, validation_share: float, seed: int) -> Folds:
    if "fold" not in own:
        raise UserError("the corpus has no published folds", corpus.name, "use scheme: speakers")
    numbers = sorted(own["fold"].unique())
    for number in numbers:
        test = set(own.loc[own["fold"] == number, "speaker"])
        name = f"published/{number + 1}-of-{len(numbers)}"
        yield name, _with_validation(own, test, validation_share, seed, name)


def _leave_one_out(own: pd.DataFrame, validation_share: float, seed: int) -> Folds:
    for speaker in sorted(own["speaker"].unique()):
        name = f"leave_one_speaker_out/{speaker}"
        yield name, _with_validation(own, {speaker}, validation_share, seed, name)


def _speaker_folds(own: pd.DataFrame, folds: int, validation_share: float, seed: int) -> Folds:
    """Folds with about the same number of clips of each word: the largest speaker first, to where it fits best."""
    counts = pd.crosstab(own["speaker"], own["word"]).sort_index()
    if not 2 <= folds <= len(counts):
        todo = f"give a number from 2 to {len(counts)}, the number of speakers"
        raise UserError(f"{folds} folds of {len(counts)} speakers", "splits: folds", todo)
    rng = np.random.default_rng(derive_seed(seed, "speakers", folds))
    order = counts.index.to_numpy()[rng.permutation(len(counts))]
    sizes = counts.sum(axis=1)
    order = sorted(order, key=lambda speaker: -sizes[speaker])
    target = counts.sum().to_numpy() / folds
    filled = np.zeros((folds, counts.shape[1]))
    member: dict[str, int] = {}
    for speaker in order:
        own_counts = counts.loc[speaker].to_numpy()
        change = ((filled + own_counts - target) ** 2).sum(1) - ((filled - target) ** 2).sum(1)
        fold = int(change.argmin())
        filled[fold] += own_counts
        member[speaker] = fold
    for number in range(folds):
        name = f"speakers/{number + 1}-of-{folds}"
        test = {speaker for speaker, fold in member.items() if fold == number}
        yield name, _with_validation(own, test, validation_share, seed, name)


def _with_validation(own: pd.DataFrame, test: set[str], share: float, seed: int, name: str) -> pd.Series:
    """Sides by speaker: ``test`` tests, a drawn share of the others (at least one) validates, the rest trains."""
    others = np.array(sorted(set(own["speaker"]) - test))
    rng = np.random.default_rng(derive_seed(seed, name, "validation"))
    chosen = set(others[rng.permutation(len(others))][: max(1, round(share * len(others)))])
    side_of = dict.fromkeys(others, "train") | dict.fromkeys(chosen, "validation") | dict.fromkeys(test, "test")
    return _by_speaker(own, side_of)


def _with_official_test(corpus: Corpus, sides: pd.Series) -> pd.Series:
    """The scheme's training and validation sides, and the official test set as the test side."""
    if "official_label" not in corpus.clips:
        raise UserError("the official test set was not read with the corpus", corpus.name, "use a corpus that has one")
    official = corpus.clips.loc[corpus.clips["official_label"] != "", "clip"]
    test = pd.Series("test", index=pd.Index(official, name="clip"), name="side")
    return pd.concat([sides[sides != "test"], test])


def _duplicates(sides: pd.Series, by_clip: pd.DataFrame, hashes: pd.Series | None) -> pd.DataFrame:
    columns = ["sha256", "clip", "word", "speaker", "side"]
    if hashes is None:
        return pd.DataFrame(columns=columns)
    known = hashes[hashes.notna() & (hashes != "")]
    twice = known[known.duplicated(keep=False)]
    rows = by_clip.reindex(twice.index)[["word", "speaker"]].assign(sha256=twice, side=sides.reindex(twice.index))
    return rows.rename_axis("clip").reset_index()[columns].sort_values(["sha256", "clip"], ignore_index=True)
