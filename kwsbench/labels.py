"""What should the model say? Keywords, unknown, silence, on every side of a split.

Counts follow the reference implementation (tensorflow/examples/speech_commands/input_data.py, ``prepare_data_index``):
per side, unknown and silence are each ``ceil(share × keyword clips)``; unknown clips are drawn from that side's own
other words, sorted, then shuffled with a seed. With the whole corpora and ten keywords: V1 22,246 / 3,093 / 3,081 and
V2 36,923 / 4,445 / 4,890 clips for training, validation, testing.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from kwsbench.errors import LeakError, UserError
from kwsbench.proof import SIDES
from kwsbench.seeds import derive_seed, fingerprint
from kwsbench.silence import SILENCE, Noise, Silence, file_name, heard_of, noise_sides, part_of, silence_rows
from kwsbench.splits import Split

VERSION = 1
UNKNOWN = "unknown"
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
BY_WORD = ("words", "words_and_other")  # ways in which unknown words are targets of their own
HEARD_CLIPS = 10  # of training, from which on an unknown word counts as one that was heard
WORDS30 = (
    *COMMANDS,
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow"),
)
WORDS35 = (*WORDS30, "backward", "follow", "forward", "learn", "visual")
PRESETS = {"kws12": COMMANDS, "words30": WORDS30, "words35": WORDS35}
COLUMNS = ["clip", "path", "start", "stop", "gain", "peak", "word", "label", "target", "speaker", "side"]
PREDICTION_COLUMNS = ("clip", "speaker", "label", "predicted")  # beside the labels' own, in a table of predictions


def label_of(target: str) -> str:
    """The label that a target stands for: "unknown:bed" for unknown, every other for itself."""
    return UNKNOWN if target.startswith(f"{UNKNOWN}:") else target


@dataclass(frozen=True)
class Task:
    """A labelled split: what every model of a comparison sees.

    Attributes
    ----------
    rows : ``clip`` (unique), ``path`` (a file, "generated:<colour>:<seed>" or "zeros"), ``start`` and ``stop`` (samples
        at the file's rate; stop −1: to its end), ``gain``, ``peak`` (scale the stretch to full scale first), ``word``,
        ``label``, ``target`` (index into ``targets``), ``speaker`` ("": nobody), ``side``; sorted by side and clip.
    labels : what is scored, in order: the keywords as they were named, then unknown, then silence.
    targets : what is trained on: the labels, or with ``unknown: words`` every unknown word by itself ("unknown:bed"),
        with ``unknown: words_and_other`` the label unknown before them.
    target_label : index into ``labels`` of each target.
    noise : noise recordings of the training side, for augmentation.
    unknown : how unknown words are targets, see ``label_split``.
    notes : sentences for under the table.
    """

    rows: pd.DataFrame
    labels: tuple[str, ...]
    targets: tuple[str, ...]
    target_label: tuple[int, ...]
    noise: tuple[str, ...]
    notes: tuple[str, ...]
    unknown: str = "pooled"

    @cached_property
    def fingerprint(self) -> str:
        """Over everything that a model sees of the rows and the noise; not over where the files lie."""
        columns = [self.rows[name].tolist() for name in COLUMNS if name != "path"]
        sources = [file_name(path) for path in [*self.rows["path"], *self.noise]]
        return fingerprint(columns, sources, self.labels, self.targets, self.target_label)


def label_split(
    split: Split,
    *,
    noise: Noise | None = None,
    scheme: Literal["all", "keywords", "kws12", "words30", "words35"] = "kws12",
    keywords: Sequence[str] = (),
    unseen: Sequence[str] = (),
    unheard: Sequence[str] = (),
    unheard_sides: tuple[Literal["validation", "test"], ...] = ("test",),
    unknown: Literal["pooled", "words", "words_and_other", "none"] = "pooled",
    unknown_share: float = 0.1,
    silence: Literal["recordings", "generated", "kernel", "zeros", "none"] = "recordings",
    silence_share: float = 0.1,
    silence_seconds: float = 1.0,
    seed: int = 0,
) -> Task:
    """Label a split.

    Parameters
    ----------
    noise : the corpus's noise recordings, path → (samples, rate in Hz).
    scheme : "all": every word is a label, no unknown, no silence. "keywords": those of the list, unknown and silence.
        "kws12": the ten commands, unknown and silence. "words30", "words35": the words of v0.01, of v0.02.
    unseen : those of the words that are scored, but heard in neither training nor validation: only a model that spells
        can answer them.
    unheard : other words, no labels, that no model is ever trained on.
    unheard_sides : where those are said all the same. With validation, settings can be chosen and models calibrated by
        how well new words are rejected. An official test set keeps its own words.
    unknown : "pooled": other words in one label, a drawn share of them. "words": in training every other word is a
        target of its own, all its clips are used, and answering one of them is answering unknown (the WavCeption
        kernel's way); validation and test are those of "pooled". "words_and_other": the same, and one more target for
        what is none of them: words with fewer than ten training clips, and decoys. "none": other words take no part.
    unknown_share, silence_share : of the keyword clips of a side.
    silence : "recordings": stretches of noise recordings, whole recordings kept to one side. "generated": coloured
        noise. "kernel": half of each, scaled to its peak (the WavCeption kernel's). "zeros": digital silence, as the
        reference implementation tests with. "none".
    silence_seconds : length of a stretch of a noise recording.

    Raises
    ------
    UserError : keywords that the corpus or its training side does not have; settings that make no sense.
    """
    check_settings(
        scheme=scheme,
        keywords=keywords,
        unseen=unseen,
        unheard_sides=unheard_sides,
        unknown_share=unknown_share,
        silence_share=silence_share,
        silence_seconds=silence_seconds,
    )
    clips = split.corpus.clips.set_index("clip").loc[split.sides.index].assign(side=split.sides)
    is_official = clips["official_label"] != "" if "official_label" in clips else pd.Series(False, clips.index)
    own, official = clips[~is_official], clips[is_official]
    words = _keywords(split, own, scheme, tuple(keywords), unseen)
    if taken := sorted(set(words) & set(PREDICTION_COLUMNS)):
        todo = "call it otherwise; a table of predictions has columns of these names"
        raise UserError(f"a label cannot be called {taken[0]!r}", "labels", todo)
    if scheme in ("all", "words30", "words35"):
        unknown, silence = "none", "none"
    notes: list[str] = []

    _check_unheard(unheard, words, own["word"].unique())
    others = own[~own["word"].isin(words) & (own["side"].isin(unheard_sides) | ~own["word"].isin(unheard))]
    if unheard:
        where = " and ".join(side for side in SIDES if side in unheard_sides)
        notes.append(f"unknown words that no model was trained on, said on {where}: {', '.join(sorted(unheard))}")
    heard = own["word"].isin(words) & ((own["side"] == "test") | ~own["word"].isin(unseen))
    parts = [_rows(own[heard])]
    room = {side: int((parts[0]["side"] == side).sum()) for side in SIDES}
    parts += _unknown(others, unknown, {side: part_of(n, unknown_share) for side, n in room.items()}, seed, notes)

    by_side = noise_sides(noise or {}, seed)
    how = Silence(silence, silence_share, silence_seconds, seed, noise or {}, by_side)
    parts += silence_rows(how, {side: n for side, n in room.items() if side != "test" or official.empty}, notes)
    if len(official):
        parts.append(_official(official, words, unknown, how, notes))
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
    labels = (*words, *(label for label in _extra(unknown, silence) if (rows["label"] == label).any()))
    return _task(rows, labels, unknown, by_side["train"], notes)


def with_training(task: Task, other: Task) -> Task:
    """The task with another's training side: what one model learns from may differ, what all are scored on may not.

    Raises
    ------
    UserError : the other trains a label that the task does not score. LeakError : they hold out different recordings.
    """
    here = other.rows["side"] == "train"
    strange = sorted(set(other.rows["label"][here]) - set(task.labels))
    if strange:
        todo = f"let the task have {' and '.join(strange)}, or leave it out of the training side"
        raise UserError(f"a model would be trained on {', '.join(strange)}, which is not scored", "labels", todo)
    rows = pd.concat([task.rows[task.rows["side"] != "train"], other.rows[here]], ignore_index=True)
    notes = [note for note in task.notes if note not in _untrained(task.rows, task.labels)]
    own = _untrained(other.rows, other.labels)
    notes += [f"training side: {note}" for note in other.notes if note not in notes and note not in own]
    return _task(rows, task.labels, other.unknown, other.noise, notes)


def _task(rows: pd.DataFrame, labels: tuple[str, ...], unknown: str, noise: tuple[str, ...], notes: list[str]) -> Task:
    _assert_noise_apart(rows, noise)
    targets, owner, aims = _targets(rows, labels, unknown)
    rows = rows.assign(target=aims).sort_values(["side", "clip"], ignore_index=True)[COLUMNS]
    return Task(rows, labels, targets, owner, noise, (*notes, *_untrained(rows, labels)), unknown)


def _assert_noise_apart(rows: pd.DataFrame, noise: Sequence[str]) -> None:
    """Proof that no noise recording is heard in training, by itself or under words, and again in validation or test."""
    cut = rows[(rows["label"] == SILENCE) & (rows["stop"] >= 0)]
    sides = [set(cut["path"][cut["side"] == side]) for side in SIDES]
    train, validation, test = sides[0] | set(noise), *sides[1:]
    both = sorted(train & (validation | test) | validation & test)
    if both:
        named = ", ".join(file_name(path) for path in both)
        raise LeakError(f"noise recordings on two sides: {named}", todo="label both sides with the same seed")


def _untrained(rows: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    trained = set(rows["label"][rows["side"] == "train"])
    lacking = [label for label in labels if label not in trained]
    unseen = [label for label in lacking if label not in (UNKNOWN, SILENCE)]
    notes = [f"{label}: no clip in training" for label in lacking if label not in unseen]
    return [*notes, f"in the test alone, never trained on: {', '.join(unseen)}"] if unseen else notes


def _extra(unknown: str, silence: str) -> tuple[str, ...]:
    """The labels besides the words."""
    return tuple(label for label, way in ((UNKNOWN, unknown), (SILENCE, silence)) if way != "none")


def check_settings(
    *,
    scheme: str = "kws12",
    keywords: Sequence[str] = (),
    unseen: Sequence[str] = (),
    unheard_sides: Sequence[str] = ("test",),
    unknown_share: float = 0.1,
    silence_share: float = 0.1,
    silence_seconds: float = 1.0,
    **others: object,
) -> None:
    """Refuse settings of ``label_split`` that make no sense for any corpus.

    Raises
    ------
    UserError : the first of them.
    """
    for name, value in (("unknown_share", unknown_share), ("silence_share", silence_share)):
        if not 0 <= value < math.inf:
            raise UserError(f"{name} is {value}", "labels", "give 0 or more")
    if not 0 < silence_seconds < math.inf:
        raise UserError(f"silence_seconds is {silence_seconds}", "labels", "give more than 0")
    if not unheard_sides:
        raise UserError("unheard words on no side", "labels: unheard_sides", "give test, validation or both")
    if keywords and scheme != "keywords":
        raise UserError(f"scheme {scheme} takes no keywords", "labels: keywords", "use scheme: keywords")
    if scheme == "keywords" and not keywords:
        raise UserError("scheme keywords without a list", "labels: keywords", "name the words, e.g. [yes, no]")
    if len(set(keywords)) < len(keywords):
        twice = next(word for i, word in enumerate(keywords) if word in keywords[:i])
        raise UserError(f"keyword {twice} is named twice", "labels: keywords", "name each word once")
    if clash := [word for word in (UNKNOWN, SILENCE) if word in keywords]:
        raise UserError(f"{clash[0]} cannot be a keyword", "labels: keywords", "it is a label already")
    if taken := sorted(set(keywords) & set(PREDICTION_COLUMNS)):
        todo = "call it otherwise; a table of predictions has columns of these names"
        raise UserError(f"a label cannot be called {taken[0]!r}", "labels: keywords", todo)
    if scheme != "all":  # whose words are those of the corpus
        _check_unseen(unseen, PRESETS.get(scheme, keywords))


def _check_unseen(unseen: Sequence[str], words: Sequence[str]) -> None:
    """Words that are not trained on are labels, and some labels are."""
    strange = [word for word in unseen if word not in words]
    if strange:
        near = difflib.get_close_matches(strange[0], words, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        todo = f"{hint}Name some of {', '.join(words)}"
        raise UserError(f"unseen word {strange[0]} is no label", "labels: unseen", todo)
    if unseen and set(words) <= set(unseen):
        raise UserError("every word is unseen", "labels: unseen", "leave some to train on")


def _check_unheard(unheard: Sequence[str], words: Sequence[str], spoken: Iterable[str]) -> None:
    """Words that only the test has are spoken in the corpus, and no labels."""
    others = sorted(set(spoken) - set(words))
    strange = [word for word in unheard if word not in others]
    if strange:
        near = difflib.get_close_matches(strange[0], others, n=1)
        why = "is a label" if strange[0] in words else "is not in the corpus"
        todo = f"did you mean {near[0]}?" if near else f"name some of {', '.join(others)}"
        raise UserError(f"unheard word {strange[0]} {why}", "labels: unheard", todo)


def _keywords(
    split: Split, own: pd.DataFrame, scheme: str, keywords: tuple[str, ...], unseen: Sequence[str]
) -> tuple[str, ...]:
    """The words that are labels of their own; each has clips to train on, those that are unseen aside."""
    spoken = sorted(own["word"].unique())
    words = keywords if scheme == "keywords" else PRESETS.get(scheme, tuple(spoken))

    where = f"{split.corpus.name}, split {split.name}"
    trained = set(own["word"][own["side"] == "train"])
    kept = ", ".join(word for word in words if word in trained)
    keep = f"keep the others: scheme: keywords, keywords: [{kept}]" if kept else f"its words: {', '.join(spoken)}"
    absent = [word for word in words if word not in spoken]
    if absent:
        free = [word for word in spoken if word not in words] if scheme == "keywords" else []  # presets are spelt right
        near = {word: difflib.get_close_matches(word, free, n=1) for word in absent}
        hints = [f"did you mean {found[0]} for {word}?" for word, found in near.items() if found]
        raise UserError(f"the corpus has no {', '.join(absent)}", where, " ".join([*hints, keep]))
    _check_unseen(unseen, words)
    lacking = [word for word in words if word not in trained and word not in unseen]
    if lacking:
        todo = f"{keep}; where the training side is cut down, give more train_speakers"
        raise UserError(f"no training clips for {', '.join(lacking)}", where, todo)
    return words


def _rows(clips: pd.DataFrame, label: pd.Series | str | None = None) -> pd.DataFrame:
    """Rows of whole recordings; the label is the word where none is given."""
    rows = clips[["path", "word", "speaker", "side"]].rename_axis("clip")
    whole = {"start": 0, "stop": -1, "gain": 1.0, "peak": False}
    return rows.assign(label=clips["word"] if label is None else label, **whole).reset_index()


def _unknown(
    others: pd.DataFrame, way: str, wanted: Mapping[str, int], seed: int, notes: list[str]
) -> list[pd.DataFrame]:
    """Every side's clips of other words: a drawn share, or for training with "words" all of them."""
    if way == "none":
        if len(others):
            notes.append(f"{others['word'].nunique()} other words, {len(others):,} clips, take no part")
        return []
    parts = []
    for side, n in wanted.items():
        clips = others[others["side"] == side].sort_index()
        if way not in BY_WORD or side != "train":
            if len(clips) < n:
                notes.append(f"unknown, {side}: only {len(clips):,} clips of other words, {n:,} were asked for")
            rng = np.random.default_rng(derive_seed(seed, "unknown", side))
            clips = clips.iloc[np.sort(rng.permutation(len(clips))[:n])]
        parts.append(_rows(clips, UNKNOWN))
    return parts


def _official(clips: pd.DataFrame, words: Sequence[str], unknown: str, how: Silence, notes: list[str]) -> pd.DataFrame:
    """The official test set's rows: whole, less the labels that the scheme does not have."""
    published = clips["official_label"].replace({"_unknown_": UNKNOWN, "_silence_": SILENCE})
    is_keyword = clips["word"].isin(words) & (published != SILENCE)
    label = published.mask(is_keyword, clips["word"])  # a word of its unknowns may be a keyword here
    keep = is_keyword | published.isin(_extra(unknown, how.way))
    left_out = published[~keep].value_counts().sort_index()
    counts = ", ".join(f"{name} ({n:,})" for name, n in left_out.items())
    notes.append(
        f"official test set: {int(keep.sum()):,} of {len(clips):,} clips, without {counts}"
        if counts
        else f"official test set: whole, {len(clips):,} clips"
    )
    if (label[keep] == SILENCE).any():
        notes.append(heard_of(how))
    return _rows(clips[keep], label[keep])


def _targets(
    rows: pd.DataFrame, labels: Sequence[str], way: str
) -> tuple[tuple[str, ...], tuple[int, ...], np.ndarray]:
    """What is trained on, the label of each, and each row's target: int64 (n,).

    An unknown word that training never heard has the first unknown target: it only matters for the label it belongs to.
    With a target for others that is the first, and words with few training clips have it too.
    """
    aims = rows["label"].to_numpy(object).copy()
    heard: list[str] = []
    if way in BY_WORD:
        unknown = (rows["label"] == UNKNOWN).to_numpy()
        aims[unknown] = f"{UNKNOWN}:" + rows["word"].to_numpy(object)[unknown]
        clips = Counter(aims[unknown & (rows["side"] == "train").to_numpy()])
        with_other = way == BY_WORD[1]
        heard = sorted(aim for aim, n in clips.items() if n >= HEARD_CLIPS or not with_other)
        heard = [UNKNOWN, *heard] if with_other else heard
    targets: list[str] = []
    owner: list[int] = []
    first: dict[str, int] = {}
    for i, label in enumerate(labels):
        group = heard if label == UNKNOWN and heard else [label]
        first[label] = len(targets)
        targets += group
        owner += [i] * len(group)
    rank = {target: i for i, target in enumerate(targets)}
    found = [rank.get(aim, first[label]) for aim, label in zip(aims, rows["label"], strict=True)]
    return tuple(targets), tuple(owner), np.asarray(found, np.int64)
