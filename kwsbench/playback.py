"""What does a clip of a stored study sound like? From the record of its cell to the recording, found again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent
from kwsbench.seeds import fingerprint

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from kwsbench.sound import Places, Sound
    from kwsbench.store import Record
    from kwsbench.study import Cell


@dataclass
class Playback:
    """Calls up the test clips of records; each corpus and task is read once.

    Attributes
    ----------
    places : where the recordings are. progress : told how far reading them is.
    """

    places: Places
    progress: Progress = silent
    _sounds: dict[str, Sound] = field(default_factory=dict, repr=False)
    _rows: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)

    def __call__(self, record: Record, clip: str) -> tuple[np.ndarray, int] | None:
        """int16 (n_samples,) of a test clip and their rate in Hz; None: it is generated, there is no recording of it.

        Silence is the stretch of the noise recording that the task has cut, at its level there.

        Raises
        ------
        UserError : the corpus is not there, or is not the one that the record is of.
        """
        from kwsbench.features import Frontend
        from kwsbench.waves import Sources

        cell = _cell_of(record)
        sound = self._sound(cell)
        if clip in sound.recordings.table.index:
            return sound.recordings.samples(clip), int(sound.recordings.table["rate"][clip])
        rows = self._test_rows(record, cell, sound)
        if clip not in rows.index:
            raise _other_corpus(record, f"has no clip {clip}")
        row = rows.loc[[clip]].reset_index()
        if row["path"][0] not in set(sound.recordings.table["path"]):
            return None
        return Sources(row, sound.recordings, Frontend()).of_row(0)

    def _sound(self, cell: Cell) -> Sound:
        from kwsbench.tasks import sound_of

        name = fingerprint(cell.corpus, cell.corpus_settings, cell.split.get("test"))
        if name not in self._sounds:
            self._sounds[name] = sound_of(cell, self.places, self.progress)
        return self._sounds[name]

    def _test_rows(self, record: Record, cell: Cell, sound: Sound) -> pd.DataFrame:
        """Rows of the test side by clip; silence is drawn, so the task must be the very one."""
        from kwsbench.tasks import label_fold, plan_folds

        known = record["task"]["fingerprint"]
        if known not in self._rows:
            fold = next((fold for fold in plan_folds(cell, sound) if fold.name == cell.fold), None)
            task = label_fold(cell, fold, sound) if fold else None
            if task is None or task.fingerprint != known:
                raise _other_corpus(record, f"does not give task {known}")
            self._rows[known] = task.rows[task.rows["side"] == "test"].set_index("clip")
        return self._rows[known]


def _cell_of(record: Record) -> Cell:
    """The cell that a record is of, as far as its task goes."""
    from kwsbench.study import Cell

    parts, settings = record["parts"], record["settings"]
    asked = ("study_seed", "split", "labels", "train_labels", "limits")
    kept: dict[str, Any] = {name: settings[name] for name in asked}
    return Cell(
        corpus=parts["corpus"],
        corpus_settings=settings["corpus"],
        entry=parts["entry"],
        model=parts["model"],
        settings=settings["model"],
        frontend=settings["frontend"],
        setting=parts["setting"],
        seed=parts["seed"],
        fold=parts["fold"],
        **kept,
    )


def _other_corpus(record: Record, why: str) -> UserError:
    what = f"what lies there {why}: other recordings than those of the study"
    return UserError(what, record["parts"]["corpus"], "give --data the recordings that the study was run on")
