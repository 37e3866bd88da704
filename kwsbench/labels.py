"""What should the model say? Keywords, unknown, silence, on every side of a split.

Counts follow the reference implementation (tensorflow/examples/speech_commands/input_data.py, ``prepare_data_index``):
per side, unknown and silence are each ``ceil(share × keyword clips)``; unknown clips are drawn from that side's own other
words, sorted, then shuffled with a seed. With the whole corpora and ten keywords: V1 22,246 / 3,093 / 3,081 and V2
36,923 / 4,445 / 4,890 clips for training, validation, testing.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from kwsbench.errors import UserError
from kwsbench.noise import COLORS
from kwsbench.seeds import derive_seed, fingerprint
from kwsbench.splits import SIDES, Split

VERSION = 1
SILENCE, UNKNOWN = "silence", "unknown"
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
WORDS30 = (
    *COMMANDS,
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow"),
)
WORDS35 = (*WORDS30, "backward", "follow", "forward", "learn", "visual")
COLUMNS = ["clip", "path", "start", "stop", "gain", "peak", "word", "label", "target", "speaker", "side"]
SECONDS = 1.0  # of a stretch of silence
GAIN = (0.1, 1.0)  # of a stretch of silence, drawn evenly

Noise = Mapping[str, tuple[int, int]]
"""Noise recordings: path → (samples, rate in Hz)."""


@dataclass(frozen=True)
class Task:
    """A labelled split: what every model of a comparison sees.

    Attributes
    ----------
    rows : ``clip`` (unique), ``path`` (a file, "generated:<colour>:<seed>" or "zeros"), ``start`` and ``stop`` (samples at
        the file's rate; stop −1: to its end), ``gain``, ``peak`` (scale the stretch to full scale first), ``word``,
        ``label``, ``target`` (index into ``targets``), ``speaker`` ("": nobody), ``side``.
    labels : what is scored, in order.
    targets : what is trained on: the labels, or with ``unknown: words`` every unknown word by itself.
    target_label : index into ``labels`` of each target.
    noise : noise recordings of the training side, for augmentation.
    notes : sentences for under the table.
    """

    rows: pd.DataFrame
    labels: tuple[str, ...]
    targets: tuple[str, ...]
    target_label: tuple[int, ...]
    noise: tuple[str, ...]
    notes: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Over everything that a model sees of the rows; not over where the files lie."""
        rows = self.rows.drop(columns="path").assign(source=self.rows["path"].str.rsplit("/", n=1).str[-1])
        return fingerprint(rows.to_csv(index=False), self.labels, self.targets, self.target_label)


def label_split(
    split: Split,
    *,
    noise: Noise | None = None,
    scheme: Literal["all", "keywords", "kws12", "words30", "words35"] = "kws12",
    keywords: Sequence[str] = (),
    unknown: Literal["pooled", "words", "none"] = "pooled",
    unknown_share: float = 0.1,
    silence: Literal["recordings", "generated", "kernel", "zeros", "none"] = "recordings",
    silence_share: float = 0.1,
    seed: int = 0,
) -> Task:
    """Label a split.

    Parameters
    ----------
    noise : the corpus's noise recordings, path → (samples, rate in Hz).
    scheme : "all": every word is a label, no unknown, no silence. "keywords": the list ``keywords`` + unknown + silence.
        "kws12": the ten commands + both. "words30", "words35": the words of v0.01, v0.02.
    unknown : "pooled": other words in one label, a drawn share of them. "words": in training every other word is a target
        of its own, all its clips are used, and answering one of them is answering unknown (the WavCeption kernel's way);
        validation and test are those of "pooled". "none": other words take no part.
    unknown_share, silence_share : of the keyword clips of a side.
    silence : "recordings": stretches of noise recordings, whole recordings kept to one side. "generated": coloured noise.
        "kernel": half of each, scaled to its peak (the WavCeption kernel's 8,000 clips). "zeros": digital silence, as the
        reference implementation tests with. "none".
    """
    words = _keywords(split, scheme, tuple(keywords))
    all_words = scheme in ("all", "words30", "words35")
    clips = split.corpus.clips.set_index("clip").reindex(split.sides.index).assign(side=split.sides)
    if "official_label" not in clips:
        clips["official_label"] = ""
    official = clips[clips["official_label"] != ""]
    own = clips[clips["official_label"] == ""]
    _check_words(split, own, words)
    notes: list[str] = []

    parts = [_rows(own[own["word"].isin(words)], own["word"])]
    if not all_words and unknown != "none":
        others = own[~own["word"].isin(words)]
        parts += [_unknown(others, parts[0], side, unknown, unknown_share, seed) for side in SIDES]
    heard: tuple[str, ...] = ()
    train_noise = _noise_by_side(split, noise or {}, seed)["train"]
    if not all_words and silence != "none":
        silent, heard = _silence(split, parts[0], noise or {}, silence, silence_share, seed, notes, bool(len(official)))
        parts.append(silent)
    if len(official):
        parts.append(_official(official, words, notes, bool(heard), unknown, silence))

    rows = pd.concat(parts, ignore_index=True)
    labels = (*words, *([UNKNOWN] if (rows["label"] == UNKNOWN).any() else []))
    labels = (*labels, *([SILENCE] if (rows["label"] == SILENCE).any() else []))
    targets, owner, aims = _targets(rows, labels, unknown == "words")
    rows = rows.assign(target=aims).sort_values(["side", "clip"], ignore_index=True)[COLUMNS]
    trained = set(rows.loc[rows["side"] == "train", "label"])
    notes += [f"{label}: no clip in training" for label in labels if label not in trained]
    return Task(rows, labels, targets, owner, train_noise, tuple(notes))


def _keywords(split: Split, scheme: str, keywords: tuple[str, ...]) -> tuple[str, ...]:
    """The words that are labels of their own."""
    if scheme == "keywords":
        if not keywords:
            raise UserError("scheme keywords without a list", "labels: keywords", "name the words, e.g. [yes, no]")
        if len(set(keywords)) < len(keywords):
            raise UserError("a keyword is named twice", "labels: keywords", "name each word once")
        clash = {SILENCE, UNKNOWN} & set(keywords)
        if clash:
            raise UserError(f"{clash.pop()} cannot be a keyword", "labels: keywords", "it is a label already")
        return keywords
    if keywords:
        raise UserError(f"scheme {scheme} takes no keywords", "labels: keywords", "use scheme: keywords")
    presets = {"kws12": COMMANDS, "words30": WORDS30, "words35": WORDS35}
    if scheme in presets:
        return presets[scheme]
    return tuple(sorted(split.corpus.clips["word"].unique()))


def _check_words(split: Split, own: pd.DataFrame, words: Sequence[str]) -> None:
    """Every keyword has clips to train on."""
    have = set(own.loc[own["side"] == "train", "word"])
    lacking = [word for word in words if word not in have]
    if not lacking:
        return
    near = {word: difflib.get_close_matches(word, have, n=1) for word in lacking}
    hints = [f"did you mean {found[0]} for {word}?" for word, found in near.items() if found and found[0] not in words]
    kept = [word for word in words if word in have]
    raise UserError(
        f"no training clips for {', '.join(lacking)}",
        f"{split.corpus.name}, split {split.name}",
        " ".join([*hints, f"use scheme: keywords, keywords: [{', '.join(kept)}]"]),
    )


def _rows(clips: pd.DataFrame, label: pd.Series | str) -> pd.DataFrame:
    """Rows of whole recordings."""
    found = pd.DataFrame({"clip": clips.index, "path": clips["path"].to_numpy(), "start": 0, "stop": -1, "gain": 1.0})
    found["peak"] = False
    found["word"] = clips["word"].to_numpy()
    found["label"] = label if isinstance(label, str) else label.reindex(clips.index).to_numpy()
    found["speaker"] = clips["speaker"].to_numpy()
    found["side"] = clips["side"].to_numpy()
    return found


def _share(keyword_rows: pd.DataFrame, side: str, share: float) -> int:
    """The reference's count: ceil of the share of a side's keyword clips."""
    if share < 0:
        raise UserError(f"a share of {share}", "labels", "give 0 or more")
    n = int((keyword_rows["side"] == side).sum())
    return math.ceil(round(n * share * 100, 6) / 100)


def _unknown(
    others: pd.DataFrame, keyword_rows: pd.DataFrame, side: str, way: str, share: float, seed: int
) -> pd.DataFrame:
    """A side's clips of other words: a drawn share, or for training with "words" all, each word its own target."""
    clips = others[others["side"] == side].sort_index()
    if way == "words" and side == "train":
        return _rows(clips, UNKNOWN)
    rng = np.random.default_rng(derive_seed(seed, "unknown", side))
    chosen = rng.permutation(len(clips))[: _share(keyword_rows, side, share)]
    return _rows(clips.iloc[np.sort(chosen)], UNKNOWN)


def _noise_by_side(split: Split, noise: Noise, seed: int) -> dict[str, tuple[str, ...]]:
    """Whole noise recordings for each side: one in six (at least one) for validation and for test, the rest trains.

    A recording that lies in a folder named after a side stays on it.
    """
    names = sorted(noise, key=lambda path: path.rsplit("/", 1)[-1])
    given = {side: tuple(p for p in names if p.rsplit("/", 2)[-2] == side) for side in SIDES}
    if all(given.values()):
        return given
    if len(names) < 3:
        return dict.fromkeys(SIDES, ())
    rng = np.random.default_rng(derive_seed(seed, "noise"))
    order = [names[i] for i in rng.permutation(len(names))]
    n = max(1, len(names) // 6)
    return {
        "validation": tuple(sorted(order[:n])),
        "test": tuple(sorted(order[n : 2 * n])),
        "train": tuple(sorted(order[2 * n :])),
    }


def _silence(
    split: Split, keyword_rows: pd.DataFrame, noise: Noise, way: str, share: float, seed: int,
    notes: list[str], official: bool,
) -> tuple[pd.DataFrame, tuple[str, ...]]:  # fmt: skip
    """Silence rows of each side that has none published, and the recordings that training has heard."""
    by_side = _noise_by_side(split, noise, seed)
    if way in ("recordings", "kernel") and not by_side["train"]:
        notes.append(f"silence is generated noise: {len(noise)} noise recordings are too few to hold out whole ones")
        way = "generated"
    parts, heard = [], ()
    for side in SIDES:
        if side == "test" and official:
            continue
        n = _share(keyword_rows, side, share)
        rng = np.random.default_rng(derive_seed(seed, "silence", side))
        n_recorded = {"recordings": n, "kernel": n // 2}.get(way, 0)
        recorded = _stretches(by_side[side], noise, n_recorded, rng)
        made = [("zeros", 0, -1)] * (n - n_recorded) if way == "zeros" else _generated(n - n_recorded, rng)
        table = pd.DataFrame([*recorded, *made], columns=["path", "start", "stop"])
        table["clip"] = [f"{SILENCE}/{side}/{i:05d}" for i in range(len(table))]
        table["gain"] = 1.0 if way in ("kernel", "zeros") else rng.uniform(*GAIN, len(table)).round(4)
        table["peak"] = way == "kernel"
        table["word"] = table["label"] = SILENCE
        parts.append(table.assign(speaker="", side=side))
        heard = by_side["train"] if n_recorded else heard
    if heard:
        kept = {side: len(files) for side, files in by_side.items() if not (official and side == "test")}
        notes.append(
            "silence: noise recordings held out whole, " + ", ".join(f"{n} {side}" for side, n in kept.items())
        )
    return pd.concat(parts, ignore_index=True), heard


def _stretches(files: Sequence[str], noise: Noise, n: int, rng: np.random.Generator) -> list[tuple[str, int, int]]:
    """``n`` stretches of a second, at drawn places of drawn recordings."""
    rows = []
    for i in rng.integers(len(files), size=n) if n else ():
        path = files[i]
        samples, rate = noise[path]
        length = min(int(SECONDS * rate), samples)
        start = int(rng.integers(samples - length + 1))
        rows.append((path, start, start + length))
    return rows


def _generated(n: int, rng: np.random.Generator) -> list[tuple[str, int, int]]:
    """``n`` clips of coloured noise, the colours in turn."""
    return [(f"generated:{COLORS[i % len(COLORS)]}:{rng.integers(2**31)}", 0, -1) for i in range(n)]


def _official(
    clips: pd.DataFrame, words: Sequence[str], notes: list[str], heard: bool, unknown: str, silence: str
) -> pd.DataFrame:
    """The official test set's rows: whole, less the keywords that the scheme does not keep."""
    label = clips["official_label"].replace({"_unknown_": UNKNOWN, "_silence_": SILENCE})
    keep = label.isin([*words, *([UNKNOWN] if unknown != "none" else []), *([SILENCE] if silence != "none" else [])])
    dropped = sorted(label[~keep].unique())
    if dropped:
        notes.append(f"official test set: {keep.sum():,} of {len(clips):,} clips, without {', '.join(dropped)}")
    else:
        notes.append(f"official test set: whole, {len(clips):,} clips")
    if (label[keep] == SILENCE).any():
        more = ", which training has heard; accuracy without silence stands beside" if heard else ""
        notes.append(f"its silence was cut from the corpus's own noise recordings{more}")
    return _rows(clips[keep], label)


def _targets(
    rows: pd.DataFrame, labels: Sequence[str], by_word: bool
) -> tuple[tuple[str, ...], tuple[int, ...], np.ndarray]:
    """What is trained on, the label of each, and each row's target: int64 (n,).

    An unknown word that training never heard has the first unknown target: it only matters for the label it belongs to.
    """
    unknown = (rows["label"] == UNKNOWN).to_numpy()
    aims = rows["label"].to_numpy(object).copy()
    if by_word:
        aims[unknown] = "word:" + rows["word"].to_numpy(object)[unknown]
    heard = sorted(set(aims[unknown & (rows["side"] == "train").to_numpy()]))
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
