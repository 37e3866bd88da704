"""How the passes are compiled, kept on disk and run side by side."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


class _Cache(FunctionCache):
    """Compiled code on disk, compiled anew when any file here changes: numba looks at a function's own file alone."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple:
        return (*super()._index_key(sig, codegen), SOURCES)


def compiled(function: Callable) -> Any:
    """The function as machine code, which runs beside Python's threads."""
    dispatcher: Any = njit(nogil=True, error_model="numpy")(function)
    dispatcher._cache = _Cache(function)
    return dispatcher


inlined = njit(inline="always")


@cache
def _crew(size: int, process: int) -> ThreadPoolExecutor:
    """Threads that wait for work; a forked process has none of its parent's."""
    return ThreadPoolExecutor(size, thread_name_prefix="passes")


def in_jobs(task: Callable, jobs: int, *args: object) -> None:
    """``task(job, jobs, *args)`` for every job, each in a thread of its own.

    numba's parallel loops would compile each pass four times, and their threads wait by keeping a core busy.
    """
    others = [_crew(jobs - 1, os.getpid()).submit(task, job, jobs, *args) for job in range(1, jobs)]
    task(0, jobs, *args)
    for other in others:
        other.result()
