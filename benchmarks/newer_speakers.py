"""Is the official test set of Speech Commands v0.02 harder for models of v0.01, because of speakers who came later?

    KWSBENCH_DATA=DIR python benchmarks/newer_speakers.py [results/zoo] [--json]

Prints, of every model and fusion of a study that was tested on that set, first fit, the accuracy in per cent on keyword
clips of speakers whom v0.01's own list of test clips names and of all others, all words counting alike, and the
difference in points with its 95 % interval, speakers drawn anew.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from kwsbench.evaluate.bootstrap import Resamples, ratio
from kwsbench.report.fusion import stored_with_fusions
from kwsbench.store import Store

LISTS = ("speech_commands_v0.01/testing_list.txt", "lists/v0.01/testing_list.txt")
OTHERS = ("unknown", "silence")


def lines(folder: Path, known: set[str]) -> Iterator[dict[str, object]]:
    """A line a model; ``known`` are the speakers of v0.01's list."""
    records, predictions = stored_with_fusions(Store(folder))
    for record in records:
        if record["status"] != "ok" or record["parts"]["seed"]:
            continue
        told = predictions(record["cell"])
        told = told[~told["label"].isin(OTHERS)]
        right, old = (told["label"] == told["predicted"]).to_numpy(float), told["speaker"].isin(known)
        share = (1 / told.groupby(["label", old])["clip"].transform("size")).to_numpy()  # words count alike
        older, newer = share * old.to_numpy(float), share * (~old).to_numpy(float)
        resamples = Resamples(told["speaker"].to_numpy(), seed=0)
        sums = resamples.sums(np.column_stack([right * older, older, right * newer, newer]))
        gap = resamples.estimate(lambda s: ratio(s[..., 2:]) - ratio(s[..., :2]), sums)
        yield {
            "model": record["parts"]["entry"],
            "older": float(ratio(sums[:, :2].sum(0))),
            "newer": float(ratio(sums[:, 2:].sum(0))),
            "difference": gap.value,
            "low": gap.low,
            "high": gap.high,
            "clips": [int(old.sum()), int((~old).sum())],
            "speakers": [told["speaker"][which].nunique() for which in (old, ~old)],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", type=Path, default=Path("results/zoo"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    root = Path(os.environ.get("KWSBENCH_DATA", ""))
    found = [root / name for name in LISTS if (root / name).is_file()]
    if not found:
        print(json.dumps({}) if options.json else f"KWSBENCH_DATA names no folder with {' or '.join(LISTS)}")
        return
    known = {Path(line).name.split("_")[0] for line in found[0].read_text().split()}
    table = pd.DataFrame(lines(options.study, known))
    if options.json:
        print(table.to_json(orient="records"))
        return
    old, new = (
        f"{clips:,} clips of {people} speakers"
        for clips, people in zip(table["clips"].iloc[0], table["speakers"].iloc[0], strict=True)
    )
    print(f"| model | {old} of v0.01, % | {new} since, % | difference |\n|---|--:|--:|--:|")
    for row in table.sort_values("newer").itertuples():
        gap = f"{100 * row.difference:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
        print(f"| {row.model} | {100 * row.older:.1f} | {100 * row.newer:.1f} | {gap} |")


if __name__ == "__main__":
    main()
