"""Who trains, who validates, who tests? One function a scheme: what is wanted → names and sides of its folds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kwsbench.errors import UserError
from kwsbench.proof import SIDES, content
from kwsbench.seeds import derive_seed

MAX_CLIPS_A_WORD = 2**27 - 1  # the reference implementation's constant
VALIDATION_PERCENT = TESTING_PERCENT = 10.0
LEAKY = "leaky_"  # so begins the name of a scheme that may have speakers on two sides
RANDOM = f"{LEAKY}random"


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


@dataclass(frozen=True)
class Wanted:
    """What a scheme works on: the corpus's own clips, by clip, the settings, and what is in the recordings."""

    corpus: str
    clips: pd.DataFrame
    folds: int
    validation_share: float
    seed: int
    hashes: pd.Series | None = None
    like: str | None = None


Folds = Iterator[tuple[str, pd.Series]]


def _official(wanted: Wanted) -> Folds:
    clips = wanted.clips
    known = clips["side"].isin(SIDES) if "side" in clips else pd.Series(False, clips.index)
    if not known.any():
        todo = "put validation_list.txt and testing_list.txt (or a side column) beside the clips, or use scheme: hash"
        raise UserError("the corpus comes without lists of sides", wanted.corpus, todo)
    if not known.all():
        clip = clips.index[~known][0]
        raise UserError(
            f"{int((~known).sum()):,} clips have no side (the first: {clip}, {clips['side'][clip]!r})",
            wanted.corpus,
            f"give each one of {', '.join(SIDES)}, or use scheme: hash",
        )
    yield "official", clips["side"]


def _leaky_official(wanted: Wanted) -> Folds:
    for name, sides in _official(wanted):
        yield LEAKY + name, sides


def _leaky_random(wanted: Wanted) -> Folds:
    """The folds of another scheme with recordings of the same word exchanged at random: sizes stay, speakers do not.

    The same exchange for all folds: where each clip was tested once, it still is.
    """
    word = wanted.clips["word"].to_dict()
    kinds: dict[tuple[str, ...], list[list[str]]] = {}
    for clips in _alike(wanted):
        kinds.setdefault(tuple(sorted(word[clip] for clip in clips)), []).append(clips)
    rng = np.random.default_rng(derive_seed(wanted.seed, RANDOM))
    stands_for = {
        clip: groups[other][0]
        for _, groups in sorted(kinds.items())
        for clips, other in zip(groups, rng.permutation(len(groups)), strict=True)
        for clip in clips
    }
    for name, sides in SCHEMES[str(wanted.like)](wanted):
        exchanged = sides.reindex(wanted.clips.index.map(stands_for)).to_numpy()
        yield f"{RANDOM}/{name}", pd.Series(exchanged, wanted.clips.index, name="side").dropna()


def _alike(wanted: Wanted) -> list[list[str]]:
    """Groups of clips with the same samples, most of one clip, in an order of what is in them."""
    clips = wanted.clips.index.to_series()
    hashed = clips if wanted.hashes is None else content(clips, wanted.hashes)
    groups: dict[str, list[str]] = {}
    for clip, what in hashed.items():
        groups.setdefault(what, []).append(str(clip))
    return [groups[what] for what in sorted(groups)]


def _hash(wanted: Wanted) -> Folds:
    # by the speaker and not by the file's name: the same for Speech Commands, and disjoint for every other corpus
    side_of = {speaker: hash_side(speaker) for speaker in wanted.clips["speaker"].unique()}
    yield "hash", wanted.clips["speaker"].map(side_of).rename("side")


