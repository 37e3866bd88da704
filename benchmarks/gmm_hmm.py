"""How fast do whole-word GMM-HMMs train and decode? Ours, hmmlearn and pomegranate, in one run.

    KWSBENCH_DATA=DIR python benchmarks/gmm_hmm.py --json   ten digits of people, one speaker left out
    python benchmarks/gmm_hmm.py --json   ten made-up words of the same size
    python benchmarks/gmm_hmm.py --scale   30,000 clips of 17 words, ours alone: seconds and peak memory

Ten words of 8 states × 2 Gaussians on 39 dimensions. Ours and hmmlearn start from the same estimates and make as many
passes; the likelihood that each reaches is printed beside its speed. pomegranate (extra ``peers``) is left out where it
is not installed.
"""

import argparse
import importlib.util
import json
import os
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from kwsbench.hmm import GMMHMM
from kwsbench.hmm.chains import NEXT, STAY
from kwsbench.runner.environment import cores, describe_machine

STATES, MIXTURES, GROW, PASSES = 8, 2, 3, 20
HMMLEARN_PASSES = 2
Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def digits(root: Path, left_out: str = "theo") -> tuple[Data, Data]:
    """Frames (MFCC + Δ + ΔΔ, utterance mean), words and lengths of FSDD's other speakers, and of the one left out."""
    from kwsbench.corpora import load_corpus
    from kwsbench.features import Frontend
    from kwsbench.recordings import read_recordings
    from kwsbench.waves import fit_into

    corpus = load_corpus("fsdd", root)
    recordings = read_recordings(corpus, Path.home() / ".cache/kwsbench/recordings")
    frontend = Frontend("kaldi_mfcc", rate=8000, seconds=2.4, fit="none", energy=False, deltas=2)
    clips = corpus.clips
    waves = np.zeros((len(clips), frontend.n_samples), np.int16)
    own = [fit_into(waves[i], recordings.samples(clip), "none") for i, clip in enumerate(clips["clip"])]
    lengths = frontend.lengths(np.array(own))
    frames = frontend.frames_numpy(waves, lengths)
    parts = [frames[i, :n] - frames[i, :n].mean(0) for i, n in enumerate(lengths)]
    sides = []
    for inside in (clips["speaker"] != left_out, clips["speaker"] == left_out):
        index = np.flatnonzero(inside)
        sides.append((np.concatenate([parts[i] for i in index]), clips["word"].to_numpy(str)[index], lengths[index]))
    return sides[0], sides[1]


