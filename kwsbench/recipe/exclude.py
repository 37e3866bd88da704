"""Clips that a recipe leaves out: which, and from which sides."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kwsbench.errors import UserError

Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Exclude:
    """What a recipe may say of clips that are left out.

    Parameters
    ----------
    file : a list of clips: CSV whose first column is headed ``clip``, or text with one clip a line.
    clips : their names, in place of a file.
    sides : "train", "validation": the clips take no part there. "test": models answer all test clips, and the report
        has the accuracy with and without these clips, side by side; so a list never changes what is answered.
    """

    file: str | None = None
    clips: tuple[str, ...] | None = None
    sides: tuple[Side, ...] = SIDES

    def __post_init__(self) -> None:
        if (self.file is None) == (self.clips is None):
            raise UserError("expected a file, or clips", todo="exclude: list.csv")
        if self.clips == () or not self.sides:
            raise UserError("expected at least one of clips, and of sides", todo="or take exclude out")


def listed_clips(path: Path) -> tuple[str, ...]:
    """The clips that a file lists, each once, sorted; see ``Exclude``.

    Raises
    ------
    UserError : the file is absent, not UTF-8, or lists nothing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", todo="the path is relative to the recipe's folder") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text", todo="save it as UTF-8") from error
    lines = text.splitlines()
    if lines and lines[0].split(",")[0].strip('" ') == "clip":
        found = {row[0] for row in csv.reader(lines[1:]) if row}
    else:
        found = {line.strip() for line in lines}
    if not found - {""}:
        raise UserError(f"{path} lists no clip", todo="one a line, or CSV whose first column is headed clip")
    return tuple(sorted(found - {""}))
