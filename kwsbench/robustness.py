"""One cell's step after the test is scored: the same model's answers to corrupted copies of the test clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from kwsbench.corruptions import RECORDINGS, Corruption, Corruptions, NoiseBank
from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent

if TYPE_CHECKING:
    from kwsbench.clips import Clips

VERSION = 1


def possible(asked: Corruptions, bank: NoiseBank, seed: int) -> tuple[list[Corruption], list[str]]:
    """What is asked for, and sentences for under the table: without noise recordings there is no noise of them.

    Parameters
    ----------
    bank : noise recordings that are held out for the test.
    seed : of all draws, from axes that all models of a task share.

    Raises
    ------
    UserError : nothing is left.
    """
    found = [one for one in asked.conditions if one.name != RECORDINGS or bank.recordings]
    if not found:
        todo = "name a colour, or another corruption"
        raise UserError("no noise recording is held out for the test", "robustness.noises", todo)
    left_out = len(found) < len(asked.conditions)
    note = "No noise recording is held out for the test: robustness to noise of recordings is not measured."
    return [Corruption(one, seed, bank) for one in found], [note] * left_out


def answers(
    test: Clips,
    corruptions: Sequence[Corruption],
    answer: Callable[[Clips], pd.Series],
    folder: Path,
    progress: Progress = silent,
) -> pd.DataFrame:
    """``clip, condition, level, predicted``: every test clip under every condition, in their order.

    Parameters
    ----------
    answer : clips → label (n,) of each.
    folder : waveforms and features of one condition at a time lie there, mapped into memory as those of a side are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    for done, corruption in enumerate(corruptions):
        name, level = corruption.condition
        progress("robustness", done, len(corruptions), f"{name} {level:g}")
        with TemporaryDirectory(dir=folder, prefix="corrupted-") as scratch:
            predicted = answer(test.corrupted(corruption, Path(scratch))).to_numpy()
        clips = test.rows["clip"].to_numpy()
        tables.append(pd.DataFrame({"clip": clips, "condition": name, "level": level, "predicted": predicted}))
    progress("robustness", len(corruptions), len(corruptions))
    return pd.concat(tables, ignore_index=True)


def shares_right(table: pd.DataFrame, label: pd.Series) -> list[dict[str, Any]]:
    """``condition, level, accuracy`` of each condition.

    Parameters
    ----------
    table : of ``answers``.
    label : clip → what it is.
    """
    right = (table["predicted"] == table["clip"].map(label)).astype(float)
    shares = right.groupby([table["condition"], table["level"]], sort=False).mean().rename("accuracy").reset_index()
    return [dict(zip(shares.columns, values, strict=True)) for values in shares.itertuples(index=False)]