def made_up(words: int, clips: int, frames: tuple[int, int], seed: int, dims: int = 39) -> Data:
    """Clips of words that are eight stretches of their own in noise."""
    sounds = np.random.default_rng(99).standard_normal((words, 8, dims)).astype(np.float32)
    rng = np.random.default_rng(seed)
    lengths = rng.integers(*frames, clips)
    y = np.arange(clips) % words
    X = 1.5 * rng.standard_normal((int(lengths.sum()), dims), dtype=np.float32)
    begin = 0
    for word, length in zip(y, lengths, strict=True):
        X[begin : begin + length] += sounds[word, np.arange(length) * 8 // length]
        begin += length
    return X, np.array([f"word{word:02d}" for word in y]), lengths


def fresh(jobs: int) -> GMMHMM:
    return GMMHMM(
        n_states=STATES,
        n_mixtures=MIXTURES,
        n_iter=GROW + PASSES,
        grow_iter=GROW,
        final="any",
        variance_floor=1e-3,
        n_jobs=jobs,
    )


def ours(train: Data, test: Data, jobs: int) -> tuple[dict[str, float], GMMHMM]:
    """Seconds a pass (median), and a model that stands at the common start, with all its Gaussians."""
    X, y, lengths = train
    fresh(jobs).fit(X[: lengths[:200].sum()], y[:200], lengths[:200]).predict(test[0], test[2])  # compiled by now
    model = fresh(jobs)
    model.start(X, y, lengths)
    for iteration in range(GROW):
        model.iterate()
        model.grow(iteration + 1)
    start = model.copied()
    seconds, reached = [], []
    for _ in range(PASSES):
        begun = time.perf_counter()
        reached.append(model.iterate())
        seconds.append(time.perf_counter() - begun)
    decode = []
    for _ in range(5):
        begun = time.perf_counter()
        answers = model.predict(test[0], test[2])
        decode.append((time.perf_counter() - begun) / len(test[2]))
    figures = {
        "seconds_per_pass": statistics.median(seconds),
        "frames_x_passes_per_s": len(X) / statistics.median(seconds),
        "log_likelihood_per_frame": reached[HMMLEARN_PASSES - 1],
        "accuracy": float((answers == test[1]).mean()),
        "decode_s_per_clip": statistics.median(decode),
    }
    return figures, start


def hmmlearns(train: Data, test: Data, start: GMMHMM) -> dict[str, float]:
    """The same estimates, the same passes."""
    from hmmlearn import hmm

    X, y, lengths = train
    models, seconds, total = [], 0.0, 0.0
    for word, chain in zip(start.classes_, start.chains_, strict=True):
        own = np.isin(start.mixtures_.density, chain.densities)
        model = hmm.GMMHMM(STATES, MIXTURES, init_params="", n_iter=HMMLEARN_PASSES, tol=-np.inf)
        model.n_features = X.shape[1]
        model.startprob_ = np.eye(STATES)[0]
        model.transmat_ = np.diag(np.exp(chain.arcs[STAY])) + np.diag(np.exp(chain.arcs[NEXT, :-1]), 1)
        model.weights_ = start.mixtures_.weights[own].reshape(STATES, MIXTURES)
        model.means_ = (start.mixtures_.means[own] / start.scale_ + start.mean_).reshape(STATES, MIXTURES, -1)
        model.covars_ = (start.mixtures_.covariances[own] / start.scale_**2).reshape(STATES, MIXTURES, -1)
        inside = np.repeat(y == word, lengths)
        begun = time.perf_counter()
        model.fit(X[inside].astype(np.float64), lengths[y == word])
        seconds += time.perf_counter() - begun
        total += model.monitor_.history[-1]
        models.append(model)
    few = np.arange(0, len(test[2]), max(1, len(test[2]) // 50))
    ends = np.cumsum(test[2])
    begun = time.perf_counter()
    scores = [[m.score(test[0][ends[i] - test[2][i] : ends[i]].astype(np.float64)) for m in models] for i in few]
    decode = (time.perf_counter() - begun) / len(few)
    return {
        "seconds_per_pass": seconds / HMMLEARN_PASSES,
        "frames_x_passes_per_s": len(X) * HMMLEARN_PASSES / seconds,
        "log_likelihood_per_frame": total / len(X),
        "accuracy": float((start.classes_[np.argmax(scores, axis=1)] == test[1][few]).mean()),
        "decode_s_per_clip": decode,
    }


def pomegranates(train: Data, test: Data) -> dict[str, float]:
    """Dense HMMs of mixtures, in float32 on as many threads as torch takes; its own start, one pass timed."""
    import torch
    from pomegranate.distributions import Normal
    from pomegranate.gmm import GeneralMixtureModel
    from pomegranate.hmm import DenseHMM

    X, y, lengths = train
    rng = np.random.default_rng(0)
    starts = np.cumsum(lengths) - lengths
    edges = np.eye(STATES) * 0.8 + np.eye(STATES, k=1) * 0.2 + 1e-8
    seconds, models = 0.0, []
    for word in np.unique(y):
        index = np.flatnonzero(y == word)
        clips = [torch.tensor(X[starts[i] : starts[i] + lengths[i]]) for i in index]
        whole = torch.cat(clips)
        states = []
        for _ in range(STATES):
            draws = whole[rng.choice(len(whole), MIXTURES, replace=False)]
            parts = [Normal(mean, whole.var(0), covariance_type="diag") for mean in draws]
            states.append(GeneralMixtureModel(parts))
        model = DenseHMM(states, edges, np.eye(STATES)[0] * 0.999 + 1e-4, np.full(STATES, 0.1), max_iter=1)
        begun = time.perf_counter()
        model.fit(clips)
        seconds += time.perf_counter() - begun
        models.append(model)
    few = np.arange(0, len(test[2]), max(1, len(test[2]) // 20))
    ends = np.cumsum(test[2])
    begun = time.perf_counter()
    for i in few:
        clip = torch.tensor(test[0][ends[i] - test[2][i] : ends[i]])[None]
        for model in models:
            model.log_probability(clip)
    decode = (time.perf_counter() - begun) / len(few)
    return {
        "seconds_per_pass": seconds,
        "frames_x_passes_per_s": len(X) / seconds,
        "decode_s_per_clip": decode,
    }


def roof(jobs: int) -> dict[str, float]:
    """What the machine gives: GFLOP/s of large float32 products, GB/s of copies; on so many cores."""
    a = np.ones((4096, 1024), np.float32)
    b = np.ones((1024, 1024), np.float32)
    big = np.ones(1 << 27, np.uint8)
    flops, bytes_ = [], []
    with threadpool_limits(limits=jobs):
        for _ in range(5):
            begun = time.perf_counter()
            a @ b
            flops.append(2 * a.size * 1024 / (time.perf_counter() - begun) / 1e9)
            begun = time.perf_counter()
            big.copy()
            bytes_.append(2 * big.size / (time.perf_counter() - begun) / 1e9)
    return {"gflops": max(flops), "gbytes_per_s": max(bytes_)}


def share_of_roof(train: Data, figures: dict[str, float], machine: dict[str, float]) -> dict[str, float]:
    """How much of that a training pass uses: two products a pass, and the frames read once."""
    terms = 2 * train[0].shape[1] + 1
    flops = 2 * 2 * len(train[0]) * terms * STATES * MIXTURES
    seconds = figures["seconds_per_pass"]
    return {
        "of_peak_arithmetic": flops / seconds / 1e9 / machine["gflops"],
        "of_peak_bandwidth": train[0].nbytes / seconds / 1e9 / machine["gbytes_per_s"],
    }


def scale(jobs: int) -> None:
    """The size of Speech Commands: 17 words, 30,000 clips of 99 frames, 16 states × 8 Gaussians, 20 passes."""
    X, y, lengths = made_up(17, 30000, (99, 100), seed=0)
    begun = time.perf_counter()
    model = GMMHMM(n_states=16, n_mixtures=8, n_iter=20, grow_iter=12, n_jobs=jobs).fit(X, y, lengths)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{len(lengths):,} clips, {len(X):,} frames, {len(model.mixtures_.weights):,} Gaussians: "
        f"{seconds:.1f} s on {jobs} cores, peak {peak:.2f} GB (frames {X.nbytes / 1e9:.2f} GB)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    parser.add_argument("--scale", action="store_true")
    options = parser.parse_args()
    jobs = cores()
    if options.scale:
        scale(jobs)
        return
    root = Path(os.environ.get("KWSBENCH_DATA", ""))
    if os.environ.get("KWSBENCH_DATA") and (root / "fsdd").is_dir():
        train, test = digits(root)
    else:
        train, test = made_up(10, 2500, (20, 65), seed=0), made_up(10, 500, (20, 65), seed=1)
    found, start = ours(train, test, jobs)
    peers: dict[str, dict[str, float]] = {"hmmlearn": hmmlearns(train, test, start)}
    if importlib.util.find_spec("pomegranate"):
        peers["pomegranate"] = pomegranates(train, test)
    machine = roof(jobs)
    ratios: dict[str, float] = {}
    for name, figures in peers.items():
        ratios[f"train_vs_{name}"] = figures["seconds_per_pass"] / found["seconds_per_pass"]
        ratios[f"decode_vs_{name}"] = figures["decode_s_per_clip"] / found["decode_s_per_clip"]
    ratios |= share_of_roof(train, found, machine)
    report(found, peers, ratios)
    if options.json:
        line: dict[str, Any] = {"name": "gmm_hmm", "unit": "seconds", "ours": found, "peers": peers}
        line |= {"ratios": {key: round(value, 4) for key, value in ratios.items()}}
        print(json.dumps({**line, "machine": {**describe_machine(), **machine, "threads": jobs}}))


def report(found: dict[str, float], peers: dict[str, dict[str, float]], ratios: dict[str, float]) -> None:
    for name, figures in {"kwsbench": found, **peers}.items():
        print(name, *(f"{key} {value:,.5g}" for key, value in figures.items()), sep="\n    ")
    for name, value in ratios.items():
        print(f"{name}: {value:,.3g}")


if __name__ == "__main__":
    main()
