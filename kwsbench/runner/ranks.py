"""Runs the missing cells of a study with all processes that ``torchrun`` has started, one cell after the other.

A network is trained by all of them together; any other model by rank 0, while the others wait. Rank 0 alone plans,
writes and speaks. Cells run within the processes, so that limits of time and memory are not kept, and a cell that fails
ends the run: the ranks of a broken group cannot meet again.
"""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

from kwsbench.models import model_class
from kwsbench.models.network import Network
from kwsbench.neural import ranks
from kwsbench.progress import TerminalProgress, silent
from kwsbench.runner.environment import cores, describe_machine, find_device
from kwsbench.runner.local import Planned, identity, job_of, plan, work_name
from kwsbench.runner.worker import failure, work_on

if TYPE_CHECKING:
    from kwsbench.sound import Places
    from kwsbench.store import Record, Store
    from kwsbench.study import Study


def run_by_ranks(
    study: Study, store: Store, places: Places, *, device: str = "auto", scalars: bool = False
) -> list[Record] | None:
    """Run what is missing; the records of all cells of the study in rank 0, None in the others.

    Parameters
    ----------
    device : "auto", "cpu" or "cuda". scalars : write the course of trainings for TensorBoard.
    """
    device = find_device(device)
    ranks.join(device)
    try:
        if ranks.number():
            missing, threads = ranks.agreed(None)
            _run_all(missing, study, store, places, device, threads, scalars)
            return None
        with store.locked():
            planned = plan(study, store, places)
            missing = [p for p in planned if not store.has(p.name, p.key)]
            print(f"{len(missing)} cells to run by {ranks.size()} processes each", flush=True)
            threads = max(1, cores() // ranks.size())
            ranks.agreed((missing, threads))
            _run_all(missing, study, store, places, device, threads, scalars)
            return [record for p in planned if (record := store.record(p.name)) is not None]
    finally:
        ranks.leave()


def _run_all(
    missing: list[Planned], study: Study, store: Store, places: Places, device: str, threads: int, scalars: bool
) -> None:
    first = ranks.number() == 0
    environment = describe_machine(device) | {"jobs": 1, "threads": threads, "processes": ranks.size()}
    for planned in missing:
        together = issubclass(model_class(planned.cell.model), Network)
        if first or together:
            job = job_of(planned, study, store, places, device, threads, scalars)
            progress = TerminalProgress() if first else None
            begun = time.monotonic()
            try:
                record = work_on(job, progress or silent, keeps=first)
            except Exception as error:
                record = failure(error)
            if progress:
                progress.close()
                usage = resource.getrusage(resource.RUSAGE_SELF)
                counted = {
                    "peak_mb": usage.ru_maxrss / 1024,
                    "cpu_s": usage.ru_utime + usage.ru_stime,
                    "wall_s": time.monotonic() - begun,
                }
                found = identity(planned, study) | {"environment": environment} | record | counted
                store.put_record(planned.name, found)
                print(f"{planned.name}: {found['status']} {found['reason']}".rstrip(), flush=True)
            if record.get("status", "ok") != "ok":
                raise SystemExit(1)
        ranks.agreed(None)
        if first:
            store.clear_work(work_name(planned))
