"""Who trains, who tests? And is it free of leaks?

Every split is proved before it is handed out: no speaker and no recording is on two sides. Two schemes say by their
names that speakers may be: ``leaky_official``, for figures of others that were made so, and ``leaky_random``, which
tells what such figures are worth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.cuts import cut_training, leave_out
from kwsbench.errors import LeakError, UserError
from kwsbench.seeds import derive_seed, fingerprint

VERSION = 1
MAX_CLIPS_A_WORD = 2**27 - 1  # the reference implementation's constant
VALIDATION_PERCENT = TESTING_PERCENT = 10.0
SIDES = ("train", "validation", "test")
LEAKY = "leaky_"  # so begins the name of a scheme that may have speakers on two sides
RANDOM = f"{LEAKY}random"
NAMED = 10  # speakers or recordings that a message names one by one


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
    for name, sides in _MAKERS[scheme](_Wanted(corpus.name, own, folds, validation_share, seed, hashes, like)):
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
        made.append(Split(corpus, name, sides, _duplicates(sides, rows, hashes)))
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


def assert_disjoint(sides: pd.Series, speakers: pd.Series, hashes: pd.Series | None) -> None:
    """Prove that no speaker and no recording is on two sides.

    Parameters
    ----------
    sides : clip → side.
    speakers : clip → speaker, at least of these clips; where nobody ("") speaks only the recording is compared.
    hashes : clip → SHA-256 of the decoded samples, at least of these clips; None: recordings are not compared.

    Raises
    ------
    LeakError : names the speakers or the clips. ValueError : a clip without speaker or hash proves nothing.
    """
    speaker = _known(sides, speakers, "speaker")
    somebody = (speaker != "").to_numpy()
    _assert_one_side(sides[somebody], speaker[somebody], "speaker")
    if hashes is not None:
        _assert_one_side(sides, _content(sides, hashes), "recording")


def _known(sides: pd.Series, values: pd.Series, what: str) -> pd.Series:
    found = values.reindex(sides.index)
    if found.isna().any():
        raise ValueError(f"no {what} is known of clip {found.index[found.isna()][0]!r}")
    return found


def _content(sides: pd.Series, hashes: pd.Series) -> pd.Series:
    """The hash of every clip; an empty one belongs to a recording that should have been set aside."""
    return _known(sides, hashes.where(hashes != ""), "content hash")


def _assert_one_side(sides: pd.Series, values: pd.Series, what: str) -> None:
    side, _ = pd.factorize(sides)
    group, names = pd.factorize(values)
    first, last = np.full(len(names), len(SIDES)), np.full(len(names), -1)
    np.minimum.at(first, group, side)
    np.maximum.at(last, group, side)
    leaked = sorted(np.flatnonzero(first < last).tolist(), key=lambda number: str(names[number]))
    if not leaked:
        return
    shown = []
    for number in leaked[:NAMED]:
        members = sides[group == number]
        one_a_side = [f"{members.index[members == name][0]} ({name})" for name in SIDES if (members == name).any()]
        shown.append(f"{names[number] if what == 'speaker' else 'the same samples'}: {', '.join(one_a_side)}")
    more = f"; and {len(leaked) - NAMED} more" if len(leaked) > NAMED else ""
    raise LeakError(
        f"{len(leaked)} {what}{'s are' if len(leaked) > 1 else ' is'} on two sides: {'; '.join(shown)}{more}",
        todo="correct the speaker ids or the sides in the corpus, or choose another split scheme",
    )


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


@dataclass(frozen=True)
class _Wanted:
    """What a scheme works on: the corpus's own clips, by clip, the settings, and what is in the recordings."""

    corpus: str
    clips: pd.DataFrame
    folds: int
    validation_share: float
    seed: int
    hashes: pd.Series | None = None
    like: str | None = None


Folds = Iterator[tuple[str, pd.Series]]


def _official(wanted: _Wanted) -> Folds:
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


