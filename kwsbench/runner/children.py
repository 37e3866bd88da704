"""A worker process seen from the run: started, watched, ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kwsbench.runner.worker import OUTCOME

MEMORY_LOOK_S = 0.5


@dataclass
class Child:
    """One cell at work."""

    name: str
    work: Path
    minutes: float
    memory_mb: float
    process: subprocess.Popen[bytes]
    begun: float
    latest: tuple[str, float, float, str] = ("starting", 0, 0, "")
    phase_begun: tuple[float, float] = (0.0, 0.0)  # when the present phase was first heard of, and how far it was then
    peak_mb: float = 0.0
    stopped: str = ""  # why the run ended it: "timeout" or "out-of-memory"
    _looked: float = 0.0
    _reader: threading.Thread | None = field(default=None, repr=False)

    def follow(self) -> None:
        """Read the worker's progress lines until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            phase, done, total, detail = json.loads(line)
            if phase != self.latest[0]:
                self.phase_begun = (time.monotonic(), done)
            self.latest = (phase, done, total, detail)

    def seconds_left(self) -> float | None:
        """Of the present phase, by what it has done since it was first heard of (a fit may go on where one stopped)."""
        _, done, total, _ = self.latest
        since, before = self.phase_begun
        return (time.monotonic() - since) * (total - done) / (done - before) if total and done > before else None

    def look(self) -> None:
        """Note the memory of the worker and its own children; end it past its limits."""
        now = time.monotonic()
        if now - self._looked < MEMORY_LOOK_S or self.stopped:
            return
        self._looked = now
        self.peak_mb = max(self.peak_mb, memory_of(self.process.pid))
        if self.memory_mb and self.peak_mb > self.memory_mb:
            self.stop("out-of-memory")
        elif self.minutes and now - self.begun > 60 * self.minutes:
            self.stop("timeout")

    def stop(self, why: str) -> None:
        """End the worker and whatever it started."""
        self.stopped = why
        end_tree(self.process.pid)

    def ended(self) -> dict[str, Any] | None:
        """The record of a worker that has ended, with what the system counted for it; None while it is at work."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid == 0:
            return None
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self._reader:
            self._reader.join(timeout=5)
        unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
        self.peak_mb = max(self.peak_mb, usage.ru_maxrss * unit / 2**20)
        record = self._outcome()
        record["peak_mb"] = self.peak_mb
        record["cpu_s"] = usage.ru_utime + usage.ru_stime
        record["wall_s"] = time.monotonic() - self.begun
        return record

    def _outcome(self) -> dict[str, Any]:
        path = self.work / OUTCOME
        if self.stopped:
            limit = f"{self.minutes:g} min" if self.stopped == "timeout" else f"{self.memory_mb:.0f} MB"
            return {"status": self.stopped, "reason": f"passed its limit of {limit}", "traceback": self._log()}
        if path.exists():
            return json.loads(path.read_text())
        code = self.process.returncode
        if code == -signal.SIGKILL:
            reason = "killed from outside (signal 9), as a system short of memory does"
        elif code < 0:
            reason = f"ended by signal {-code} ({signal.Signals(-code).name})"
        else:
            reason = f"ended with exit code {code} before it had a result"
        return {"status": "failed", "reason": reason, "traceback": self._log()}

    def _log(self) -> str:
        log = self.work / "log.txt"
        return log.read_text(errors="replace")[-4000:] if log.exists() else ""


def start_child(job: dict[str, Any], minutes: float, memory_mb: float) -> Child:
    """Start a worker on a job (see ``worker.main``)."""
    work = Path(job["work"])
    (work / OUTCOME).unlink(missing_ok=True)
    threads = str(job["threads"])
    libraries = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(libraries, threads)
    with (work / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kwsbench.runner.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
    child = Child(job["name"], work, minutes, memory_mb, process, time.monotonic())
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it ended already; ``ended`` tells how
    child._reader = threading.Thread(target=child.follow, daemon=True)
    child._reader.start()
    return child


def memory_of(pid: int) -> float:
    """MiB of resident memory of a process and its descendants; 0 when it is gone."""
    import psutil

    try:
        family = [psutil.Process(pid)]
        family += family[0].children(recursive=True)
    except psutil.Error:
        return 0.0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue  # ended between the two looks
    return total / 2**20


def end_tree(pid: int) -> None:
    """Kill a process and its descendants."""
    import psutil

    try:
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.Error:
        return
    for process in family:
        try:
            process.kill()
        except psutil.Error:
            continue
