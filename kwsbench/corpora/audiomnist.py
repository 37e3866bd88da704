"""AudioMNIST: ten digits, 60 speakers, 50 takes, 48 kHz, with five published folds of twelve speakers.

Source: S. Becker et al., "Interpreting and Explaining Deep Neural Networks for Classification of Audio Signals",
arXiv 1807.03418. Layout: ``[audiomnist/]data/<speaker>/<digit>_<speaker>_<n>.wav``.
"""

import re
from pathlib import Path

import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.corpora.fsdd import DIGITS
from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent

NAME = re.compile(r"(\d)_(\d+)_(\d+)\.(wav|flac|ogg|opus)", re.IGNORECASE)
PLACES = ("audiomnist/data", "AudioMNIST/data", "data")
# the speakers that the authors' n-th split for digits tests; the ones before them, cyclically, validate there
FOLDS = (
    (5, 13, 18, 22, 26, 32, 33, 42, 45, 51, 52, 60),
    (1, 6, 7, 16, 19, 23, 28, 34, 35, 46, 53, 56),
    (2, 8, 9, 17, 24, 29, 36, 37, 39, 48, 54, 57),
    (3, 10, 14, 20, 25, 30, 38, 40, 43, 49, 55, 58),
    (4, 11, 12, 15, 21, 27, 31, 41, 44, 47, 50, 59),
)
FOLD_OF = {speaker: fold for fold, speakers in enumerate(FOLDS) for speaker in speakers}


def load(root: Path, *, progress: Progress = silent) -> Corpus:
    """All clips; words are spelt out (zero to nine); ``fold`` is the published fold, 0 to 4."""
    folder = next((root / place for place in PLACES if (root / place).is_dir()), None)
    if folder is None:
        looked = ", ".join(str(root / place) for place in PLACES)
        todo = "put the dataset's data folder there, or point --data or KWSBENCH_DATA at the folder that holds it"
        raise UserError(f"audiomnist is not there (looked for {looked})", todo=todo)
    rows = []
    for path in sorted(folder.glob("*/*")):
        match = NAME.fullmatch(path.name)
        if not match:
            continue
        if int(match[2]) not in FOLD_OF:
            raise UserError(f"speaker {match[2]} is in no published fold", str(path), "AudioMNIST's are 01 to 60")
        clip = f"{path.parent.name}/{path.name}"
        rows.append((clip, str(path), DIGITS[int(match[1])], match[2], FOLD_OF[int(match[2])]))
    if not rows:
        todo = "check what was unpacked there"
        raise UserError("no recordings <speaker>/<digit>_<speaker>_<n>.wav", str(folder), todo)
    clips = pd.DataFrame(rows, columns=["clip", "path", "word", "speaker", "fold"])
    return Corpus("audiomnist", clips, licence="MIT")
