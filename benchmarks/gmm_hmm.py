"""How fast do whole-word GMM-HMMs train and decode? Ours, hmmlearn, Kaldi and pomegranate, in one run.

    KWSBENCH_DATA=DIR python benchmarks/gmm_hmm.py --json   ten digits of people, one speaker left out
    python benchmarks/gmm_hmm.py --json   ten made-up words of the same size
    python benchmarks/gmm_hmm.py --scale   7,500 and 30,000 clips of 17 words, ours alone: seconds and peak memory

Ten words of 8 states × 2 Gaussians on 39 dimensions. Ours, hmmlearn and Kaldi start from the same estimates and make as
many passes; the likelihood that each reaches is printed beside its speed. Kaldi's algorithm, from the package
kaldi-hmm-gmm, is Viterbi training, so its likelihood is that of the best path, as is ours under that name; it decodes
with one graph of all words. Likelihood and accuracy are those after the peers' number of passes. Kaldi and pomegranate
(extra ``peers``) are left out where they are not installed. Where torch sees a GPU, ours trains and decodes there as
well, and ``gpu_vs_cpu`` says how many times faster a pass is. ``peak_mb`` is the most memory that each needed beyond
what the process held before (Linux).
"""

import argparse
import importlib.util
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from kwsbench.hmm import GMMHMM
from kwsbench.hmm.chains import NEXT, STAY
from kwsbench.runner.environment import cores, describe_machine, find_device

STATES, MIXTURES, GROW, PASSES = 8, 2, 3, 20
PEER_PASSES = 2
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


def at_common_start(train: Data, test: Data, jobs: int) -> GMMHMM:
    """A model that stands where all start, with all its Gaussians; what has to be compiled is."""
    X, y, lengths = train
    fresh(jobs).fit(X[: lengths[:200].sum()], y[:200], lengths[:200]).predict(test[0], test[2])
    model = fresh(jobs)
    model.start(X, y, lengths)
    for iteration in range(GROW):
        model.iterate()
        model.grow(iteration + 1)
    return model.copied()


def ours(train: Data, test: Data, start: GMMHMM) -> dict[str, float]:
    """Seconds a pass (median) from the common start."""
    X, y, lengths = train
    model = fresh(start.n_jobs)
    model.start(X, y, lengths)
    model.mixtures_, model.chains_ = start.mixtures_, start.chains_
    seconds, reached = [], []
    for _ in range(PASSES):
        begun = time.perf_counter()
        reached.append(model.iterate())
        seconds.append(time.perf_counter() - begun)
        if len(seconds) == PEER_PASSES - 1:  # what a peer's last pass started from
            path = float(model.align(X, lengths, y)[1].sum()) / len(X)
        if len(seconds) == PEER_PASSES:
            accuracy = float((model.predict(test[0], test[2]) == test[1]).mean())
    decode = []
    for _ in range(5):
        begun = time.perf_counter()
        model.predict(test[0], test[2])
        decode.append((time.perf_counter() - begun) / len(test[2]))
    return {
        "seconds_per_pass": statistics.median(seconds),
        "frames_x_passes_per_s": len(X) / statistics.median(seconds),
        "log_likelihood_per_frame": reached[PEER_PASSES - 1],
        "best_path_log_likelihood_per_frame": path,
        "accuracy": accuracy,
        "decode_s_per_clip": statistics.median(decode),
    }


def gpus(train: Data, test: Data, start: GMMHMM) -> dict[str, float]:
    """Ours on a GPU: the same estimates, the same passes; the first of them, which warms it up, is not timed."""
    model = fresh(1).set_params(device="cuda")
    model.start(*train)
    seconds, reached, decode = [], [], []
    model.mixtures_, model.chains_ = start.mixtures_, start.chains_
    for _ in range(PASSES):
        begun = time.perf_counter()
        reached.append(model.iterate())
        seconds.append(time.perf_counter() - begun)
    for _ in range(5):
        begun = time.perf_counter()
        answers = model.predict(test[0], test[2])
        decode.append((time.perf_counter() - begun) / len(test[2]))
    return {
        "seconds_per_pass": statistics.median(seconds[1:]),
        "frames_x_passes_per_s": len(train[0]) / statistics.median(seconds[1:]),
        "log_likelihood_per_frame": reached[PEER_PASSES - 1],
        "accuracy": float((answers == test[1]).mean()),
        "decode_s_per_clip": statistics.median(decode),
    }


