"""The passes with torch against the compiled ones, which stand against sums over all paths in test_kernels."""

import subprocess
import sys

import numpy as np
import pytest

from kwsbench.hmm import GMMHMM, passes, tensors
from kwsbench.hmm.chains import SKIP

DEVICES = "cpu", "torch:cpu"
EXACT = {"rtol": 1e-6, "atol": 1e-9}


@pytest.fixture
def toy(made_words, rng):
    """Three words of 8 to 14 clips, 0 to 15 frames long."""
    X, y, lengths = made_words(rng, words=3, clips=14, dims=3, frames=(4, 16))
    keep = np.ones(len(y), bool)
    keep[14:20] = False
    short = {0: 0, 3: 1, 22: 1, 30: 2, 41: 0}
    parts = np.split(X, np.cumsum(lengths)[:-1])
    parts = [part[: short.get(i, len(part))] for i, part in enumerate(parts) if keep[i]]
    return np.concatenate(parts), y[keep], np.array([len(part) for part in parts])


def both(toy, devices=DEVICES, **settings):
    """The same model on the processor and on torch, after three iterations that grew it."""
    found = []
    for device in devices:
        given = {"n_states": {None: 5, "w1": 2}, "n_mixtures": {None: 3, "w2": 6}, "power": 1.0, "dtype": "float64"}
        model = GMMHMM(**{**given, "n_iter": 4, "grow_iter": 3, "device": device, **settings})
        model.start(*toy)
        for iteration in range(3):
            model.iterate()
            model.grow(iteration + 1)
        found.append(model)
    return found


def compare(one, other, toy, **tolerance):
    assert one._device_work is None and other._device_work is not None
    assert len(one.mixtures_.weights) == len(other.mixtures_.weights)
    for model in (one, other):
        model.iterate()
    np.testing.assert_allclose(other._sums, one._sums, **tolerance)
    np.testing.assert_allclose(other.monitor_.likelihoods, one.monitor_.likelihoods, **tolerance)
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(other.mixtures_, name), getattr(one.mixtures_, name), **tolerance)
    for chain, wanted in zip(other.chains_, one.chains_, strict=True):
        np.testing.assert_allclose(chain.arcs, wanted.arcs, **tolerance)
    found = other.log_likelihood(toy[0], toy[2])
    np.testing.assert_allclose(found, one.log_likelihood(toy[0], toy[2]), **tolerance)
    assert (found[toy[2] == 0] == 0).all()


@pytest.mark.parametrize("covariance", ["diag", "full"])
@pytest.mark.parametrize("final", ["last", "any"])
@pytest.mark.parametrize("silence", [0, 2])
@pytest.mark.parametrize("skips", [False, True])
def test_training_and_likelihoods_are_those_of_the_compiled_passes(toy, skips, silence, final, covariance):
    one, other = both(toy, skips=skips, silence_states=silence, final=final, covariance=covariance)
    sizes = one.mixtures_.sizes
    assert sizes.min() < sizes.max()
    assert skips == any(chain.arcs[SKIP].max() > -1e29 for chain in one.chains_)
    compare(one, other, toy, **EXACT)


@pytest.mark.parametrize("skips", [False, True])
def test_each_word_and_each_count_is_that_of_the_compiled_passes(toy, skips):
    one, other = both(toy, skips=skips, silence_states=1)
    voices = [passes.Voice.of(one.mixtures_, [chain], np.dtype(np.float64)) for chain in one.chains_]
    wanted = passes.expect_all(one._frames, one._work.parts, voices, 1)
    for a, b in zip(other._device_work.expect(voices), wanted, strict=True):
        np.testing.assert_allclose(a.sums, b.sums, **EXACT)
        np.testing.assert_allclose(a.counts, b.counts, **EXACT)
        order_a, order_b = np.argsort(a.clips), np.argsort(b.clips)
        np.testing.assert_array_equal(a.clips[order_a], b.clips[order_b])
        np.testing.assert_allclose(a.likelihoods[order_a], b.likelihoods[order_b], rtol=1e-9)
        assert a.counts[2].sum() == pytest.approx(len(a.clips)) and a.counts[3].sum() == pytest.approx(len(a.clips))


