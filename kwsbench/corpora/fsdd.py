"""Free Spoken Digit Dataset: ten digits, six speakers, 50 takes, 8 kHz.

Source: Z. Jackson et al., "Free Spoken Digit Dataset". Layout: ``[fsdd/]recordings/<digit>_<speaker>_<n>.wav``. Its
authors test on takes 0 to 4 of the speakers who train (``splits: leaky_official``); takes 5 to 9 validate here.
"""

import re
from pathlib import Path

import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent

NAME = re.compile(r"(\d)_([^_]+)_(\d+)\.(wav|flac|ogg|opus)", re.IGNORECASE)
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PLACES = ("fsdd/recordings", "free-spoken-digit-dataset/recordings", "recordings")


def load(root: Path, *, progress: Progress = silent) -> Corpus:
    """All clips; words are spelt out (zero to nine), sides go by the take."""
    folder = next((root / place for place in PLACES if (root / place).is_dir()), None)
    if folder is None:
        looked = ", ".join(str(root / place) for place in PLACES)
        todo = "put the dataset's recordings folder there, or point --data or KWSBENCH_DATA at the folder that holds it"
        raise UserError(f"fsdd is not there (looked for {looked})", todo=todo)
    found = ((path, NAME.fullmatch(path.name)) for path in sorted(folder.iterdir()))
    rows = [
        (path.name, str(path), DIGITS[int(match[1])], match[2], _side(int(match[3]))) for path, match in found if match
    ]
    if not rows:
        raise UserError("no recordings named <digit>_<speaker>_<n>.wav", str(folder), "check what was unpacked there")
    clips = pd.DataFrame(rows, columns=["clip", "path", "word", "speaker", "side"])
    return Corpus("fsdd", clips, licence="CC BY-SA 4.0")


def _side(take: int) -> str:
    return "test" if take < 5 else "validation" if take < 10 else "train"