def with_peak(work: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What ``work`` finds, and how far the process's memory rose over what it held before."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return work()

    def held(name: str) -> float:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name)) / 1e3

    reset.write_text("5")  # the peak starts anew from what is held now
    before = held("VmRSS:")
    return work() | {"peak_mb": held("VmHWM:") - before}


def hmmlearns(train: Data, test: Data, start: GMMHMM) -> dict[str, float]:
    """The same estimates, the same passes."""
    from hmmlearn import hmm

    X, y, lengths = train
    models, seconds, total = [], 0.0, 0.0
    for word, chain in zip(start.classes_, start.chains_, strict=True):
        own = np.isin(start.mixtures_.density, chain.densities)
        model = hmm.GMMHMM(STATES, MIXTURES, init_params="", n_iter=PEER_PASSES, tol=-np.inf)
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
    ends = np.cumsum(test[2])
    clips = [test[0][end - length : end].astype(np.float64) for end, length in zip(ends, test[2], strict=True)]
    begun = time.perf_counter()
    scores = [[model.score(clip) for model in models] for clip in clips]
    decode = (time.perf_counter() - begun) / len(clips)
    return {
        "seconds_per_pass": seconds / PEER_PASSES,
        "frames_x_passes_per_s": len(X) * PEER_PASSES / seconds,
        "log_likelihood_per_frame": total / len(X),
        "accuracy": float((start.classes_[np.argmax(scores, axis=1)] == test[1]).mean()),
        "decode_s_per_clip": decode,
    }


