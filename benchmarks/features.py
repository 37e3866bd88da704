"""Clips per second of every frontend: our batches against what is usually called one clip at a time.

    python benchmarks/features.py --json

Ratios are of one thread against one thread: turns alternate, and the median of their ratios counts. The clips are
noise: speed does not depend on what is said. ``all_cores`` is what a study gets.
"""

import argparse
import json

import torch
from threadpoolctl import threadpool_limits

from kwsbench.features.bench import Speed, measure_frontends
from kwsbench.runner.environment import describe_machine


def measured(threads: int) -> list[Speed]:
    torch.set_num_threads(threads)
    with threadpool_limits(1):  # numpy's own threads, in the peers
        return list(measure_frontends())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    quiet = parser.parse_args().json
    cores = torch.get_num_threads()
    alone, together = measured(1), measured(cores)
    report = {
        "name": "features",
        "unit": "clips of 1 s per second",
        "ours": {
            "one_thread": {speed.name: round(speed.ours) for speed in alone},
            "all_cores": {speed.name: round(speed.ours) for speed in together},
        },
        "peers": {f"{speed.name}: {speed.peer}": round(speed.peers) for speed in alone if speed.peer},
        "ratios": {speed.name: round(speed.ratio, 2) for speed in alone if speed.peer},
        "machine": describe_machine("cpu") | {"threads": cores},
    }
    if not quiet:
        for speed in together:
            print(f"{speed.name:24} {speed.ours:>9,.0f} clips/s on {cores} threads")
    print(json.dumps(report, ensure_ascii=False))


if __name__ == "__main__":
    main()
