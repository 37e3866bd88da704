"""Closed-set classification of clips: one true label and one predicted label a clip.

A table of predictions has the columns ``clip, speaker, label, predicted`` and one score column a label; ``speaker`` is
"" where no one speaks; scores are log posteriors or log likelihoods plus log priors, higher is better. Confusion
matrices have the truth in rows.

    accuracy                    clips predicted right / clips
    accuracy without silence    the same over clips whose true label is not silence
    recall of a label           its clips predicted right / its clips
    macro F1                    mean over labels in the truth of 2 · right / (true + predicted)
    worst speaker               lowest accuracy among speakers with enough clips
    unknown: heard, new         recall of unknown over clips of words with enough training clips, and of others
    log loss                    mean of −ln softmax(scores) at the true label, in nats
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from kwsbench.labels import HEARD_CLIPS
from kwsbench.silence import SILENCE

MIN_CLIPS = 10
COLUMNS = ("clip", "speaker", "label", "predicted")


class Worst(NamedTuple):
    """The speaker served worst: accuracy in 0..1 (NaN where nobody speaks), name, number of clips."""

    accuracy: float
    speaker: str
    n_clips: int


def score_cell(predictions: pd.DataFrame, labels: Sequence[str], *, min_clips: int = MIN_CLIPS) -> dict[str, Any]:
    """Every metric of one cell as plain numbers; NaN where a metric has no meaning.

    Parameters
    ----------
    predictions : ``clip, speaker, label, predicted`` and one score column a label.
    labels : what may be answered, in order.
    min_clips : clips a speaker needs to count as worst, unless no speaker has so many.

    Returns
    -------
    dict of accuracy, macro_f1, worst_speaker, worst_speaker_name, worst_speaker_clips, n_test, n_test_speakers,
    n_without_silence, accuracy_without_silence, log_loss, recall (label → value), confusion (labels × labels counts).

    Raises
    ------
    ValueError : see ``check_predictions``.
    """
    check_predictions(predictions, labels)
    truth, guess = label_indices(predictions, labels)
    correct = truth == guess
    speakers = predictions["speaker"].to_numpy(dtype=object)
    spoken = predictions["label"].to_numpy() != SILENCE
    confusion = confusion_matrix(truth, guess, len(labels))
    worst = worst_speaker(correct, speakers, min_clips)
    return {
        "accuracy": float(correct.mean()),
        "macro_f1": macro_f1(confusion),
        "worst_speaker": worst.accuracy,
        "worst_speaker_name": worst.speaker,
        "worst_speaker_clips": worst.n_clips,
        "n_test": len(predictions),
        "n_test_speakers": len(set(speakers) - {""}),
        "n_without_silence": int(spoken.sum()),
        "accuracy_without_silence": float(correct[spoken].mean()) if spoken.any() else float("nan"),
        "log_loss": log_loss(predictions[list(labels)].to_numpy(dtype=float), truth),
        "recall": dict(zip(labels, recall(confusion).tolist(), strict=True)),
        "confusion": confusion.tolist(),
    }


def rejection(right: np.ndarray, words: np.ndarray, training_clips: Mapping[Any, int]) -> dict[str, int]:
    """Clips of words that are no keywords, and how many of them were called unknown, by what training has heard.

    Parameters
    ----------
    right : bool (n,), of those clips. words : (n,), what is spoken in each.
    training_clips : word → how many clips of it were trained on; from ``HEARD_CLIPS`` on it counts as heard.

    Returns
    -------
    dict of heard, heard_right, new, new_right.
    """
    heard = np.array([training_clips.get(word, 0) >= HEARD_CLIPS for word in words], bool)
    return {
        "heard": int(heard.sum()),
        "heard_right": int(right[heard].sum()),
        "new": int((~heard).sum()),
        "new_right": int(right[~heard].sum()),
    }


def check_predictions(predictions: pd.DataFrame, labels: Sequence[str]) -> None:
    """Refuse a table that is no table of predictions over ``labels``.

    Raises
    ------
    ValueError : a column, a value, or all rows missing; a clip there twice; a label that is none; a row without a
        finite best score, or whose ``predicted`` is not the label of the best score.
    """
    absent = [name for name in (*COLUMNS, *labels) if name not in predictions.columns]
    if absent:
        raise ValueError(f"predictions lack the columns {', '.join(absent)}")
    if predictions.empty:
        raise ValueError("predictions have no rows")
    empty = [name for name in COLUMNS if predictions[name].isna().any()]
    if empty:
        raise ValueError(f"predictions have rows without {', '.join(empty)}; no speaker is written ''")
    twice = predictions["clip"][predictions["clip"].duplicated()]
    if len(twice):
        raise ValueError(f"clip {twice.iloc[0]} is predicted more than once")
    truth, guess = label_indices(predictions, labels)
    for name, index in (("label", truth), ("predicted", guess)):
        if (index < 0).any():
            raise ValueError(f"{name} {predictions[name][index < 0].iloc[0]!r} is none of {', '.join(labels)}")
    scores = predictions[list(labels)].to_numpy()
    best = scores.max(axis=1)  # NaN and +inf anywhere in a row show here; −inf for a label says that it is impossible
    bad = ~np.isfinite(best)
    if bad.any():
        raise ValueError(f"clip {predictions['clip'][bad].iloc[0]} has no finite best score")
    other = scores[np.arange(len(scores)), guess] != best
    if other.any():
        raise ValueError(f"clip {predictions['clip'][other].iloc[0]}: predicted is not the label of the best score")


def label_indices(predictions: pd.DataFrame, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted labels, int (n,) each, as positions in ``labels``; −1 for what is no label."""
    index = pd.Index(labels)
    return index.get_indexer(predictions["label"].array), index.get_indexer(predictions["predicted"].array)


