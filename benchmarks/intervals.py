"""How often do the intervals hold the truth, and how often are equal models called different? In per cent of trials.

    python benchmarks/intervals.py [--trials 2000] [--draws 2000] [--json]

Made-up speakers who differ (kwsbench/evaluate/simulation.py); an interval of 95 % should hold the truth in 95 % of the
trials, and equal models should be called different in at most 5 %.
"""

import argparse
import json

from kwsbench.evaluate.simulation import accuracy_coverage, equal_models

SPEAKERS = (6, 12, 20, 30, 60, 150, 300)
COLUMNS = ("accuracy held", "0 held", "p < 0.05", "shown", "McNemar p < 0.05")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {}
    for n_speakers in SPEAKERS:
        how = n_speakers, options.trials, options.draws
        found[n_speakers] = dict(zip(COLUMNS, [accuracy_coverage(*how), *equal_models(*how).values()], strict=True))
        if not options.json:
            if len(found) == 1:
                print(f"| speakers | {' | '.join(COLUMNS)} |\n|--:|{'--:|' * len(COLUMNS)}")
            print(f"| {n_speakers} | {' | '.join(f'{100 * v:.1f}' for v in found[n_speakers].values())} |", flush=True)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
