"""Folders that are made once: whole or absent, by one process at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def made_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """``folder``, which ``fill`` has filled, now or earlier.

    It is filled under another name, written through to the disk and renamed, so that after a kill or a power cut it is
    whole or absent. Processes that want the same folder wait for the first; what a killed one left is cleared away.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f".{folder.name}.lock")
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    with _locked(lock):
        if folder.is_dir():
            return folder
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            fill(unfinished)
            for path in [*unfinished.iterdir(), unfinished]:
                _write_through(path)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _write_through(folder.parent)
        lock.unlink(missing_ok=True)  # only now: a process that waits on it finds the folder
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that goes with the process, however it ends."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_through(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
