"""How long work says how far it is: one callable, a bar on a terminal, plain lines elsewhere."""

import sys
import time
from typing import Protocol, TextIO


class Progress(Protocol):
    """``progress(phase, done, total, detail)``: called as often as the work likes; cheap."""

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None: ...


def silent(phase: str, done: float, total: float, detail: str = "") -> None:
    """Says nothing: the default of every function that takes a ``progress``."""


def clock(seconds: float) -> str:
    """Seconds as a person reads them: 42 s, 3 min 05 s, 2 h 10 min."""
    s = int(round(max(seconds, 0)))
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    return f"{s // 3600} h {s % 3600 // 60:02d} min"


class TerminalProgress:
    """Draws each phase with time left, from two seconds on.

    A terminal gets one line redrawn in place; a file or pipe gets a plain line every ``plain_every`` seconds.
    """

    def __init__(self, stream: TextIO | None = None, plain_every: float = 10.0) -> None:
        self.stream = stream or sys.stderr
        self.tty = self.stream.isatty()
        self.plain_every = plain_every
        self._phase = ""
        self._begun = self._shown = self._before = 0.0
        self._drawn = False

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        now = time.monotonic()
        if phase != self._phase:
            self.close()
            self._phase, self._begun, self._shown = phase, now, now
            self._before = done  # a download may go on where one stopped
        elapsed = now - self._begun
        finished = total > 0 and done >= total
        wait = 0.2 if self.tty else self.plain_every
        if elapsed < 2 or (now - self._shown < wait and not (finished and self._drawn)):
            return
        self._shown = now
        left = clock(elapsed * (total - done) / (done - self._before)) if total > 0 and done > self._before else "?"
        share = f"{100 * done / total:3.0f} %" if total > 0 else f"{done:.0f}"
        end = f"done in {clock(elapsed)}" if finished else f"{left} left"
        line = f"{phase}: {share}, {end}{'  ' + detail if detail else ''}"
        self._drawn = True
        if self.tty:
            self.stream.write(f"\r\x1b[2K{line[:200]}")
        else:
            self.stream.write(line + "\n")
        self.stream.flush()

    def close(self) -> None:
        """End the line being redrawn, so that what follows starts on its own."""
        if self._drawn and self.tty:
            self.stream.write("\n")
            self.stream.flush()
        self._drawn = False
