"""Anybody's own recordings: any tree of files plus a table that says who says what.

The manifest is CSV, TSV or Parquet, with the columns ``path`` (below the folder, or absolute) and ``word``, and, where
known, ``speaker``, ``side`` (train, validation, test or empty) and ``fold`` (a whole number).
"""

import difflib
from pathlib import Path

import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent

NEEDED = ("path", "word")
OPTIONAL = ("speaker", "side", "fold")
MANIFESTS = ("manifest.csv", "manifest.tsv", "manifest.parquet")
SIDES = ("train", "validation", "test", "")
OTHER_NAMES = {"dev": "validation", "val": "validation", "eval": "test", "training": "train"}
SUFFIXES = (".wav", ".flac", ".opus", ".ogg")


def load(root: Path, *, path: str = "", manifest: str = "", noise: str = "", progress: Progress = silent) -> Corpus:
    """The clips of a manifest. Files that are not there are found, and counted, when recordings are read.

    Parameters
    ----------
    path : the folder, below the data root or absolute.
    manifest : below the folder, or absolute; "": manifest.csv, .tsv or .parquet, whichever is there.
    noise : folder with long recordings without words, below the folder or absolute; "": none.
    """
    folder = (root / path).absolute()
    if not folder.is_dir():
        todo = "give it absolute, or relative to the data root"
        raise UserError(f"no folder {folder}", "corpora: folder: path", todo)
    table = _find(folder, manifest)
    rows = _read(table)
    _check_columns(rows, table)
    rows = rows.apply(lambda column: column.str.strip())  # blanks around a word would make another word of it
    names = pd.Series([Path(name).as_posix() for name in rows["path"]], rows.index)
    _check_once(names, table)
    clips = pd.DataFrame(
        {
            "clip": names,
            "path": [str(folder / name) for name in rows["path"]],
            "word": rows["word"],
            "speaker": rows.get("speaker", ""),
        }
    )
    if "side" in rows:
        clips["side"] = _sides(rows["side"], table)
    if "fold" in rows:
        clips["fold"] = _folds(rows["fold"], table)
    return Corpus("folder", clips, _noise(folder, noise), "as its owner says")


def _find(folder: Path, manifest: str) -> Path:
    """The manifest that is asked for, or the one that is there."""
    names = [manifest] if manifest else MANIFESTS
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) > 1:
        todo = f"name one with manifest:, or leave one of {', '.join(path.name for path in found)}"
        raise UserError("more than one manifest there", str(folder), todo)
    if not found:
        todo = "write one with the columns path, word, speaker; or name yours with manifest:"
        raise UserError("no manifest there", str(folder / names[0]), todo)
    return found[0]


def _read(table: Path) -> pd.DataFrame:
    """All columns as text, "" where nothing is written."""
    if table.suffix.lower() == ".parquet":
        try:
            rows = pd.read_parquet(table)
        except (OSError, ValueError) as e:
            raise UserError(f"cannot be read: {e}", str(table), "write it anew") from e
        whole = rows.select_dtypes("float").columns  # whole numbers with gaps come as 1.0
        rows[whole] = rows[whole].convert_dtypes()
        return rows.astype("string").fillna("").astype(object)
    separator = "\t" if table.suffix.lower() in (".tsv", ".tab") else ","
    try:
        # no default missing values: "null" and "nan" are words; utf-8-sig: spreadsheets put a mark in front
        return pd.read_csv(table, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as e:
        raise UserError(f"cannot be read: {e}", str(table), "save it as UTF-8 text, one clip a line") from e


def _line(table: Path, row: int) -> str:
    """Where a row stands, as an editor counts."""
    return f"{table}, row {row + 1}" if table.suffix.lower() == ".parquet" else f"{table}:{row + 2}"


def _check_columns(rows: pd.DataFrame, table: Path) -> None:
    present = [str(column) for column in rows.columns]
    others = [column for column in present if column not in (*NEEDED, *OPTIONAL)]
    for column in NEEDED:
        if column not in present:
            lowered = {other.strip().lower(): other for other in others}
            near = difflib.get_close_matches(column, lowered, n=1)
            hint = f"rename {lowered[near[0]]!r} to {column!r}; " if near else ""
            raise UserError(f"no column {column!r}", str(table), f"{hint}there are: {', '.join(present)}")
    if not len(rows):
        raise UserError("no clips in it", str(table), "write a row for every recording")
    for column in NEEDED:
        empty = rows.index[rows[column].str.strip() == ""]
        if len(empty):
            raise UserError(f"{column} is empty", _line(table, empty[0]), "fill it in or delete the row")


def _check_once(names: pd.Series, table: Path) -> None:
    again = names.index[names.duplicated()]
    if len(again):
        first = names.index[names == names[again[0]]][0]
        todo = f"keep one row for a recording; the first is {_line(table, first)}"
        raise UserError(f"path {names[again[0]]} is named twice", _line(table, again[0]), todo)


def _sides(sides: pd.Series, table: Path) -> pd.Series:
    wrong = sides.index[~sides.isin(SIDES)]
    if len(wrong):
        side = sides[wrong[0]]
        near = difflib.get_close_matches(side.strip().lower(), (*SIDES[:3], *OTHER_NAMES), n=1)
        hint = f"did you mean {OTHER_NAMES.get(near[0], near[0])}? " if near else ""
        todo = f"{hint}It has to be train, validation, test or empty"
        raise UserError(f"side is {side!r}", _line(table, wrong[0]), todo)
    return sides


def _folds(folds: pd.Series, table: Path) -> pd.Series:
    wrong = folds.index[~folds.str.fullmatch(r"\d+")]
    if len(wrong):
        todo = "give every clip a fold, a whole number from 0, or leave the column out"
        raise UserError(f"fold is {folds[wrong[0]]!r}", _line(table, wrong[0]), todo)
    return folds.astype(int)


def _noise(folder: Path, noise: str) -> tuple[Path, ...]:
    if not noise:
        return ()
    place = folder / noise
    if not place.is_dir():
        raise UserError(f"no folder {place}", "corpora: folder: noise", f"give it absolute, or relative to {folder}")
    found = tuple(sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES))
    if not found:
        todo = f"put some there ({', '.join(SUFFIXES)}) or leave noise: out"
        raise UserError("no recordings there", str(place), todo)
    return found