def kaldis(train: Data, test: Data, start: GMMHMM) -> dict[str, float]:
    """The same estimates, each word a phone of Kaldi's; a pass aligns, accumulates and updates."""
    import kaldi_hmm_gmm as khg
    import kaldifst

    words = range(1, len(start.classes_) + 1)
    moves = " ".join(
        f"<State> {s} <PdfClass> {s} <Transition> {s} 0.8 <Transition> {s + 1} 0.2 </State>" for s in range(STATES)
    )
    phones = " ".join(map(str, words))
    entry = f"<TopologyEntry> <ForPhones> {phones} </ForPhones> {moves} <State> {STATES} </State> </TopologyEntry>"
    topology = khg.HmmTopology()
    topology.read(f"<Topology> {entry} </Topology>")
    tree = khg.monophone_context_dependency(topology.phones, topology.get_phone_to_num_pdf_classes())
    density = {
        tree.compute([word], s)[1]: chain.densities[s]
        for word, chain in zip(words, start.chains_, strict=True)
        for s in range(STATES)
    }
    model, mixtures = khg.AmDiagGmm(), start.mixtures_
    for pdf in range(tree.num_pdfs):
        own = mixtures.density == density[pdf]
        gaussians = khg.DiagGmm(nmix=int(own.sum()), dim=train[0].shape[1])
        gaussians.set_weights(mixtures.weights[own].astype(np.float32))
        inverse = (start.scale_**2 / mixtures.covariances[own]).astype(np.float32)
        means = (mixtures.means[own] / start.scale_ + start.mean_).astype(np.float32)
        gaussians.set_invvars_and_means(inverse, means)
        gaussians.compute_gconsts()
        model.add_pdf(gaussians)
    transitions = khg.TransitionModel(tree, topology)
    lexicon = kaldifst.StdVectorFst()
    lexicon.start = lexicon.add_state()
    lexicon.set_final(lexicon.start, 0.0)
    for word in words:
        lexicon.add_arc(lexicon.start, kaldifst.StdArc(word, word, 0.0, lexicon.start))
    kaldifst.arcsort(lexicon, sort_type="olabel")
    options = khg.TrainingGraphCompilerOptions()
    options.transition_scale = options.self_loop_scale = 0.0  # they are added, as they are learned, before each pass
    compiler = khg.TrainingGraphCompiler(transitions, tree, lexicon, [len(words) + 1], options)
    plain = [compiler.compile_graph_from_text([word]) for word in words]

    def graphs() -> list[Any]:
        copies = [kaldifst.StdVectorFst(graph) for graph in plain]
        for graph in copies:
            khg.add_transition_probs(transitions, transition_scale=1.0, self_loop_scale=1.0, fst=graph)
        return copies

    def pass_over(X: np.ndarray, words: np.ndarray, lengths: np.ndarray) -> float:
        flags = khg.str_to_gmm_flags("mvwt")
        sums, arcs, done = khg.AccumAmDiagGmm(), transitions.init_stats(), (0, 0, 0, 0.0, 0)
        sums.init(model=model, flags=flags)
        own, ends, config = graphs(), np.cumsum(lengths), khg.AlignConfig()
        for word, end, length in zip(words, ends, lengths, strict=True):
            clip = X[end - length : end]
            decodable = khg.DecodableAmDiagGmmScaled(model, transitions, clip, 1.0)
            *done, path, _ = khg.align_utterance_wrapper(config, "", 1.0, own[word], decodable, *done)
            for frame, arc in zip(clip, path, strict=True):
                arcs = transitions.accumulate(1.0, arc, arcs)
                sums.accumulate_for_gmm(model, frame, transitions.transition_id_to_pdf(arc), 1.0)
        transitions.mle_update(arcs, khg.MleTransitionUpdateConfig())
        khg.mle_am_diag_gmm_update(khg.MleDiagGmmOptions(), sums, flags, model)
        return done[3] / done[4]

    X, y, lengths = train
    seconds = []
    for _ in range(PEER_PASSES):
        begun = time.perf_counter()
        reached = pass_over(X, np.searchsorted(start.classes_, y), lengths)
        seconds.append(time.perf_counter() - begun)
    union = kaldifst.StdVectorFst()
    union.start = union.add_state()
    for graph in graphs():
        first = union.num_states
        for _ in range(graph.num_states):
            union.add_state()
        union.add_arc(union.start, kaldifst.StdArc(0, 0, 0.0, first + graph.start))
        for state in range(graph.num_states):
            union.set_final(first + state, graph.final(state))
            for arc in kaldifst.ArcIterator(graph, state):
                union.add_arc(first + state, kaldifst.StdArc(arc.ilabel, arc.olabel, arc.weight, first + arc.nextstate))
    right, begun = 0, time.perf_counter()
    for word, end, length in zip(np.searchsorted(start.classes_, test[1]), np.cumsum(test[2]), test[2], strict=True):
        decoder = khg.FasterDecoder(union, khg.FasterDecoderOptions())
        clip = test[0][end - length : end]
        decoder.decode(khg.DecodableAmDiagGmmScaled(model, transitions, clip, 1.0))
        heard = kaldifst.get_linear_symbol_sequence(decoder.get_best_path(True)[1])[2]
        right += heard == [word + 1]
    return {
        "seconds_per_pass": statistics.median(seconds),
        "frames_x_passes_per_s": len(X) / statistics.median(seconds),
        "best_path_log_likelihood_per_frame": reached,
        "accuracy": right / len(test[2]),
        "decode_s_per_clip": (time.perf_counter() - begun) / len(test[2]),
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
    one = np.eye(STATES, dtype=np.float32)
    edges, first, last = 0.8 * one + 0.2 * np.eye(STATES, k=1, dtype=np.float32), one[0], 0.2 * one[-1]
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
        model = DenseHMM(states, edges, first, last, max_iter=1)
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


def scale(jobs: int, device: str = "cpu") -> None:
    """The size of Speech Commands, and a quarter: 17 words, clips of 99 frames, 16 states × 8 Gaussians, 20 passes.

    Frames are memory-mapped; memory is what the process has for itself, which the file's pages are not.
    """
    place = f"{jobs} cores" if device == "cpu" else "a GPU"
    for clips in (7500, 30000):
        X, y, lengths = made_up(17, clips, (99, 100), seed=0)
        with tempfile.NamedTemporaryFile() as file:
            X.tofile(file.name)
            mapped, size = np.memmap(file.name, X.dtype, "r", shape=X.shape), X.nbytes
            del X
            begun = time.perf_counter()
            with own_memory() as peak:
                model = GMMHMM(n_states=16, n_mixtures=8, n_iter=20, grow_iter=12, n_jobs=jobs, device=device)
                model.fit(mapped, y, lengths)
            seconds = time.perf_counter() - begun
        print(
            f"{clips:,} clips, {len(mapped):,} frames, {len(model.mixtures_.weights):,} Gaussians: "
            f"{seconds:.1f} s on {place}, own memory {max(peak):.2f} GB (frames {size / 1e9:.2f} GB, in a file)"
        )


@contextmanager
def own_memory() -> Iterator[list[float]]:
    """Samples, in GB, of the process's memory that no file stands behind, every hundredth of a second."""
    found, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            lines = Path("/proc/self/status").read_text().splitlines()
            found.append(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1e6)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield found
    done.set()
    thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    parser.add_argument("--scale", action="store_true")
    options = parser.parse_args()
    jobs = cores()
    if options.scale:
        scale(jobs)
        if find_device() == "cuda":
            scale(jobs, "cuda")
        return
    root = Path(os.environ.get("KWSBENCH_DATA", ""))
    if os.environ.get("KWSBENCH_DATA") and (root / "fsdd").is_dir():
        train, test = digits(root)
    else:
        train, test = made_up(10, 2500, (20, 65), seed=0), made_up(10, 500, (20, 65), seed=1)
    start = at_common_start(train, test, jobs)
    found = with_peak(lambda: ours(train, test, start.copied()))
    peers = {"hmmlearn": with_peak(lambda: hmmlearns(train, test, start))}
    if importlib.util.find_spec("kaldi_hmm_gmm"):
        peers["kaldi"] = with_peak(lambda: kaldis(train, test, start))
    if importlib.util.find_spec("pomegranate"):
        peers["pomegranate"] = with_peak(lambda: pomegranates(train, test))
    if find_device() == "cuda":
        peers["gpu"] = with_peak(lambda: gpus(train, test, start))
    machine = roof(jobs)
    ratios: dict[str, float] = {}
    for name, figures in peers.items():
        ratios[f"train_vs_{name}"] = figures["seconds_per_pass"] / found["seconds_per_pass"]
        ratios[f"decode_vs_{name}"] = figures["decode_s_per_clip"] / found["decode_s_per_clip"]
    if "gpu" in peers:
        ratios["gpu_vs_cpu"] = found["seconds_per_pass"] / peers["gpu"]["seconds_per_pass"]
    ratios |= share_of_roof(train, found, machine)
    report(found, peers, ratios)
    if options.json:
        line: dict[str, Any] = {"name": "gmm_hmm", "unit": "seconds", "ours": found, "peers": peers}
        line |= {"ratios": {key: round(value, 4) for key, value in ratios.items()}}
        print(json.dumps({**line, "machine": {**describe_machine(find_device()), **machine, "threads": jobs}}))


def report(found: dict[str, float], peers: dict[str, dict[str, float]], ratios: dict[str, float]) -> None:
    for name, figures in {"kwsbench": found, **peers}.items():
        print(name, *(f"{key} {value:,.5g}" for key, value in figures.items()), sep="\n    ")
    for name, value in ratios.items():
        print(f"{name}: {value:,.3g}")


if __name__ == "__main__":
    main()
