"""Google's Speech Commands, v0.01 and v0.02, and the official 12-label test sets.

Source: P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", arXiv 1804.03209.

    speech_commands_v0.01/<word>/<speaker>_nohash_<n>.<wav|flac|opus|ogg>
                         /_background_noise_/*.<wav|flac|…>
                         /validation_list.txt, testing_list.txt     (or <data root>/lists/v0.01/…)
    train/audio/<word>/…                                            (the Kaggle layout)
    speech_commands_test_set_v0.02/<label>/…                        (the official test set)
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent

SUFFIXES = (".wav", ".flac", ".opus", ".ogg")
NOISE = "_background_noise_"
LICENCE = "CC BY 4.0"
KAGGLE = ("train/audio", "audio", "tensorflow-speech-recognition-challenge/train/audio")


def load(root: Path, *, progress: Progress = silent) -> Corpus:
    """Whichever of the versions is there: v0.02, v0.01, then the Kaggle layout (which is v0.01)."""
    for version in ("0.02", "0.01"):
        if _folder(root, version):
            return _load(root, version)
    raise _absent(root, "speech_commands_v0.02", [root / "speech_commands_v0.02", root / "speech_commands_v0.01"])


def load_v1(root: Path, *, progress: Progress = silent) -> Corpus:
    """Version 0.01: 64,727 clips of 30 words, when whole."""
    return _load(root, "0.01")


def load_v2(root: Path, *, progress: Progress = silent) -> Corpus:
    """Version 0.02: 105,829 clips of 35 words, when whole."""
    return _load(root, "0.02")


def _absent(root: Path, name: str, looked: list[Path]) -> UserError:
    places = ", ".join(str(path) for path in looked)
    todo = (
        f"run: kwsbench data fetch {name} --data {root}; or point --data or KWSBENCH_DATA at the folder that holds it"
    )
    return UserError(f"{name} is not there (looked for {places})", todo=todo)


def _candidates(root: Path, version: str) -> list[Path]:
    own = f"speech_commands_v{version}"
    found = [root / own]
    found += [root / own / inner for inner in KAGGLE]
    if version == "0.01":
        found += [root / inner for inner in KAGGLE]
    if root.name == own or (version in root.name and (root / NOISE).is_dir()):
        found.append(root)
    return found


def _folder(root: Path, version: str) -> Path | None:
    """The folder with a folder a word."""
    for path in _candidates(root, version):
        # recordings, not folders: where the Kaggle layout lies below, "train" is a folder but no word
        if path.is_dir() and any(not word.startswith("_") for word, _ in _clips_below(path)):
            return path
    return None


def _clips_below(folder: Path) -> Iterator[tuple[str, str]]:
    """(folder name, file name) of every recording one level down, sorted."""
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.is_dir() and not entry.name.startswith("."):
            names = [file.name for file in os.scandir(entry.path) if file.name.lower().endswith(SUFFIXES)]
            yield from ((entry.name, name) for name in sorted(names) if not name.startswith("."))


def speaker_of(name: str) -> str:
    """The speaker of ``<speaker>_nohash_<n>.wav``, the part before ``_nohash_``; "" where there is none."""
    head, mark, _ = name.partition("_nohash_")
    return head if mark else ""


def _load(root: Path, version: str) -> Corpus:
    name = f"speech_commands_v{version}"
    folder = _folder(root, version)
    if folder is None:
        raise _absent(root, name, _candidates(root, version)[:2])
    rows = [(word, file) for word, file in _clips_below(folder) if not word.startswith("_")]
    clips = pd.DataFrame(
        {
            "clip": [f"{word}/{file}" for word, file in rows],
            "path": [f"{folder}/{word}/{file}" for word, file in rows],
            "word": [word for word, _ in rows],
            "speaker": [speaker_of(file) for _, file in rows],
        }
    )
    lists = _lists(root, folder, version)
    if lists:
        clips["side"] = _sides_from(clips["clip"], lists)
    noise = tuple(sorted(p for p in (folder / NOISE).glob("*") if p.suffix.lower() in SUFFIXES))
    opus = sum(file.endswith(".opus") for _, file in rows)
    notes = (f"Opus-coded: {opus:,} of the {len(rows):,} clips of {name}",) if opus else ()
    return Corpus(name, clips, noise, LICENCE, notes=notes)


def _lists(root: Path, folder: Path, version: str) -> Path | None:
    """The folder of the official lists: in the corpus, beside its audio (Kaggle), or in the data root's lists."""
    for place in (folder, folder.parent, root / "lists" / f"v{version}"):
        if (place / "testing_list.txt").is_file() and (place / "validation_list.txt").is_file():
            return place
    return None


def _sides_from(clips: pd.Series, lists: Path) -> pd.Series:
    """The official side of each clip; names are compared without their ending, for clips may have been coded anew."""
    stems = clips.str.rsplit(".", n=1).str[0]
    sides = pd.Series("train", index=clips.index)
    for side, file in (("validation", "validation_list.txt"), ("test", "testing_list.txt")):
        names = {line.strip().rsplit(".", 1)[0] for line in (lists / file).read_text().splitlines() if line.strip()}
        sides[stems.isin(names)] = side
    return sides


def read_test_set(folder: Path) -> pd.DataFrame:
    """The clips of an official test set: ``clip, path, word, speaker, side, official_label``.

    Files below ``_unknown_`` are ``<word>_<speaker>_nohash_<n>.wav.wav``: word and speaker are read off the name. Files
    below ``_silence_`` have no speaker.
    """
    rows = []
    for label, file in _clips_below(folder):
        if label == "_silence_":
            word, speaker = "silence", ""
        elif label == "_unknown_":
            word, _, rest = file.partition("_")
            speaker = speaker_of(rest)
        else:
            word, speaker = label, speaker_of(file)
        rows.append((f"official_test/{label}/{file}", f"{folder}/{label}/{file}", word, speaker, "test", label))
    return pd.DataFrame(rows, columns=["clip", "path", "word", "speaker", "side", "official_label"])


def add_official_test(corpus: Corpus, root: Path) -> Corpus:
    """The corpus with the official test set's clips appended, side "test", whole.

    The set of the corpus's own version, or the only one that is there (v0.02's for v0.01's clips is said in a note).
    """
    if not corpus.name.startswith("speech_commands"):
        raise UserError(f"{corpus.name} has no official test set", "splits: test", "leave test: official out")
    version = corpus.name.rsplit("_v", 1)[-1]
    other = "0.02" if version == "0.01" else "0.01"
    found = [v for v in (version, other) if (root / f"speech_commands_test_set_v{v}").is_dir()]
    if not found:
        name = f"speech_commands_test_set_v{version}"
        raise _absent(root, name, [root / name])
    folder = root / f"speech_commands_test_set_v{found[0]}"
    test = read_test_set(folder)
    if not len(test):
        raise UserError(f"no recordings in {folder}", todo="unpack the archive again")
    own = corpus.clips.assign(official_label="")
    note = f"tested on {folder.name}, published apart from {corpus.name}"
    clips = pd.concat([own, test], ignore_index=True)
    clips["side"] = clips["side"].fillna("") if "side" in clips else ""
    notes = (*corpus.notes, note)
    return Corpus(corpus.name, clips, corpus.noise, corpus.licence, corpus.synthetic, notes)
