"""How long does a report take, and how large and quick is its page? Twenty models on 10,000 clips of 2,000 speakers.

    python benchmarks/report.py [--models 20] [--clips 10000] [--json]

Prints the seconds that writing takes, the bytes of the page, and, where there is a Chromium and playwright, the seconds
until it has drawn the page. Predictions are made up.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from kwsbench.evaluate import score_cell
from kwsbench.report import write_report

LABELS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "unknown", "silence")


def made_up(models: int, clips: int) -> tuple[list[dict], dict[str, pd.DataFrame]]:
    """Records and predictions of models that are right on 80 to 97 % of the clips."""
    rng = np.random.default_rng(0)
    truth, names = rng.integers(0, len(LABELS), clips), np.array(LABELS, dtype=object)
    speakers = np.array([f"s{i}" for i in rng.integers(0, clips // 5, clips)], dtype=object)
    records, tables = [], {}
    for i in range(models):
        scores = rng.normal(size=(clips, len(LABELS))).astype(np.float32)
        scores[np.arange(clips), truth] += rng.normal(3 + 0.1 * i, 1.5, clips)
        frame = {"clip": [f"clip{n}" for n in range(clips)], "speaker": speakers, "label": names[truth]}
        table = pd.DataFrame(frame | {"predicted": names[scores.argmax(1)]})
        tables[f"m{i}"] = table.join(pd.DataFrame(scores, columns=list(LABELS)))
        records.append(_record(i, tables[f"m{i}"]))
    return records, tables


def _record(i: int, table: pd.DataFrame) -> dict:
    parts = {"corpus": "made_up", "split": "hash", "fold": "hash", "labels": "kws12", "entry": f"model{i}"}
    counts = {"n_train": 20_000, "n_validation": 2000, "n_test": len(table), "n_test_speakers": 2000}
    history = [{"epoch": e, "train_loss": 2 / e, "validation_accuracy": 1 - 1 / e} for e in range(1, 31)]
    return {
        "cell": f"m{i}", "status": "ok", "reason": "", "key": str(i), "settings": {}, "environment": {},
        "parts": parts | {"model": f"model{i}", "setting": "", "seed": 0}, "label_names": list(LABELS),
        "synthetic": True, "task": counts | {"fingerprint": "t", "notes": []}, "split_fingerprint": "s",
        "corpus_notes": [], "licence": "none", "quarantined": [], "n_duplicates": 0,
        "timings": {"train_s": 10.0 * (i + 1), "score_s": 1.0, "total_s": 20.0}, "ms_per_clip": 0.1 * (i + 1),
        "cost": {"params": 1000 * (i + 1), "macs": 10_000 * (i + 1), "bytes": 4000 * (i + 1)}, "peak_mb": 500.0,
        "cpu_s": 1.0, "gpu_s": 0.0, "fit": {"history": history, "best": 29, "notes": []},
        "metrics": score_cell(table, LABELS),
    }  # fmt: skip


def seconds_to_draw(page: Path) -> float | None:
    """From asking for the page to its load event and the frame after it, median of five; None without a browser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if not chromium:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        took = []
        for _ in range(5):
            opened = browser.new_page()
            begun = time.monotonic()
            opened.goto(page.as_uri(), wait_until="load")
            opened.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            took.append(time.monotonic() - begun)
            opened.close()
        browser.close()
    return float(np.median(took))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    records, tables = made_up(options.models, options.clips)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        write_report("made_up", {}, records, tables.__getitem__, lambda name, text: Path(folder, name).write_text(text))
        found = {"write_s": time.monotonic() - begun, "page_mb": Path(folder, "report.html").stat().st_size / 1e6}
        found["draw_s"] = seconds_to_draw(Path(folder, "report.html"))
    print(json.dumps(found) if options.json else found)


if __name__ == "__main__":
    main()
