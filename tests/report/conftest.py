"""Made-up studies: records as cells leave them, and predictions of models of a chosen skill."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from kwsbench.evaluate import score_cell

LABELS = ("yes", "no", "up", "left", "unknown", "silence")


@dataclass
class MadeStudy:
    """``add`` puts a cell into ``records``, in order; ``predictions`` answers as a store does."""

    labels: tuple[str, ...] = LABELS
    records: list = field(default_factory=list)
    tables: dict = field(default_factory=dict)
    others: dict = field(default_factory=dict)

    def beside(self, cell: str, kind: str) -> pd.DataFrame:
        return self.others[cell, kind]

    def corrupt(self, record, skill_at: dict) -> None:
        """Score a cell on corrupted clips; ``skill_at``: (condition, level) → share of clips that it has right."""
        table, parts, shares = self.tables[record["cell"]], [], []
        for (condition, level), skill in skill_at.items():
            rng = np.random.default_rng([13, int(1000 * skill), record["parts"]["seed"]])
            predicted = np.where(rng.random(len(table)) < skill, table["label"], "none of them")
            parts.append(table[["clip"]].assign(condition=condition, level=level, predicted=predicted))
            accuracy = float((predicted == table["label"]).mean())
            shares.append({"condition": condition, "level": level, "accuracy": accuracy})
        self.others[record["cell"], "robustness"] = pd.concat(parts, ignore_index=True)
        record["robustness"] = shares

    def listen(self, record, skill: float, hours: float = 1.0) -> None:
        """Let a cell listen to streams; ``skill``: share of keywords heard; now and then one is heard too many."""
        asked = {"hours": hours, "hop_s": 1.0, "smoothed": 1}
        labels, parts, said = list(self.labels), [], []
        rng = np.random.default_rng([17, *record["cell"].encode()])
        for stream, seconds in (("long", 3600 * hours), ("short", 1200)):
            n, starts = int(seconds), np.arange(10, seconds - 10, 24)
            words = np.resize(np.array(labels[:3], object), len(starts))
            posteriors = np.full((n, len(labels)), 0.1 / len(labels), np.float32)
            ends = (starts + 1).astype(int)
            heard = rng.random(len(starts)) < skill
            columns = [labels.index(word) for word in words[heard]]
            posteriors[ends[heard], columns] = rng.uniform(0.4, 1, heard.sum())
            posteriors[ends[::7] + 12, 0] = rng.uniform(0, 0.6, len(ends[::7]))
            table = pd.DataFrame({"stream_name": stream, "window_end_s": 1.0 + np.arange(n), "best_keyword": "yes"})
            parts.append(table.join(pd.DataFrame(posteriors, columns=labels)))
            events = {"stream_name": stream, "word": words, "label": words, "speaker": "a", "start": starts + 0.5}
            said.append(pd.DataFrame(events | {"stop": starts + 1.5, "snr_db": 9.0}))
        for kind, tables in (("windows", parts), ("events", said)):
            self.others[record["cell"], kind] = pd.concat(tables, ignore_index=True)
        record["settings"] = record["settings"] | {"streaming": asked}
        found = {"hours": hours, "window_s": 1.0, "n_words": len(said[0]), "n_events": len(said[0])}
        found |= {"snr_db": [9.0, 9.0], "background": "noise", "short": {"seconds": 1200.0, "n_events": len(said[1])}}
        record["streaming"] = found

    def predictions(self, cell: str) -> pd.DataFrame:
        return self.tables[cell]

    def add(self, entry, skill=0.9, *, fold="", seed=0, setting="", status="ok", corpus="speech", split="hash", **more):
        """A cell; ``skill`` is the share of clips it has right. ``more`` overrides fields of the record."""
        cell = f"{corpus}-{fold or split}-{entry}{setting}-s{seed}"
        parts = {"corpus": corpus, "split": split, "fold": fold or split, "labels": "keywords", "entry": entry}
        parts |= {"model": entry, "setting": setting, "seed": seed}
        record = {"cell": cell, "status": status, "reason": "", "key": "0" * 64, "parts": parts, "settings": {}}
        record["environment"] = {"cpu": "Made-up CPU", "cores": 2, "python": "3.11", "packages": {"torch": "2.13.0"}}
        if status == "ok":
            self.tables[cell] = self.predict(skill, fold, seed, len(self.tables))
            record |= self.outcome(self.tables[cell], corpus, fold or split)
        self.records.append(record | more)
        return self.records[-1]

    def predict(self, skill, fold, seed, draw, n=240, n_speakers=12) -> pd.DataFrame:
        """The truth depends on the fold alone; the answers on everything."""
        world = np.random.default_rng([5, *fold.encode()])
        truth = world.integers(0, len(self.labels), n)
        speakers = [f"{fold}s{k}" for k in world.integers(0, n_speakers, n)]
        names = np.array(self.labels, dtype=object)
        speakers = ["" if names[t] == "silence" else s for t, s in zip(truth, speakers, strict=True)]
        rng = np.random.default_rng([9, draw, seed])
        guess = np.where(rng.random(n) < skill, truth, rng.integers(0, len(self.labels), n))
        scores = rng.normal(size=(n, len(self.labels))).astype(np.float32)
        scores[np.arange(n), guess] = scores.max(axis=1) + 1
        clips = [f"clip{i}.wav" for i in range(n)]
        frame = {"clip": clips, "speaker": speakers, "label": names[truth], "predicted": names[guess]}
        return pd.DataFrame(frame).join(pd.DataFrame(scores, columns=list(self.labels)))

    def outcome(self, table, corpus, fold):
        speakers = len(set(table["speaker"]) - {""})
        task = {"fingerprint": f"task-{fold}", "n_train": 1000, "n_validation": 100, "n_test": len(table)}
        return {
            "label_names": list(self.labels),
            "synthetic": corpus == "synthetic",
            "task": task | {"n_test_speakers": speakers, "notes": ["Unknown holds 3 words."]},
            "split_fingerprint": f"print-{fold}",
            "corpus_notes": ["Opus-coded."],
            "licence": "CC BY 4.0",
            "quarantined": [],
            "n_duplicates": 0,
            "timings": {"read_s": 1.0, "features_s": 2.0, "train_s": 30.0, "score_s": 0.5, "total_s": 33.5},
            "ms_per_clip": 0.5,
            "cost": {"params": 314_000, "macs": 7_200_000, "bytes": 1_256_000},
            "peak_mb": 512.0,
            "cpu_s": 60.0,
            "gpu_s": 0.0,
            "fit": {
                "history": [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0}],
                "best": 1,
                "notes": [],
            },
            "metrics": score_cell(table, self.labels),
        }


@pytest.fixture
def made() -> MadeStudy:
    """An empty made-up study."""
    return MadeStudy()