def test_nothing_hangs_on_the_size_of_blocks_pieces_and_groups(toy, monkeypatch):
    monkeypatch.setattr(tensors, "WORK_BYTES", 1 << 15)
    monkeypatch.setattr(tensors, "PIECE", 7)
    monkeypatch.setattr(tensors, "GROUP", 2)
    monkeypatch.setattr(tensors, "UPLOAD_FRAMES", 50)
    one, other = both(toy, skips=True, silence_states=1)
    compare(one, other, toy, **EXACT)
    assert len(other._device_work._blocks) > 2


def test_frames_that_do_not_fit_are_read_block_by_block(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(tensors, "_room", lambda device: 1 << 12)
    np.save(tmp_path / "x.npy", toy[0])
    toy = (np.load(tmp_path / "x.npy", mmap_mode="r"), *toy[1:])
    one, other = both(toy)
    compare(one, other, toy, **EXACT)
    assert len(other._device_work._blocks) > 1


@pytest.mark.skipif(not tensors.torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("skips", [False, True])
def test_a_gpu_finds_the_same(toy, skips):
    one, other = both(toy, ("cpu", "cuda"), skips=skips, silence_states=1)
    compare(one, other, toy, **EXACT)


def test_nothing_to_score(toy):
    model = GMMHMM(n_iter=2, grow_iter=1, device="torch:cpu").fit(*toy)
    assert model.log_likelihood(np.empty((0, 3)), np.array([], int)).shape == (0, 3)
    assert (model.log_likelihood(np.empty((0, 3)), np.array([0, 0])) == 0).all()


def test_tied_states(toy):
    one, other = (GMMHMM(n_states=4, tied_states=6, n_iter=7, grow_iter=6, dtype="float64", device=d) for d in DEVICES)
    for model in (one, other):
        model.fit(*toy)
    np.testing.assert_allclose(other.mixtures_.means, one.mixtures_.means, **EXACT)


def test_float32_comes_as_near_as_the_compiled_passes_do(toy):
    one, other = both(toy, dtype="float32", silence_states=1)
    compare(one, other, toy, rtol=2e-3, atol=2e-3)


def test_one_frame_a_clip(toy):
    X, y, lengths = toy
    few = (X[: len(y)], y, np.ones(len(y), int))
    compare(*both(few), few, **EXACT)


def test_frames_far_from_every_word(toy):
    X, y, lengths = toy
    model = GMMHMM(n_iter=3, grow_iter=1).fit(X, y, lengths)
    wanted = model.log_likelihood(1e6 * X, lengths)
    model.device = "torch:cpu"
    np.testing.assert_allclose(model.log_likelihood(1e6 * X, lengths), wanted, rtol=1e-5)


def test_viterbi_training_stays_where_it_was(toy):
    one, other = (GMMHMM(training="viterbi", n_iter=4, grow_iter=2, device=device).fit(*toy) for device in DEVICES)
    np.testing.assert_array_equal(one.mixtures_.means, other.mixtures_.means)


def test_what_was_loaded_runs_on_the_processor(toy, tmp_path):
    model = GMMHMM(n_iter=3, grow_iter=1, device="torch:cpu").fit(*toy)
    model.save(tmp_path / "m.npz")
    again = GMMHMM.load(tmp_path / "m.npz")
    assert model.device == "torch:cpu" and again.device == "cpu"
    np.testing.assert_allclose(model.log_likelihood(toy[0], toy[2]), again.log_likelihood(toy[0], toy[2]), rtol=1e-4)


def test_cuda_is_torchs(monkeypatch):
    monkeypatch.setattr(tensors.torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no GPU"):
        tensors.device_of("cuda")
    monkeypatch.setattr(tensors.torch.cuda, "is_available", lambda: True)
    assert tensors.device_of("cuda") == tensors.device_of("torch:cuda")
    assert str(tensors.device_of("torch:cuda:1")) == "cuda:1"
    with pytest.raises(ValueError, match="device is gpu: give cpu, cuda"):
        tensors.device_of("gpu")


def test_torch_is_imported_only_for_a_device():
    program = (
        "import sys, numpy as np; from kwsbench.hmm import GMMHMM; X = np.random.default_rng(0).normal(size=(20, 2));"
        "GMMHMM(n_states=2, n_iter=2).fit(X, np.array([0, 1]), np.array([10, 10])).predict(X, np.array([10, 10]));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
