import numpy as np
import pandas as pd
import pytest

from kwsbench.explore import confusability as room
from kwsbench.explore.confusability import confusability, halves
from kwsbench.explore.material import Material
from kwsbench.sound import Places, read_sound


@pytest.fixture(scope="module")
def tones(tone_tree, tmp_path_factory):
    sound = read_sound("speech_commands_v0.01", Places(tone_tree.parent, tmp_path_factory.mktemp("cache")))
    return Material(sound, workers=1)


@pytest.fixture(scope="module")
def found(tones):
    return confusability(tones, n_components=2, least_clips=5)


def test_words_of_other_sounds_are_told_apart_and_a_rising_chirp_looks_like_a_falling_one(found):
    # frames know no order: yes rises as no falls, up as cat
    assert found.by_speaker and not found.left_out
    assert {frozenset((p.word, p.other)) for p in found.pairs.head(2).itertuples()} == {
        frozenset(("yes", "no")),
        frozenset(("up", "cat")),
    }
    order = found.order
    assert abs(order.index("yes") - order.index("no")) == 1 and abs(order.index("up") - order.index("cat")) == 1
    across = found.answers["word"].isin(["yes", "no"]) != found.answers["answer"].isin(["yes", "no"])
    assert not across.any() and len(found.answers) == 80 and abs(found.error - 0.5) < 0.2


def test_its_numbers_fit_together(found):
    relative = found.relative.to_numpy()
    assert (np.diag(relative) == 0).all() and list(found.relative.index) == ["cat", "no", "up", "yes"]
    np.testing.assert_allclose(found.distance, np.maximum(-(relative + relative.T) / 2, 0))
    assert len(found.pairs) == 6 and found.pairs["distance"].is_monotonic_increasing
    for p in found.pairs.itertuples():
        assert p.distance == found.distance.loc[p.word, p.other]
    assert found.linkage.shape == (3, 4) and found.linkage[0, 2] == pytest.approx(found.pairs["distance"][0])


def test_the_same_seed_finds_the_same(tones, found):
    again = confusability(tones, n_components=2, least_clips=5)
    pd.testing.assert_frame_equal(again.relative, found.relative)


def test_words_with_few_clips_are_left_out(tones):
    assert confusability(tones, words=["yes"], least_clips=1) is None
    assert confusability(tones, 4, least_clips=5) is None


def test_without_speakers_clips_are_halved(tones):
    from dataclasses import replace

    nobody = replace(tones.sound.corpus, clips=tones.clips.assign(speaker=""))
    found = confusability(Material(replace(tones.sound, corpus=nobody), workers=1), n_components=2, least_clips=5)
    assert found is not None and not found.by_speaker


def test_distance_is_half_the_divergence_of_jeffreys():
    # two Gaussians of variance s² whose means are m apart: m² / s² in both directions together
    rng = np.random.default_rng(3)
    m, s, n = 3.0, 1.5, 20_000
    frames = rng.normal(0, s, (4 * n, 2))
    word, half = np.tile(np.repeat([0, 1], n), 2), np.repeat([0, 1], 2 * n)
    frames[word == 1, 0] += m
    likelihood = np.zeros((4 * n, 2))
    for h in (0, 1):
        likelihood[half != h] = room._scored(frames[half == h], word[half == h], frames[half != h], (1, 2), 0)
    clips = pd.DataFrame({"clip": np.arange(4 * n), "word": np.array(["a", "b"])[word], "speaker": ""})
    found = room._found(clips, word, likelihood, np.ones(4 * n, int), half, ["a", "b"], by_speaker=False, left_out=[])
    assert found.distance.loc["a", "b"] == pytest.approx(m**2 / s**2 / 2, rel=0.02)
    from scipy.stats import norm

    assert found.error == pytest.approx(norm.cdf(-m / (2 * s)), abs=0.005)


def test_clips_are_judged_by_all_their_frames():
    clips = pd.DataFrame({"clip": list("pqrs"), "word": list("abab"), "speaker": ""})
    likelihood = np.array([[-1.0, -3.0], [-4.0, -3.0], [-2.0, -1.0], [-1.0, -2.0], [-5.0, -4.0]])
    found = room._found(
        clips, np.array([0, 1, 0, 1]), likelihood, np.array([2, 1, 1, 1]), np.array([0, 0, 1, 1]), ["a", "b"],
        by_speaker=True, left_out=[],
    )  # fmt: skip
    assert list(found.answers["answer"]) == ["a", "b", "a", "b"] and found.error == 0
    # a of half 0: (−1 − 4) / 2 = −2.5 under its own, −3 under b; of half 1: −1 and −2
    assert found.relative.loc["a", "b"] == pytest.approx((-0.5 - 1) / 2)
    assert found.relative.loc["b", "a"] == pytest.approx((-1 - 1) / 2)
    assert np.isnan(found.agreement)


def test_halves_share_no_speaker_and_are_of_one_size():
    rng = np.random.default_rng(1)
    speakers = rng.choice([f"s{i}" for i in range(20)], 500)
    half, apart = halves(speakers, np.full(500, "yes"), rng)
    assert apart and abs(half.mean() - 0.5) < 0.02
    assert not set(speakers[half == 0]) & set(speakers[half == 1])
    half, apart = halves(np.array(["a"] * 5 + ["b"] * 5 + [""] * 10), np.full(20, "yes"), rng)
    assert apart and half.sum() == 10 and half[:5].std() == 0
    for alone in (np.full(9, "a"), np.full(9, ""), np.full(9, None)):
        half, apart = halves(alone, np.repeat(["no", "yes", "up"], [4, 4, 1]), rng)
        assert not apart and half[:4].sum() == half[4:8].sum() == 2


def test_frames_of_silence_are_none_and_gain_does_not_matter():
    samples = np.random.default_rng(0).standard_normal(4000).astype(np.float32) * 0.1
    assert room._frames(np.zeros(400, np.float32), 16000, 20, 10, 1e-10).shape == (0, 161)
    loud, quiet = (room._frames(gain * samples, 16000, 20, 10, 1e-10) for gain in (1, 0.1))
    np.testing.assert_allclose(loud.astype(float), quiet.astype(float), atol=0.02)


@pytest.mark.filterwarnings("error")
def test_frames_that_are_all_alike_are_fitted_without_a_warning():
    for n in (1, 2, 200):
        assert np.isfinite(room._mixture(np.zeros((n, 3)), 8, 0).score_samples(np.ones((2, 3)))).all()
