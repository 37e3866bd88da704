"""Which recordings are sound, and what is in them? Every file of a corpus is decoded once, into a cache.

The cache of a corpus is a folder with ``samples.int16`` (all samples one after the other, memory-mapped) and
``table.parquet``; its name is a hash over names, sizes and times of the files, so a changed file makes a new one.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from kwsbench.audio import BadRecording, read_clip
from kwsbench.cache import made_once
from kwsbench.corpora import Corpus
from kwsbench.errors import UserError
from kwsbench.progress import Progress, silent
from kwsbench.seeds import fingerprint

VERSION = 3
BATCH = 250  # files a worker decodes at a time
NOISE = "_noise_/"


@dataclass(frozen=True)
class Recordings:
    """What is known of every recording of a corpus, noise included (as "_noise_/<file name>").

    Attributes
    ----------
    table : index ``clip``; ``path``, ``sha256`` of the decoded samples and rate, ``n_samples``, ``rate`` in Hz,
        ``offset`` into the samples, ``error`` ("" where sound).
    folder : of the cache.
    """

    table: pd.DataFrame
    folder: Path

    def samples(self, clip: str) -> np.ndarray:
        """int16 (n_samples,) at the file's own rate: a view of the memory-mapped cache."""
        i = self.table.index.get_loc(clip)
        path, error, start, size = (self.table[name].iloc[i] for name in ("path", "error", "offset", "n_samples"))
        if error:
            raise BadRecording(str(path), str(error))
        return self.all_samples()[start : start + size]

    def all_samples(self) -> np.ndarray:
        """int16: every recording one after the other; ``offset`` and ``n_samples`` of the table lead into it."""
        path = self.folder / "samples.int16"
        if not path.stat().st_size:
            return np.zeros(0, np.int16)
        return np.memmap(path, np.int16, "r")

    @property
    def bad(self) -> list[tuple[str, str, str]]:
        """(clip, path, reason) of what cannot be used."""
        wrong = self.table[self.table["error"] != ""]
        return list(zip(wrong.index, wrong["path"], wrong["error"], strict=True))

    @property
    def fingerprint(self) -> str:
        """Over what is in the recordings and what they are called; not over where they lie."""
        rows = self.table[["sha256", "error"]].sort_index()
        return fingerprint(rows.to_csv())


def read_recordings(
    corpus: Corpus, cache: Path, *, progress: Progress = silent, workers: int | None = None
) -> Recordings:
    """Decode what is not in the cache yet.

    Parameters
    ----------
    cache : folder for caches of corpora; the corpus's own is made in it.
    workers : processes; default one a core.

    Raises
    ------
    UserError : two noise recordings of one name.
    """
    names = Counter(path.name for path in corpus.noise)
    if twice := [name for name, n in names.items() if n > 1]:
        raise UserError(f"two noise recordings are named {twice[0]}", corpus.name, "give each a name of its own")
    clips = [*corpus.clips["clip"], *(f"{NOISE}{path.name}" for path in corpus.noise)]
    paths = [*corpus.clips["path"], *(str(path) for path in corpus.noise)]
    folder = cache / f"{corpus.name}-{_state(corpus, clips, paths)}"
    decode = partial(_decode, clips, paths, progress=progress, workers=workers or available_cores())
    return Recordings(pd.read_parquet(made_once(folder, decode) / "table.parquet"), folder)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _state(corpus: Corpus, clips: list[str], paths: list[str]) -> str:
    """A hash over the corpus and its files' names, sizes and times: changes when any file does."""
    digest = hashlib.sha256(f"{VERSION} {corpus.fingerprint}\n".encode())
    for clip, path in zip(clips, paths, strict=True):
        try:
            found = os.stat(path)
            about = f"{clip} {path} {found.st_size} {found.st_mtime_ns}\n"
        except OSError:  # absent, or in a folder that cannot be entered
            about = f"{clip} {path} absent\n"
        digest.update(about.encode())
    return digest.hexdigest()[:16]


def _decode(clips: list[str], paths: list[str], folder: Path, *, progress: Progress, workers: int) -> None:
    """Fill a cache folder."""
    rows: list[tuple[str, int, int, str, int]] = []
    offset = n_bad = 0
    with (folder / "samples.int16").open("wb") as file:
        for samples, row in _decoded(paths, workers):
            file.write(samples)
            rows.append((*row, offset))
            offset += row[1]
            n_bad += row[3] != ""
            counts = f"{len(rows):,} of {len(paths):,} files" + (f", {n_bad:,} cannot be used" if n_bad else "")
            progress("reading recordings", len(rows), len(paths), counts)
    table = pd.DataFrame(rows, columns=["sha256", "n_samples", "rate", "error", "offset"])
    table.insert(0, "path", paths)
    table.index = pd.Index(clips, name="clip")
    table.to_parquet(folder / "table.parquet")


def _decoded(paths: list[str], workers: int) -> Iterator[tuple[bytes, tuple[str, int, int, str]]]:
    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    if workers == 1 or len(batches) <= 1:
        for batch in batches:
            yield from _read_batch(batch)
        return
    # spawned, not forked: the threads of this process's libraries do not survive a fork
    with ProcessPoolExecutor(min(workers, len(batches)), mp_context=get_context("spawn")) as pool:
        for results in pool.map(_read_batch, batches):
            yield from results


def _read_batch(paths: list[str]) -> list[tuple[bytes, tuple[str, int, int, str]]]:
    """(samples, (sha256, n_samples, rate, error)) of each file."""
    results = []
    for path in paths:
        try:
            samples, rate = read_clip(path)
        except BadRecording as bad:
            results.append((b"", ("", 0, 0, bad.reason)))
            continue
        content = samples.tobytes()
        digest = hashlib.sha256(content + str(rate).encode()).hexdigest()
        results.append((content, (digest, len(samples), rate, "")))
    return results
