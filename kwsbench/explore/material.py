"""What is explored: the sound recordings of a corpus, and a pass over them in several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.audio import FULL_SCALE, resample
from kwsbench.progress import Progress, silent
from kwsbench.recordings import Recordings, available_cores
from kwsbench.seeds import derive_seed
from kwsbench.sound import Places, Sound, read_sound

RATE = 16000
BATCH = 250  # clips a process measures at a time


@dataclass(frozen=True)
class Material:
    """A corpus to look at.

    Attributes
    ----------
    sound : its recordings, less those that cannot be used.
    seed : of everything that is drawn by chance.
    progress : told how far each pass is.
    workers : processes; default one a core.
    """

    sound: Sound
    seed: int = 2017
    progress: Progress = silent
    workers: int = field(default_factory=available_cores)

    @property
    def clips(self) -> pd.DataFrame:
        """``clip, path, word, speaker`` and what else the corpus knows, a row a recording."""
        return self.sound.corpus.clips

    def rng(self, purpose: str) -> np.random.Generator:
        """Chance of its own for each purpose, so that one analysis never moves another's."""
        return np.random.default_rng(derive_seed(self.seed, self.sound.corpus.name, purpose))

    def sample(self, purpose: str, a_word: int) -> pd.DataFrame:
        """At most ``a_word`` clips of each word, drawn by chance, in the corpus's order."""
        rng = self.rng(purpose)
        kept = [
            rows if len(rows) <= a_word else rng.choice(rows, a_word, replace=False)
            for rows in self.clips.groupby("word", sort=True).indices.values()
        ]
        return self.clips.iloc[np.sort(np.concatenate(kept))] if kept else self.clips

    def signal(self, clip: str, rate: int | None = RATE) -> np.ndarray:
        """float32 (n_samples,) in [−1, 1) at ``rate`` Hz; None: the recording's own."""
        return _signal(self.sound.recordings, clip, rate)

    def measure(
        self,
        what: str,
        one: Callable[[np.ndarray, int], Any],
        clips: Sequence[str] | None = None,
        rate: int | None = RATE,
    ) -> list[Any]:
        """``one(signal, rate)`` of every clip, in order, over several processes.

        Parameters
        ----------
        what : is said by the progress.
        one : a function of a module (it is pickled): float32 (n_samples,) in [−1, 1), Hz → anything small.
        clips : default all.
        rate : Hz that signals are resampled to; None: as recorded.
        """
        names = list(self.clips["clip"] if clips is None else clips)
        batches = [names[i : i + BATCH] for i in range(0, len(names), BATCH)]
        work = partial(_batch, self.sound.recordings, one, rate)
        found: list[Any] = []
        for batch in self._answers(work, batches):
            found += batch
            self.progress(what, len(found), len(names), f"{len(found):,} of {len(names):,} clips")
        return found

    def _answers(self, work: Callable[[list[str]], list[Any]], batches: list[list[str]]) -> Iterator[list[Any]]:
        if self.workers == 1 or len(batches) <= 2:
            yield from map(work, batches)
            return
        # spawned, not forked: the threads of this process's libraries do not survive a fork
        with ProcessPoolExecutor(min(self.workers, len(batches)), mp_context=get_context("spawn")) as pool:
            yield from pool.map(work, batches)


def open_corpus(
    name: str, data: str | Path = "", *, official_test: bool = False, seed: int = 2017, **settings: Any
) -> Material:
    """A corpus to look at, in a notebook: ``open_corpus("fsdd", "data")``.

    Parameters
    ----------
    name : as recipes name it.
    data : folder with the corpora; default ``KWSBENCH_DATA``, else ``data`` in the user's cache folder.
    official_test : with its official test set.
    settings : the corpus's own.

    Raises
    ------
    UserError : the corpus is not there, or not as its layout says.
    """
    from kwsbench.runner.local import default_cache

    root = Path(data or os.environ.get("KWSBENCH_DATA") or default_cache() / "data").absolute()
    return Material(read_sound(name, Places(root, default_cache()), settings, official_test=official_test), seed)


def _batch(
    recordings: Recordings, one: Callable[[np.ndarray, int], Any], rate: int | None, clips: list[str]
) -> list[Any]:
    rates = recordings.table["rate"]
    return [one(_signal(recordings, clip, rate), rate or int(rates[clip])) for clip in clips]


def _signal(recordings: Recordings, clip: str, rate: int | None) -> np.ndarray:
    samples = recordings.samples(clip).astype(np.float32) / FULL_SCALE
    own = int(recordings.table["rate"][clip])
    return samples if rate is None else resample(samples, own, rate)