def _published(wanted: Wanted) -> Folds:
    """AudioMNIST's: of five folds one tests, the one before it validates, three train."""
    if "fold" not in wanted.clips:
        raise UserError("the corpus has no published folds", wanted.corpus, "use scheme: speakers")
    fold = wanted.clips["fold"]
    if fold.isna().any():
        first = fold.index[fold.isna()][0]
        raise UserError(f"clip {first} has no fold", wanted.corpus, "give every clip one, or use scheme: speakers")
    numbers = sorted(fold.unique())
    for i, number in enumerate(numbers):
        name = f"published/{i + 1}-of-{len(numbers)}"
        testing = (fold == number).to_numpy()
        validating = (fold == numbers[i - 1]).to_numpy() if len(numbers) > 2 else _validating(wanted, testing, name)
        yield name, _sides(wanted, testing, validating)


def _leave_one_out(wanted: Wanted) -> Folds:
    for speaker in sorted(wanted.clips["speaker"].unique()):
        name = f"leave_one_speaker_out/{speaker}"
        testing = (wanted.clips["speaker"] == speaker).to_numpy()
        yield name, _sides(wanted, testing, _validating(wanted, testing, name))


def _speaker_folds(wanted: Wanted) -> Folds:
    fold = _balanced(wanted.clips, wanted.folds, derive_seed(wanted.seed, "speakers", wanted.folds))
    for number in range(wanted.folds):
        name = f"speakers/{number + 1}-of-{wanted.folds}"
        testing = fold == number
        yield name, _sides(wanted, testing, _validating(wanted, testing, name))


SCHEMES: dict[str, Callable[[Wanted], Folds]] = {
    "official": _official,
    "hash": _hash,
    "speakers": _speaker_folds,
    "leave_one_speaker_out": _leave_one_out,
    "published": _published,
    "leaky_official": _leaky_official,
    RANDOM: _leaky_random,
}


def _sides(wanted: Wanted, testing: np.ndarray, validating: np.ndarray) -> pd.Series:
    sides = np.where(testing, "test", np.where(validating, "validation", "train"))
    return pd.Series(sides, wanted.clips.index, name="side")


def _validating(wanted: Wanted, testing: np.ndarray, name: str) -> np.ndarray:
    """Clips of the speakers who validate, bool (clips,): one of the balanced groups of those who do not test."""
    others = wanted.clips[~testing]
    n_speakers = others["speaker"].nunique()
    if n_speakers < 2:
        todo = "more speakers are needed"
        raise UserError(f"split {name} leaves {n_speakers} speakers to train and to validate", wanted.corpus, todo)
    groups = min(n_speakers, round(1 / wanted.validation_share))
    seed = derive_seed(wanted.seed, name, "validation")
    chosen = np.random.default_rng(seed).integers(groups)
    found = np.zeros(len(wanted.clips), bool)
    found[~testing] = _balanced(others, groups, seed) == chosen
    return found


def _balanced(clips: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    """The fold of each clip, int (clips,): whole speakers, in each fold about as many clips of each word.

    Speakers are drawn in a seeded order, those with many clips before those with few (by powers of two), and each goes
    to the fold that has the least of what he or she says, every word and the sum of all counting alike. That is the
    greedy step for least squares of the folds' shares.
    """
    speaker, names = pd.factorize(clips["speaker"], sort=True)
    word, words = pd.factorize(clips["word"], sort=True)
    if folds > len(names):
        todo = f"give a number from 2 to {len(names)}" if len(names) > 1 else "more speakers are needed"
        raise UserError(f"{folds} folds of {len(names)} speakers", "splits: folds", todo)
    counts = np.zeros((len(names), len(words)))
    np.add.at(counts, (speaker, word), 1)
    shares = np.column_stack([counts / counts.sum(0), counts.sum(1) / counts.sum()])
    drawn = np.random.default_rng(seed).permutation(len(names))
    size = np.floor(np.log2(counts.sum(1)))[drawn]
    filled = np.zeros((folds, shares.shape[1]))
    fold_of = np.zeros(len(names), np.int64)
    for who in drawn[np.argsort(-size, kind="stable")]:
        fold_of[who] = np.argmin(filled @ shares[who])
        filled[fold_of[who]] += shares[who]
    return fold_of[speaker]