def confusion_matrix(truth: np.ndarray, guess: np.ndarray, n_labels: int) -> np.ndarray:
    """int (n_labels, n_labels): clips of true label i (row) predicted as j (column)."""
    return np.bincount(truth * n_labels + guess, minlength=n_labels**2).reshape(n_labels, n_labels)


def recall(confusion: np.ndarray) -> np.ndarray:
    """float (n_labels,): share of each label's clips predicted right; NaN for a label without clips."""
    clips = confusion.sum(axis=1)
    return np.divide(np.diag(confusion), clips, out=np.full(len(clips), np.nan), where=clips > 0)


def macro_f1(confusion: np.ndarray) -> float:
    """Mean F1 over the labels that occur in the truth."""
    present = confusion.sum(axis=1) > 0
    f1 = 2 * np.diag(confusion)[present] / (confusion.sum(axis=1) + confusion.sum(axis=0))[present]
    return float(f1.mean())


def worst_speaker(correct: np.ndarray, speakers: np.ndarray, min_clips: int = MIN_CLIPS) -> Worst:
    """The lowest accuracy of a speaker with at least ``min_clips`` clips; of any speaker if none has so many.

    Parameters
    ----------
    correct : (n,) bool, or shares in 0..1.
    speakers : (n,) names; rows of "" belong to nobody.
    """
    named = speakers != ""
    if not named.any():
        return Worst(float("nan"), "", 0)
    codes, names = pd.factorize(speakers[named], sort=True)
    n_clips = np.bincount(codes)
    accuracy = np.bincount(codes, weights=np.asarray(correct, dtype=float)[named]) / n_clips
    enough = n_clips >= (min_clips if n_clips.max() >= min_clips else 1)
    worst = int(np.where(enough, accuracy, np.inf).argmin())  # of equals, the first by name
    return Worst(float(accuracy[worst]), str(names[worst]), int(n_clips[worst]))


def log_loss(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean of −ln softmax(scores)[truth], in nats; infinite where a true label was held impossible.

    Parameters
    ----------
    scores : float (n, n_labels), log posteriors up to a constant a row.
    truth : int (n,).
    """
    return float(-log_posteriors(scores)[np.arange(len(truth)), truth].mean())


def log_posteriors(scores: np.ndarray) -> np.ndarray:
    """ln softmax of each row, float (n, n_labels); −inf stays −inf."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
