"""What is measured of a row of the comparison: a model on the pooled test side of a task, with one seed or several.

accuracy       mean over clips of (mean over seeds of right or wrong)
other metrics  of the pooled clips, then the mean over seeds
intervals      resample speakers; all models of a task alike
costs          means over folds and seeds, but the peak of memory, which is the highest
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.evaluate import score_cell
from kwsbench.evaluate.bootstrap import Resamples, accuracy_estimate
from kwsbench.evaluate.detection import Detection, detection
from kwsbench.evaluate.metrics import MIN_CLIPS, worst_speaker
from kwsbench.evaluate.quality import METRICS, contributions, estimates, reliability, speaker_table, worst_tenth
from kwsbench.evaluate.variance import split_errors
from kwsbench.labels import UNKNOWN
from kwsbench.silence import SILENCE
from kwsbench.store import Record

PHASES = ("train_s", "read_s", "features_s", "warmup_s", "score_s", "total_s")


@dataclass(frozen=True)
class Measured:
    """A model on the test side of a task.

    Attributes
    ----------
    values : column → value.
    clips : ``clip, fold, speaker, label, predicted, correct, loss``, by clip: what the first seed answered, the share
        of the seeds that had it right, and the mean of −ln posterior of its label.
    confusion : counts over all seeds, truth in rows.
    folds : fold → accuracy, mean over seeds.
    reliability, speakers : see ``evaluate.quality``.
    detection : of the first seed; None where no label is a keyword.
    resamples : what the intervals were drawn with.
    """

    values: dict[str, Any]
    clips: pd.DataFrame
    confusion: np.ndarray
    folds: dict[str, float]
    reliability: pd.DataFrame
    speakers: pd.DataFrame
    detection: Detection | None
    resamples: Resamples


def measure_seeds(
    seeds: Sequence[pd.DataFrame], labels: tuple[str, ...], resamples: Resamples, temperatures: Sequence[float] = ()
) -> Measured:
    """Of the predictions of each seed, with a column ``fold``; the same clips in the same order in all.

    Parameters
    ----------
    resamples : of the clips' speakers.
    temperatures : a seed's each, fitted on validation, where they are known.
    """
    first = seeds[0]
    right = np.stack([(seed["label"] == seed["predicted"]).to_numpy(dtype=float) for seed in seeds], 1)
    parts = [contributions(seed, labels) for seed in seeds]
    losses = np.mean([part.columns[:, 0] for part in parts], axis=0)
    clips = first[["clip", "fold", "speaker", "label", "predicted"]].assign(correct=right.mean(1), loss=losses)
    metrics = [score_cell(seed, labels) for seed in seeds]
    detected = [detection(seed, labels) for seed in seeds if set(labels) - {UNKNOWN, SILENCE}]
    by_fold = clips.groupby("fold", sort=False)["correct"].mean()
    speakers = speaker_table(clips["correct"].to_numpy(), clips["speaker"].to_numpy())
    values = {
        "n_test": len(clips),
        "n_test_speakers": len(speakers),
        **_accuracy(right, clips, resamples),
        **_others(estimates(parts, resamples)),
        "accuracy_without_silence": float(np.mean([found["accuracy_without_silence"] for found in metrics])),
        **_served(clips, speakers),
        **_detected(detected),
        **_calibrated(seeds, labels, temperatures),
    }
    return Measured(
        values,
        clips,
        np.sum([found["confusion"] for found in metrics], axis=0),
        {str(fold): float(accuracy) for fold, accuracy in by_fold.items()},
        reliability(parts),
        speakers,
        detected[0] if detected else None,
        resamples,
    )


def _accuracy(right: np.ndarray, clips: pd.DataFrame, resamples: Resamples) -> dict[str, float]:
    found = accuracy_estimate(clips["correct"].to_numpy(), resamples)
    by_seed = right.mean(0)
    errors = split_errors(right, clips["speaker"].to_numpy(dtype=object), clips["fold"].to_numpy())
    return {
        "accuracy": found.value,
        "accuracy_low": found.low,
        "accuracy_high": found.high,
        "accuracy_sd_seeds": float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else float("nan"),
        **{f"error_{source}": value for source, value in errors._asdict().items()},
    }


def _others(found: dict[str, Any]) -> dict[str, float]:
    """Each metric, and its limits beside it."""
    return {
        f"{name}{suffix}": value
        for name, one in found.items()
        for suffix, value in (("", one.value), ("_low", one.low), ("_high", one.high))
        if name != "ece" or not suffix
    }


def _served(clips: pd.DataFrame, speakers: pd.DataFrame) -> dict[str, Any]:
    """How those are served who are served worst."""
    worst = worst_speaker(clips["correct"].to_numpy(), clips["speaker"].to_numpy(dtype=object))
    return {
        "worst_speaker": worst.accuracy,
        "worst_speaker_name": worst.speaker,
        "worst_tenth": worst_tenth(speakers, MIN_CLIPS),
    }


def _detected(seeds: Sequence[Detection]) -> dict[str, float]:
    """Equal error rate of all keywords at one threshold, and the mean of each alone; means over seeds."""
    if not seeds:
        return {}
    alone = [
        np.mean([curve.equal_error for curve in seed.keywords.values() if curve.n_positives] or [np.nan])
        for seed in seeds
    ]
    overall = [seed.overall.equal_error for seed in seeds]
    return {"equal_error": float(np.mean(overall)), "keyword_equal_error": float(np.mean(alone))}


def _calibrated(
    seeds: Sequence[pd.DataFrame], labels: tuple[str, ...], temperatures: Sequence[float]
) -> dict[str, float]:
    """Log loss and calibration error of scores divided by the temperature fitted on validation; means over seeds."""
    if len(temperatures) != len(seeds) or not np.isfinite(temperatures).all():
        return {}
    names = list(labels)
    cooled = [seed.assign(**seed[names].astype(float) / t) for seed, t in zip(seeds, temperatures, strict=True)]
    sums = [(part.columns.sum(0), part.metrics) for part in (contributions(table, labels) for table in cooled)]
    found = {
        f"{name}_calibrated": float(np.mean([METRICS[name](total[slice(*where[name])]) for total, where in sums]))
        for name in ("log_loss", "ece")
    }
    return {"temperature": float(np.mean(temperatures)), **found}


def rejection(records: list[Record]) -> dict[str, float]:
    """Shares of the clips of unknown words that are called unknown: of words heard in training, of new ones."""
    return _rejected([record["rejection"] for record in records if "rejection" in record], "unknown")


def on_validation(records: list[Record]) -> dict[str, float]:
    """What settings are chosen by, where all of the records say it: accuracy of validation clips, and ``rejection``."""
    found = [record["validation"] for record in records if "validation" in record]
    if not found or len(found) < len(records):
        return {}
    apart = _rejected([one["rejection"] for one in found if "rejection" in one], "validation_unknown")
    return {"validation_accuracy": float(np.mean([one["accuracy"] for one in found])), **apart}


def _rejected(counts: list[dict[str, int]], name: str) -> dict[str, float]:
    found = pd.DataFrame(counts)
    return {
        f"{name}_{kind}": float(found[f"{kind}_right"].sum() / found[kind].sum())
        for kind in ("heard", "new")
        if len(found) and found[kind].sum()
    }


def unseen_words(records: list[Record]) -> tuple[str, ...]:
    """The labels that a model was only told how to spell: no clip of them was heard before the test."""
    return tuple(dict.fromkeys(word for record in records for word in _labels(record).get("unseen") or ()))


def _labels(record: Record) -> dict[str, Any]:
    return record.get("settings", {}).get("labels") or {}


def vocabulary(clips: pd.DataFrame, unseen: Sequence[str]) -> dict[str, float]:
    """Accuracy on the labels heard in training, and on those that are ``unseen``; without these nothing."""
    new = clips["label"].isin(unseen)
    if not new.any():
        return {}
    by_kind = clips["correct"].groupby(np.where(new, "accuracy_unseen", "accuracy_seen")).mean()
    return {str(kind): float(accuracy) for kind, accuracy in by_kind.items()}


def costs(records: list[Record]) -> dict[str, Any]:
    """What training and scoring took, and how large the model is."""
    timings = pd.DataFrame([record["timings"] for record in records])
    sizes = {"model_bytes": [record["cost"].get("bytes") for record in records]}
    int8 = [record["int8"] for record in records if "int8" in record]
    if int8:
        sizes["int8_bytes"] = [found["bytes"] for found in int8]
    return {
        **{name: round(np.mean(values)) for name, values in sizes.items() if None not in values},
        **({"int8_accuracy": float(np.mean([found["accuracy"] for found in int8]))} if int8 else {}),
        "params": round(np.mean([record["cost"]["params"] for record in records])),
        "macs": round(np.mean([record["cost"]["macs"] for record in records])),
        "ms_per_clip": float(np.mean([record["ms_per_clip"] for record in records])),
        "peak_mb": float(max(record["peak_mb"] for record in records)),
        **{name: float(timings[name].mean()) for name in PHASES if name in timings},
        **{name: float(np.mean([record[name] for record in records])) for name in ("cpu_s", "gpu_s")},
        **_energy(records),
    }


def _energy(records: list[Record]) -> dict[str, float]:
    """Means over the cells, of what was counted in all of them."""
    counted = [record.get("energy", {}) for record in records]
    return {
        name: float(np.mean([found[key] for found in counted]))
        for name, key in (("train_j", "train_j"), ("mj_per_clip", "score_mj_per_clip"))
        if all(found.get(key) is not None for found in counted)
    }
