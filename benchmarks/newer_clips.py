"""Is the official test set of Speech Commands v0.02 harder for models of v0.01, because most of it was recorded later?

    KWSBENCH_DATA=DIR python benchmarks/newer_clips.py [results/zoo] [--json]

Keyword clips of the test are looked for among v0.01's of the same speaker and word, whose names are others and whose
coding may be: the same recording has a correlation near 1. Prints, of every model and fusion of a study that was tested
on that set, first fit, the accuracy in per cent on the clips that v0.01 holds too and on the others, all words counting
alike, and the difference in points with its 95 % interval, speakers drawn anew for both together.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from kwsbench.audio import read_clip
from kwsbench.corpora import add_official_test, load_corpus
from kwsbench.evaluate.bootstrap import Resamples, ratio
from kwsbench.report.fusion import stored_with_fusions
from kwsbench.store import Store

CORPUS = "speech_commands_v0.01"
ALIKE = 0.8  # correlation of one recording in two codings; of two recordings of a speaker and word it is near 0
OTHERS = ("unknown", "silence")


def clips_of_both(root: Path) -> set[str]:
    """Names of the test clips whose recordings v0.01 holds too."""
    clips = add_official_test(load_corpus(CORPUS, root), root).clips
    tested, found = clips["official_label"] != "", set()
    older = {who: paths.tolist() for who, paths in clips[~tested].groupby(["speaker", "word"])["path"]}
    for (speaker, word), rows in clips[tested].groupby(["speaker", "word"]):
        if speaker and (speaker, word) in older:
            known = np.stack([shape(path) for path in older[speaker, word]])
            alike = [(known @ shape(path)).max() > ALIKE for path in rows["path"]]
            found |= set(rows["clip"][alike])
    return found


def shape(path: str) -> np.ndarray:
    """A second of a recording, float64 (16000,), of length 1."""
    samples, _ = read_clip(path)
    padded = np.zeros(16000)
    padded[: len(samples)] = samples[:16000]
    return padded / max(float(np.linalg.norm(padded)), 1e-9)


def lines(folder: Path, both: set[str]) -> Iterator[dict[str, object]]:
    records, predictions = stored_with_fusions(Store(folder))
    for record in records:
        if record["status"] != "ok" or record["parts"]["seed"]:
            continue
        told = predictions(record["cell"])
        told = told[~told["label"].isin(OTHERS)]
        right, old = (told["label"] == told["predicted"]).to_numpy(float), told["clip"].isin(both)
        share = (1 / told.groupby(["label", old])["clip"].transform("size")).to_numpy()  # words count alike
        resamples = Resamples(told["speaker"].to_numpy(), seed=0)
        columns = [part * share * old.to_numpy(float) for part in (right, 1.0)]
        columns += [part * share * (~old).to_numpy(float) for part in (right, 1.0)]
        sums = resamples.sums(np.column_stack(columns))
        gap = resamples.estimate(lambda s: ratio(s[..., 2:]) - ratio(s[..., :2]), sums)
        yield {
            "model": record["parts"]["entry"],
            "older": float(ratio(sums[:, :2].sum(0))),
            "newer": float(ratio(sums[:, 2:].sum(0))),
            "difference": gap.value,
            "low": gap.low,
            "high": gap.high,
            "clips": [int(old.sum()), int((~old).sum())],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", type=Path, default=Path("results/zoo"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    root = Path(os.environ.get("KWSBENCH_DATA", ""))
    if not (root / CORPUS).is_dir():
        print(json.dumps({}) if options.json else f"KWSBENCH_DATA names no folder with {CORPUS}: nothing to compare")
        return
    table = pd.DataFrame(lines(options.study, clips_of_both(root)))
    if options.json:
        print(table.to_json(orient="records"))
        return
    old, new = table["clips"].iloc[0]
    print(f"| model | {old:,} clips of v0.01, % | {new:,} newer, % | difference |\n|---|--:|--:|--:|")
    for row in table.sort_values("newer").itertuples():
        gap = f"{100 * row.difference:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
        print(f"| {row.model} | {100 * row.older:.1f} | {100 * row.newer:.1f} | {gap} |")


if __name__ == "__main__":
    main()
