"""Multilingual Spoken Words Corpus: words cut from Common Voice, one second each, in 50 languages.

Source: M. Mazumder et al., "Multilingual Spoken Words Corpus", NeurIPS 2021 (datasets and benchmarks).

    [mswc/]<language>/clips/<word>/<file>.opus
    [mswc/]<language>/<language>_splits.csv     columns SET, LINK, WORD, VALID, SPEAKER, GENDER
"""

import difflib
from pathlib import Path

import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent

COLUMNS = ("SET", "LINK", "WORD", "SPEAKER")
SIDES = {"TRAIN": "train", "DEV": "validation", "TEST": "test"}


def load(
    root: Path,
    *,
    language: str = "en",
    words: tuple[str, ...] = (),
    min_clips: int = 0,
    progress: Progress = silent,
) -> Corpus:
    """The clips of one language, with the corpus's own sides.

    Parameters
    ----------
    language : as the corpus's folders are called.
    words : only these; none given: every word whose folder is there.
    min_clips : words with fewer clips are left out.
    """
    folder, table = _places(root, language)
    there = {path.name for path in (folder / "clips").iterdir() if path.is_dir()}
    rows = _read(table)
    notes = [f"Multilingual Spoken Words Corpus, language {language}; Opus-coded"]
    _check_words(words, set(rows["WORD"]), there, table)
    wanted = set(words) if words else there
    left_out = set(rows["WORD"]) - there
    if left_out and not words:
        notes.append(f"{len(left_out):,} words of {table.name} have no folder below clips and are left out")
    rows = rows[rows["WORD"].isin(wanted)]
    counts = rows["WORD"].value_counts()
    rows = rows[rows["WORD"].map(counts) >= min_clips].sort_values("LINK", ignore_index=True)
    if not len(rows):
        raise UserError(f"no word has {min_clips} clips", str(table), "lower min_clips or name other words")
    clips = pd.DataFrame(
        {
            "clip": rows["LINK"],
            "path": f"{folder}/clips/" + rows["LINK"],
            "word": rows["WORD"],
            "speaker": rows["SPEAKER"],
            "side": rows["SET"].map(SIDES),
        }
    )
    return Corpus("mswc", clips, licence="CC BY 4.0", notes=tuple(notes))


def _places(root: Path, language: str) -> tuple[Path, Path]:
    """The language's folder and its table of splits, which is published as an archive of its own."""
    folders = [root / "mswc" / language, root / language]
    folder = next((path for path in folders if (path / "clips").is_dir()), None)
    if folder is None:
        looked = ", ".join(str(path / "clips") for path in folders)
        todo = "unpack the language's audio there, or point --data or KWSBENCH_DATA at the folder that holds mswc"
        raise UserError(f"mswc has no clips of language {language!r} (looked for {looked})", todo=todo)
    name = f"{language}_splits.csv"
    tables = [folder / name, folder.parent / name]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        raise UserError(f"{name} is not there", str(folder), "unpack the language's splits archive there")
    return folder, table


def _read(table: Path) -> pd.DataFrame:
    # no default missing values: "null" and "nan" are words
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    missing = [column for column in COLUMNS if column not in rows]
    if missing:
        found = ", ".join(rows.columns)
        raise UserError(f"no column {', '.join(missing)}", str(table), f"there are: {found}; unpack the archive again")
    wrong = rows.index[~rows["SET"].isin(SIDES)]
    if len(wrong):
        where = f"{table}:{wrong[0] + 2}"
        raise UserError(f"SET is {rows['SET'][wrong[0]]!r}", where, f"it has to be one of {', '.join(SIDES)}")
    return rows


def _check_words(words: tuple[str, ...], listed: set[str], there: set[str], table: Path) -> None:
    for word in words:
        if word not in listed:
            near = difflib.get_close_matches(word, listed, n=3)
            todo = f"did you mean {', '.join(near)}?" if near else "name words of the corpus"
            raise UserError(f"no word {word!r}", str(table), todo)
        if word not in there:
            todo = "unpack it from the language's audio archive"
            raise UserError(f"the clips of {word!r} are not there", f"{table.parent}/clips", todo)
