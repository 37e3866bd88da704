"""The clips that the models of a task find the hardest: broken, mislabelled, or what is not understood yet."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from kwsbench.report.rows import TASK
from kwsbench.report.verdict import Verdict

MOST = 30
FLOOR = 0.5  # share of the best accuracy below which a model, such as a floor, tells nothing of clips


def hardest_clips(verdict: Verdict, most: int = MOST) -> pd.DataFrame:
    """``fold, clip, speaker, label, right, surprise, answers``, the hardest first; none that every model has right.

    ``right`` is the share of models (and seeds) that had the clip right, ``surprise`` the mean of −ln posterior of its
    label, in nats; ``answers`` counts the wrong ones. The order is by both.
    """
    best = verdict.rows[verdict.best].values["accuracy"]
    able = [row for row in verdict.rows if row.values["accuracy"] >= FLOOR * best]
    tables = [row.measured.clips for row in able if row.measured is not None]
    first = tables[0]
    right = np.mean([table["correct"].to_numpy() for table in tables], axis=0)
    surprise = np.mean([table["loss"].to_numpy() for table in tables], axis=0)
    found = pd.DataFrame(
        {
            "fold": first["fold"],
            "clip": first["clip"].str.partition("\t")[2],
            "speaker": first["speaker"],
            "label": first["label"],
            "right": right,
            "surprise": surprise,
        }
    )
    order = np.lexsort([-surprise, right])[:most]
    found = found.iloc[order[right[order] < 1]].copy()
    answers = [[table["predicted"].iloc[i] for table in tables] for i in found.index]
    found["answers"] = [_wrong(given, label) for given, label in zip(answers, found["label"], strict=True)]
    return found.reset_index(drop=True)


def _wrong(answers: list[str], label: str) -> str:
    """ "no 3, silence 1": how many models gave each wrong answer, with their first seed."""
    counted = Counter(answer for answer in answers if answer != label)
    return ", ".join(f"{answer} {n}" for answer, n in counted.most_common())


def hardest_table(found: Mapping[tuple[str, str, str], Verdict]) -> pd.DataFrame:
    """The hardest clips of every task, the task before each."""
    parts = [
        hardest_clips(verdict).drop(columns="fold").assign(corpus=corpus, labels=labels, split=split)
        for (corpus, labels, split), verdict in found.items()
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=pd.Index(TASK))
    return table[[*TASK, *(name for name in table if name not in TASK)]]
