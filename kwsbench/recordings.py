"""Which recordings are sound, and what is in them? Every file of a corpus is decoded once, into a cache.

The cache of a corpus is a folder with ``samples.int16`` (all samples one after the other, memory-mapped) and
``table.parquet``; its name is a hash over names, sizes and times of the files, so a changed file makes a new one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from kwsbench.audio import BadRecording, read_clip
from kwsbench.corpora import Corpus
from kwsbench.progress import Progress, silent

VERSION = 1
BATCH = 500  # files a worker decodes at a time
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
        row = self.table.loc[clip]
        size = int(row["n_samples"])
        if not size:
            raise BadRecording(row["path"], row["error"])
        return np.memmap(self.folder / "samples.int16", np.int16, "r", offset=2 * int(row["offset"]), shape=(size,))

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


def read_recordings(
    corpus: Corpus, cache: Path, *, progress: Progress = silent, workers: int | None = None
) -> Recordings:
    """Decode what is not in the cache yet.

    Parameters
    ----------
    cache : folder for caches of corpora; the corpus's own is made in it.
    workers : processes; default one a core.
    """
    clips = [*corpus.clips["clip"], *(f"{NOISE}{path.name}" for path in corpus.noise)]
    paths = [*corpus.clips["path"], *(str(path) for path in corpus.noise)]
    folder = cache / f"{corpus.name}-{_state(clips, paths)}"
    if not (folder / "table.parquet").is_file():
        _decode(clips, paths, folder, progress, workers)
    return Recordings(pd.read_parquet(folder / "table.parquet"), folder)


def _state(clips: list[str], paths: list[str]) -> str:
    """A hash over names, sizes and times: changes when any file does."""
    digest = hashlib.sha256(str(VERSION).encode())
    for clip, path in zip(clips, paths, strict=True):
        try:
            found = os.stat(path)
            about = f"{clip} {path} {found.st_size} {found.st_mtime_ns}\n"
        except FileNotFoundError:
            about = f"{clip} {path} absent\n"
        digest.update(about.encode())
    return digest.hexdigest()[:16]


def _decode(clips: list[str], paths: list[str], folder: Path, progress: Progress, workers: int | None) -> None:
    """Fill a folder beside the final one and rename it when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        rows, offset = [], 0
        with (unfinished / "samples.int16").open("wb") as file:
            for samples, row in _decoded(paths, workers):
                file.write(samples)
                rows.append((*row, offset))
                offset += row[1]
                progress("reading recordings", len(rows), len(paths))
        table = pd.DataFrame(rows, columns=["sha256", "n_samples", "rate", "error", "offset"])
        table.insert(0, "path", paths)
        table.index = pd.Index(clips, name="clip")
        table.to_parquet(unfinished / "table.parquet")
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / "table.parquet").is_file():  # else another process has made the same meanwhile
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _decoded(paths: list[str], workers: int | None) -> Iterator[tuple[bytes, tuple[str, int, int, str]]]:
    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    if len(batches) == 1:
        yield from _read_batch(paths)
        return
    n = workers or os.cpu_count() or 1
    with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
        for batch in pool.map(_read_batch, batches):
            yield from batch


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
