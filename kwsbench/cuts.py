"""How much of a side is kept: of training for studies of how much a recogniser needs, of any less clips in a list.

Fewer speakers are always among more, and fewer clips of a word among more: points of a curve differ by what was added.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from kwsbench.errors import UserError
from kwsbench.seeds import derive_seed


def cut_training(
    sides: pd.Series, clips: pd.DataFrame, where: str, speakers: int | str, a_word: int | str, seed: int
) -> pd.Series:
    """The sides without the training clips that the settings ``train_speakers`` and ``train_clips`` leave out.

    Parameters
    ----------
    sides : clip → side. clips : ``word, speaker`` of each. where : what a message names.
    speakers, a_word : how many speakers, and clips of each word, are kept; "all" keeps all.
    seed : of the draws.

    Raises
    ------
    UserError : more speakers than there are.
    """
    training = clips.loc[sides.index[sides == "train"]]
    kept = training
    if isinstance(speakers, int):
        order = _speakers_in_order(training, derive_seed(seed, "train_speakers"))
        if speakers > len(order):
            todo = f"give at most {len(order):,}, or all"
            raise UserError(f"train_speakers is {speakers:,} of {len(order):,} on the training side", where, todo)
        kept = kept[kept["speaker"].isin(order[:speakers])]
    if isinstance(a_word, int):
        drawn = np.random.default_rng(derive_seed(seed, "train_clips")).permutation(training.index)
        kept = kept.loc[[clip for clip in drawn if clip in kept.index]]
        kept = kept[kept.groupby("word").cumcount() < a_word]
    return sides[(sides != "train") | sides.index.isin(kept.index)]


def leave_out(sides: pd.Series, clips: Mapping[str, Collection[str]]) -> pd.Series:
    """The sides (clip → side) without the clips that are on a side which is to go without them (side → clips)."""
    gone = [(sides == side) & sides.index.isin(list(named)) for side, named in clips.items()]
    return sides[~np.logical_or.reduce(gone)] if gone else sides


def _speakers_in_order(clips: pd.DataFrame, seed: int) -> list[str]:
    """Every speaker of these clips, as ``train_speakers`` takes them: see ``make_splits``."""
    clips_of = pd.crosstab(clips["speaker"], clips["word"])
    drawn = np.random.default_rng(seed).permutation(len(clips_of))
    says, weight = clips_of.to_numpy()[drawn] > 0, clips_of.to_numpy().sum(0)
    first: list[int] = []
    lacking = np.ones(len(weight), bool)
    while lacking.any():
        first.append(int(np.argmax(says[:, lacking] @ weight[lacking])))
        lacking &= ~says[first[-1]]
    rest = np.delete(np.arange(len(drawn)), first)
    return clips_of.index[drawn[[*first, *rest]]].tolist()
