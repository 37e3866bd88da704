"""What a person sees while a study runs: three bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from kwsbench.progress import clock

if TYPE_CHECKING:
    from kwsbench.runner.children import Child

PLAIN_EVERY_S = 15.0


class Display:
    """Shows the study, the cells at work and their epochs, each with the time left.

    ``with Display(...) as show`` — then ``show.begin(total)``, ``show.update(running)``, ``show.finished(...)``.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.tty = self.stream.isatty()
        self.total = self.done = self.started = 0
        self.spent: dict[str, list[float]] = {}
        self.waiting: list[str] = []
        self._begun = self._shown = time.monotonic()
        self._bars: Any = None

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._bars is not None:
            self._bars.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=self.stream, flush=True)

    def begin(self, entries: list[str], kept: int) -> None:
        """``entries``: the recipe's entry of each cell to run, in order; ``kept``: cells that are done already."""
        self.waiting = list(entries)
        self.total = len(entries)
        self._begun = time.monotonic()
        note = f", {kept} already done" if kept else ""
        self.say(f"{self.total} cell{'s' if self.total != 1 else ''} to run{note}")
        if self.tty and self.total:
            self._start_bars()

    def _start_bars(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = [TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[text]}")]
        self._bars = Progress(*columns, console=Console(file=self.stream), transient=True)
        self._study = self._bars.add_task("study", total=self.total, text="")
        self._cells: dict[str, tuple] = {}
        self._bars.start()

    def finished(self, entry: str, name: str, record: dict, accuracy: float | None) -> None:
        """A cell ended: one line that stays."""
        self.done += 1
        self.spent.setdefault(entry, []).append(record["wall_s"])
        self.waiting.remove(entry)
        what = f"{100 * accuracy:.1f} % correct" if accuracy is not None else f"{record['status']}: {record['reason']}"
        self.say(f"[{self.done}/{self.total}] {name}: {what}, {clock(record['wall_s'])}, {record['peak_mb']:.0f} MB")
        if self._bars is not None and name in self._cells:
            for task in self._cells.pop(name):
                self._bars.remove_task(task)

    def update(self, running: list[Child]) -> None:
        """Draw where the running cells are."""
        if self._bars is not None:
            self._draw(running)
        elif time.monotonic() - self._shown > PLAIN_EVERY_S:
            self._shown = time.monotonic()
            for child in running:
                phase, done, total, detail = child.latest
                share = f" {100 * done / total:.0f} %" if total else ""
                print(
                    f"{child.name}: {phase}{share}{self._left(child)} {detail} | study {self.done}/{self.total}, "
                    f"{self._study_left(running)}",
                    file=self.stream, flush=True,
                )  # fmt: skip

    def _draw(self, running: list[Child]) -> None:
        bars = self._bars
        assert bars is not None
        inside = sum(done / total for _, done, total, _ in (child.latest for child in running) if total)
        text = f"{self.done}/{self.total}, {self._study_left(running)}"
        bars.update(self._study, completed=self.done + 0.99 * inside, text=text)
        for child in running:
            if child.name not in self._cells:
                self._cells[child.name] = tuple(bars.add_task(what, total=1, text="") for what in (child.name, ""))
            whole, part = self._cells[child.name]
            phase, done, total, detail = child.latest
            share = done / total if total else 0
            bars.update(whole, completed=share, text=f"{clock(time.monotonic() - child.begun)}{self._left(child)}")
            bars.update(part, completed=share % 1 if share < 1 else 1, text=f"{phase} {detail}")

    def _left(self, child: Child) -> str:
        seconds = child.seconds_left()
        return "" if seconds is None else f", {clock(seconds)} left"

    def _study_left(self, running: list[Child]) -> str:
        """Time left for the study: cells at work by their progress, cells to come by those of their entry.

        Of entries that none has ended of nothing is known: what is said is then a lower bound.
        """
        to_come = self.waiting[len(running) :]  # cells start in order
        at_work = [child.seconds_left() for child in running]
        means = [sum(spent) / len(spent) for entry in to_come if (spent := self.spent.get(entry))]
        known = sum(seconds for seconds in at_work if seconds is not None) + sum(means)
        whole = None not in at_work and len(means) == len(to_come)
        if not whole and not known:
            return "time left not known yet"
        return f"{'about' if whole else 'more than'} {clock(known / max(len(running), 1))} left"
