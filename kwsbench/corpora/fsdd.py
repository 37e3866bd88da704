"""Free Spoken Digit Dataset: ten digits, six speakers, 50 takes, 8 kHz.

Source: Z. Jackson et al., "Free Spoken Digit Dataset". Layout: ``[fsdd/]recordings/<digit>_<speaker>_<n>.wav``.
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
    """All clips; words are spelt out (zero to nine)."""
    folder = next((root / place for place in PLACES if (root / place).is_dir()), None)
    if folder is None:
        looked = ", ".join(str(root / place) for place in PLACES)
        todo = "put the dataset's recordings folder there, or point --data or KWSBENCH_DATA at the folder that holds it"
        raise UserError(f"fsdd is not there (looked for {looked})", todo=todo)
    found = ((path, NAME.fullmatch(path.name)) for path in sorted(folder.iterdir()))
    rows = [(path.name, str(path), DIGITS[int(match[1])], match[2]) for path, match in found if match]
    if not rows:
        raise UserError("no recordings named <digit>_<speaker>_<n>.wav", str(folder), "check what was unpacked there")
    clips = pd.DataFrame(rows, columns=["clip", "path", "word", "speaker"])
    return Corpus("fsdd", clips, licence="CC BY-SA 4.0")