def _leaky_official(wanted: _Wanted) -> Folds:
    for name, sides in _official(wanted):
        yield LEAKY + name, sides


def _leaky_random(wanted: _Wanted) -> Folds:
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
    for name, sides in _MAKERS[str(wanted.like)](wanted):
        exchanged = sides.reindex(wanted.clips.index.map(stands_for)).to_numpy()
        yield f"{RANDOM}/{name}", pd.Series(exchanged, wanted.clips.index, name="side").dropna()


def _alike(wanted: _Wanted) -> list[list[str]]:
    """Groups of clips with the same samples, most of one clip, in an order of what is in them."""
    clips = wanted.clips.index.to_series()
    content = clips if wanted.hashes is None else _content(clips, wanted.hashes)
    groups: dict[str, list[str]] = {}
    for clip, what in content.items():
        groups.setdefault(what, []).append(str(clip))
    return [groups[what] for what in sorted(groups)]


def _hash(wanted: _Wanted) -> Folds:
    # by the speaker and not by the file's name: the same for Speech Commands, and disjoint for every other corpus
    side_of = {speaker: hash_side(speaker) for speaker in wanted.clips["speaker"].unique()}
    yield "hash", wanted.clips["speaker"].map(side_of).rename("side")


def _published(wanted: _Wanted) -> Folds:
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


def _leave_one_out(wanted: _Wanted) -> Folds:
    for speaker in sorted(wanted.clips["speaker"].unique()):
        name = f"leave_one_speaker_out/{speaker}"
        testing = (wanted.clips["speaker"] == speaker).to_numpy()
        yield name, _sides(wanted, testing, _validating(wanted, testing, name))


def _speaker_folds(wanted: _Wanted) -> Folds:
    fold = _balanced(wanted.clips, wanted.folds, derive_seed(wanted.seed, "speakers", wanted.folds))
    for number in range(wanted.folds):
        name = f"speakers/{number + 1}-of-{wanted.folds}"
        testing = fold == number
        yield name, _sides(wanted, testing, _validating(wanted, testing, name))


_MAKERS: dict[str, Callable[[_Wanted], Folds]] = {
    "official": _official,
    "hash": _hash,
    "speakers": _speaker_folds,
    "leave_one_speaker_out": _leave_one_out,
    "published": _published,
    "leaky_official": _leaky_official,
    RANDOM: _leaky_random,
}


def _sides(wanted: _Wanted, testing: np.ndarray, validating: np.ndarray) -> pd.Series:
    sides = np.where(testing, "test", np.where(validating, "validation", "train"))
    return pd.Series(sides, wanted.clips.index, name="side")


def _validating(wanted: _Wanted, testing: np.ndarray, name: str) -> np.ndarray:
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


def _with_official_test(corpus: Corpus, sides: pd.Series) -> pd.Series:
    """The scheme's training and validation sides, and the official test set, whole, as the test side."""
    label = corpus.clips["official_label"] if "official_label" in corpus.clips else pd.Series("", corpus.clips.index)
    official = corpus.clips["clip"][label != ""]
    if not len(official):
        raise UserError("the official test set was not read with the corpus", corpus.name, "use a corpus that has one")
    test = pd.Series("test", index=pd.Index(official, name="clip"), name="side")
    return pd.concat([sides[sides != "test"], test]).sort_index()


def _duplicates(sides: pd.Series, rows: pd.DataFrame, hashes: pd.Series | None) -> pd.DataFrame:
    columns = ["sha256", "clip", "word", "speaker", "side"]
    if hashes is None:
        return pd.DataFrame({column: [] for column in columns}, dtype=str)
    content = _content(sides, hashes)
    twice = content.duplicated(keep=False)
    found = rows.loc[twice, ["word", "speaker"]].assign(sha256=content[twice], side=sides[twice])
    return found.rename_axis("clip").reset_index()[columns].sort_values(["sha256", "clip"], ignore_index=True)
