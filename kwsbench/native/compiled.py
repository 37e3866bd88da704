"""How the passes are compiled, kept on disk and run side by side."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, njit, types
from numba.core.caching import FunctionCache

intrinsic: Any = extending.intrinsic  # to the eyes of a type checker, what it makes takes a typing context too


@cache
def _sources(folder: Path) -> str:
    """A digest of the files in a folder, and of those here."""
    files = sorted({path for place in (folder, Path(__file__).parent) for path in place.glob("*.py")})
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


class _Cache(FunctionCache):
    """Compiled code on disk, compiled anew when any file beside it changes: numba looks at a function's own alone."""

    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        self._beside = _sources(Path(function.__code__.co_filename).parent)

    def _index_key(self, sig: Any, codegen: Any) -> tuple:
        return (*super()._index_key(sig, codegen), self._beside)


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


def _side_by_side(task: Callable, jobs: int, args: tuple) -> None:
    """``task(job, *args)`` for every job, each in a thread of its own; here, where a thread has not come to it by then.

    numba's parallel loops would compile each pass four times, and their threads wait by keeping a core busy.
    """
    others = [_crew(jobs - 1, os.getpid()).submit(task, job, *args) for job in range(1, jobs)]
    task(0, *args)
    for job, other in enumerate(others, 1):
        if other.cancel():  # its core is busy with something else
            task(job, *args)
        else:
            other.result()


def in_shares(task: Callable, jobs: int, *args: object) -> None:
    """``task(job, jobs, *args)`` for every job: each has a share of the work that does not depend on chance."""
    _side_by_side(task, jobs, (jobs, *args))


def in_turns(task: Callable, jobs: int, *args: object) -> None:
    """``task(job, turns, *args)`` for every job: whoever is ready takes the next piece of work, see ``next_turn``."""
    _side_by_side(task, jobs, (np.zeros(1, np.int64), *args))


@intrinsic
def next_turn(typing: Any, turns: Any) -> Any:
    """0, 1, 2, …: each to one of the threads that ask."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(turns), build
