"""A study of seconds: tone words, models that behave badly on purpose, and the real command in a real process."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TOYS = '''
"""Models that go wrong, each in its own way."""

import os
import time
from pathlib import Path

import numpy as np

from kwsbench.models import Cost, FitLog


class Toy:
    frontend = {"kind": "log_mel", "rate": 8000, "normalise": "utterance"}

    def __init__(self, *, how: str = "well", size_mb: int = 0) -> None:
        self.how, self.size_mb = how, size_mb

    def fit(self, train, validation, context) -> FitLog:
        if self.how == "raises":
            raise ValueError("no convergence on purpose")
        if self.how == "dies":
            os.kill(os.getpid(), 9)
        if self.how == "exits":
            os._exit(3)
        if self.how == "leaves":
            raise SystemExit(0)
        if self.how == "sleeps":
            time.sleep(600)
        if self.how == "eats":
            self.hoard = [np.ones(2**20, np.float64) for _ in range(self.size_mb // 8)]
            time.sleep(60)
        mean = [train.features[train.targets == t].mean(0) for t in range(train.n_labels)]
        self.mean = np.stack(mean)
        if self.how == "says nothing":
            return None
        return FitLog(earlier_s=600.0 if self.how == "resumes" else 0.0)

    def scores(self, clips):
        distance = ((np.asarray(clips.features)[:, None] - self.mean[None]) ** 2).mean((2, 3))
        return (-distance[1:] if self.how == "forgets" else -distance).astype(np.float32)

    def cost(self, clips):
        return Cost(-5 if self.how == "owes" else self.mean.size, self.mean.size)

    def save(self, folder):
        np.savez(folder / "mean.npz", mean=self.mean)

    def load(self, folder):
        self.mean = np.load(folder / "mean.npz")["mean"]
'''


class Bench:
    """A folder with a corpus, the toy models and recipes; ``run`` is the command, in a process of its own."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data
        (folder / "kws_toys.py").write_text(TOYS)
        self.environment = os.environ | {
            "KWSBENCH_DATA": str(data),
            "KWSBENCH_CACHE": str(folder / "cache"),
            "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "OMP_NUM_THREADS": "1",
        }

    def recipe(self, models: str, name: str = "study", **top: object) -> Path:
        """A recipe on the tone words with the given ``models:`` block."""
        settings = {
            "corpora": "speech_commands_v0.01",
            "splits": {"scheme": "speakers", "folds": 2},
            "labels": {"scheme": "keywords", "keywords": ["yes", "no", "up"]},
        } | top
        lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
        path = self.folder / f"{name}.yaml"
        path.write_text("\n".join(lines) + "\nmodels:\n" + textwrap.indent(textwrap.dedent(models), "  "))
        return path

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "kwsbench", *map(str, arguments)]

    def run(self, *arguments: object, timeout: float = 400) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip

    def records(self, name: str = "study") -> dict[str, dict]:
        """Records of a study by entry and fold."""
        found = {}
        for path in sorted((self.folder / "results" / name / "cells").glob("*.json")):
            record = json.loads(path.read_text())
            found[f"{record['parts']['entry']} {record['parts']['fold']}"] = record
        return found


@pytest.fixture
def bench(tmp_path: Path, tone_tree: Path) -> Bench:
    return Bench(tmp_path, tone_tree.parent)
