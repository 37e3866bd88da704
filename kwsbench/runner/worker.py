"""The process in which one cell runs: a job on standard input, progress on standard output, the outcome in the store.

Standard input stays open as long as the run lives; when it closes, the worker ends at once, so that a killed run
leaves nobody at work behind it.
"""

import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from kwsbench.errors import UserError
from kwsbench.progress import Progress
from kwsbench.store import Store, jsonable, write_whole

OUTCOME = "outcome.json"


class PipeProgress:
    """Sends progress as JSON lines, at most five a second for each phase."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._sent: dict[str, float] = {}

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        now = time.monotonic()
        if now - self._sent.get(phase, -1.0) < 0.2 and done < total:
            return
        self._sent[phase] = now
        self.stream.write(json.dumps([phase, float(done), float(total), detail]) + "\n")
        self.stream.flush()


def end_with_the_run() -> None:
    """Leave when standard input closes: the run that started this worker is gone."""
    sys.stdin.buffer.read()
    os._exit(143)


def work_on(job: dict[str, Any], progress: Progress, keeps: bool = True) -> dict[str, Any]:
    """Run the job's cell; predictions and weights go to the store where it ``keeps`` them, the record comes back."""
    import torch

    from kwsbench.cell import run_cell
    from kwsbench.sound import Places
    from kwsbench.study import Cell

    torch.set_num_threads(job["threads"])
    store = Store(Path(job["results"]))
    cell = Cell(**job["cell"])
    places = Places(Path(job["data"]), Path(job["cache"]))
    name = job["name"]
    outcome = run_cell(
        cell,
        places,
        device=job["device"],
        threads=job["threads"],
        progress=progress,
        work=Path(job["work"]),
        scalars=Path(job["scalars"]) if job["scalars"] else None,
    )
    if not keeps:
        return outcome.record
    kept: dict[str, Any] = {"predictions_sha256": store.put_predictions(name, outcome.predictions)}
    if outcome.beside:
        kept["beside_sha256"] = store.put_beside(name, outcome.beside)
    if job["keep_models"]:
        outcome.model.save(store.models(name))
    gpu = job["device"].startswith("cuda")
    timings = outcome.record["timings"]
    return (
        outcome.record
        | kept
        | {
            "status": "ok",
            "gpu_s": timings["train_s"] + timings["score_s"] if gpu else 0.0,
            "gpu_peak_mb": torch.cuda.max_memory_allocated() / 2**20 if gpu else 0.0,
        }
    )


def failure(error: BaseException) -> dict[str, Any]:
    """The record of a cell that raised: its status, a line that says why, and the traceback."""
    out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return {
        "status": "out-of-memory" if out_of_memory else "failed",
        "reason": reason,
        "traceback": traceback.format_exc(),
    }


def main() -> int:
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to the log, not between the progress lines
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=end_with_the_run, daemon=True).start()
    try:
        record = work_on(job, PipeProgress(pipe))
    except (Exception, SystemExit) as error:  # a cell's failure is recorded, whatever it is
        record = failure(error)
    write_whole(Path(job["work"]) / OUTCOME, json.dumps(jsonable(record)).encode())
    return 0 if record["status"] == "ok" else 1


if __name__ == "__main__":
    sys.exit(main())
