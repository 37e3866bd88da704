"""Which labels are wrong? Clips on which a classifier that never heard the speaker disagrees, and is sure.

Confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR
70, 2021, arXiv 1911.00068), as the authors' library cleanlab does it:

    p̂(x)          probabilities of the words, from a classifier trained on the other folds (``word_classifier``)
    t_j            threshold of a word: mean of p̂_j(x) over the clips labelled j
    C[i, j]        confident joint: clips labelled i whose largest p̂ among those above their thresholds is j's
    issue          prune by noise rate: of every pair i ≠ j as many clips as C says (scaled to the labels' counts),
                   those with the largest margin p̂_j(x) − p̂_i(x)
    order          by the probability of the given label (self-confidence), the lowest first
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kwsbench.errors import UserError
from kwsbench.explore.material import Material
from kwsbench.explore.word_classifier import METHOD, cross_validated, outline
from kwsbench.seeds import derive_seed

MIN_CLIPS = 30  # of a word; below, a fold may hold nearly all of them
FOLDS, MANY = 5, 10_000  # folds; of more clips than this, 3 do: each training has enough, and it takes its time
COLUMNS = ("clip", "word", "speaker", "suggested", "probability", "suggested_probability", "margin", "issue")


@dataclass(frozen=True)
class Answers:
    """What a classifier says of clips that it was not trained on.

    Attributes
    ----------
    clips : ``clip, word, speaker``, a row a clip that was answered.
    words : of the columns of ``probabilities``, float32 (n, words).
    n_folds : of the cross-validation; ``apart``: "speaker" or "clip", what is in one fold.
    accuracy, log_loss : of the answers by the given labels; a share, and nats a clip.
    left_out : word → clips, where there are too few of them, or one speaker.
    method : the classifier, in words.
    """

    clips: pd.DataFrame
    words: tuple[str, ...]
    probabilities: np.ndarray
    n_folds: int
    apart: str
    accuracy: float
    log_loss: float
    left_out: dict[str, int]
    method: str


def out_of_fold(material: Material, folds: int | None = None, min_clips: int = MIN_CLIPS) -> Answers | None:
    """Answers by cross-validation, a speaker in one fold; None where fewer than two words have enough clips.

    Without speakers, or with one, clips are dealt to folds by themselves: the classifier then knows the voice.
    """
    clips = material.clips[["clip", "word", "speaker"]]
    if "official_label" in material.clips:  # silence is no word
        clips = clips[material.clips["official_label"] != "_silence_"]
    known = set(clips["speaker"]) - {""}
    apart = "speaker" if len(known) > 1 else "clip"
    counts = clips["word"].value_counts()
    enough = counts >= min_clips
    if apart == "speaker":
        said_by = clips.groupby("word")["speaker"].nunique()
        enough &= said_by[counts.index] > 1
    left_out = {str(word): int(n) for word, n in counts[~enough].sort_index().items()}
    clips = clips[clips["word"].isin(counts.index[enough])].reset_index(drop=True)
    words, labels = np.unique(clips["word"].to_numpy(dtype=str), return_inverse=True)
    if len(words) < 2:
        return None
    outlines = np.stack(material.measure("outlines of words", outline, clips["clip"].tolist()))
    groups = np.arange(len(clips)) if apart == "clip" else pd.factorize(_somebody(clips))[0]
    wanted = folds or (FOLDS if len(clips) <= MANY else 3)
    n_folds = min(wanted, len(np.unique(groups)))
    fold = _folds(labels, groups, n_folds, derive_seed(material.seed, "label errors", "folds"))
    probabilities = cross_validated(
        outlines, labels, fold, derive_seed(material.seed, "label errors", "fit"), material.workers, material.progress
    )
    given = probabilities[np.arange(len(labels)), labels]
    return Answers(
        clips,
        tuple(map(str, words)),
        probabilities,
        n_folds,
        apart,
        float((probabilities.argmax(1) == labels).mean()),
        float(-np.log(np.maximum(given, 1e-12)).mean()),
        left_out,
        METHOD,
    )


def _somebody(clips: pd.DataFrame) -> np.ndarray:
    """The speaker of each clip; where nobody is known, the clip itself."""
    return np.where(clips["speaker"] == "", "\t" + clips["clip"], clips["speaker"])


def _folds(labels: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """int (n,): whole groups, dealt so that every fold has about as many clips of each label."""
    counts = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(counts, (groups, labels), 1)
    shares = counts / counts.sum(0)
    drawn = np.random.default_rng(seed).permutation(len(counts))
    filled, fold = np.zeros((n_folds, counts.shape[1])), np.zeros(len(counts), int)
    for group in drawn[np.argsort(-counts[drawn].sum(1), kind="stable")]:
        fold[group] = np.argmin(filled @ shares[group] + 1e-9 * filled.sum(1))
        filled[fold[group]] += shares[group]
    return fold[groups]


def label_errors(material: Material, answers: Answers | None = None) -> pd.DataFrame:
    """Every clip that was answered, those with an issue first, the least probable label at the top.

    Parameters
    ----------
    answers : of ``out_of_fold``, which is called where there are none.

    Returns
    -------
    ``clip, word, speaker, suggested`` (the most probable word), ``probability`` of the given word,
    ``suggested_probability``, ``margin`` (the largest probability of another word less that of the given one, −1..1),
    ``issue``: bool.

    Raises
    ------
    UserError : cleanlab is not installed.
    """
    answers = answers or out_of_fold(material)
    if answers is None:
        return pd.DataFrame({name: pd.Series(dtype=bool if name == "issue" else object) for name in COLUMNS})
    probabilities = answers.probabilities.astype(float)
    labels = np.searchsorted(answers.words, answers.clips["word"].to_numpy(dtype=str))
    given = probabilities[np.arange(len(labels)), labels]
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    best = probabilities.argmax(1)
    table = answers.clips.assign(
        suggested=np.asarray(answers.words, object)[best],
        probability=given,
        suggested_probability=probabilities.max(1),
        margin=others.max(1) - given,
        issue=issues(labels, probabilities),
    )
    return table.sort_values(["issue", "probability", "clip"], ascending=[False, True, True], ignore_index=True)[
        list(COLUMNS)
    ]


def can_be_found() -> bool:
    """Is cleanlab installed?"""
    return importlib.util.find_spec("cleanlab") is not None


def issues(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """bool (n,): labels int (n,) that are in doubt by out-of-sample probabilities (n, labels), pruned by noise rate.

    Raises
    ------
    UserError : cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise UserError("label errors are found by cleanlab", todo="pip install 'kwsbench[explore]'") from error
    found: np.ndarray = find_label_issues(labels, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
    return found
