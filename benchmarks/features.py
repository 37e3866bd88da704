"""Clips per second of every frontend: our batches against what is usually called one clip at a time.

    python benchmarks/features.py --json

Ratios are of one thread against one thread: turns alternate, and the median of their ratios counts. The clips are
noise: speed does not depend on what is said. ``all_cores`` is what a study gets. ``vs_psf``, ``vs_librosa`` and
``vs_knf`` are of Kaldi's MFCC with differences on all cores against the same of python_speech_features, librosa and
kaldi-native-fbank, in a pool of as many threads or processes, whichever is faster.
"""

import argparse
import json

import torch
from threadpoolctl import threadpool_limits

from kwsbench.features.bench import Speed, measure_frontends, race
from kwsbench.runner.environment import describe_machine

SHORT = {"python_speech_features": "vs_psf", "librosa": "vs_librosa", "kaldi_native_fbank": "vs_knf"}


def measured(threads: int) -> list[Speed]:
    torch.set_num_threads(threads)
    with threadpool_limits(1):  # numpy's own threads, in the peers
        return list(measure_frontends())


def raced(threads: int) -> list[Speed]:
    torch.set_num_threads(threads)
    with threadpool_limits(1, "blas"):
        return list(race())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    quiet = parser.parse_args().json
    cores = torch.get_num_threads()
    alone, together, peers = measured(1), measured(cores), raced(cores)
    report = {
        "name": "features",
        "unit": "clips of 1 s per second",
        "ours": {
            "one_thread": {speed.name: round(speed.ours) for speed in alone},
            "all_cores": {speed.name: round(speed.ours) for speed in together},
        },
        "peers": {f"{speed.name}: {speed.peer}": round(speed.peers) for speed in alone if speed.peer}
        | {f"{speed.peer}, all cores": round(speed.peers) for speed in peers},
        "ratios": {speed.name: round(speed.ratio, 2) for speed in alone if speed.peer}
        | {SHORT[speed.peer]: round(speed.ratio, 2) for speed in peers},
        "machine": describe_machine("cpu") | {"threads": cores},
    }
    if not quiet:
        for speed in together:
            print(f"{speed.name:24} {speed.ours:>9,.0f} clips/s on {cores} threads")
        for speed in peers:
            print(f"{speed.ours:>34,.0f} beside {speed.peer}: {speed.peers:,.0f}, {speed.ratio:.2f} times")
    print(json.dumps(report, ensure_ascii=False))


if __name__ == "__main__":
    main()
