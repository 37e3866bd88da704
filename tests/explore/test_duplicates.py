"""Made-up voices with known twins among them: copies of clips, and a speaker under two ids."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench.explore.duplicates import correlation, exact_duplicates, flattened, likeness, near_duplicates
from kwsbench.explore.material import Material
from kwsbench.explore.outlines import clip_features, fingerprint
from kwsbench.explore.speakers import check_speakers, equal_error_rate, suspicious_speakers
from kwsbench.sound import Places, read_sound

WORDS = ("left", "right", "stop")
KINDS = ("exact", "gain", "shift", "noise", "opus", "cut")
RATE = 16000
N_SPEAKERS, TWIN = 24, 3


def voice(speaker, word, take):
    """float (16000,): noise through resonances of the speaker and the word, in background noise of the speaker's."""
    from scipy.signal import lfilter

    rng, own = np.random.default_rng([speaker, word, take]), np.random.default_rng([speaker, 77])
    t = np.arange(RATE) / RATE
    sound = rng.standard_normal(RATE)
    for hz in own.uniform(300, 3500, 4) + 60 * word:
        pole = 0.96 * np.exp(2j * np.pi * hz / RATE)
        sound = lfilter([1], [1, -2 * pole.real, abs(pole) ** 2], sound)
    sound *= np.exp(-((t - 0.4 - 0.1 * rng.random()) ** 2) / 0.01) * (1.2 + np.sin(2 * np.pi * (3 + word) * t + take))
    return 0.3 * sound / np.abs(sound).max() + own.uniform(0.0005, 0.003) * rng.standard_normal(RATE)


def copied(kind, sound, rng):
    if kind == "gain":
        return 0.25 * sound
    if kind == "shift":
        return np.concatenate([1e-3 * rng.standard_normal(1200), sound[:-1200]])
    if kind == "noise":
        return sound + 0.1 * sound.std() * rng.standard_normal(len(sound))
    return sound[1600:-3000] if kind == "cut" else sound


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """24 speakers, 3 words, 3 takes; id p24 is speaker 3 again, with other takes; 12 copies, half under another id."""
    root, rng, rows = tmp_path_factory.mktemp("twins"), np.random.default_rng(5), []
    for s in range(N_SPEAKERS + 1):
        for w in range(3):
            for k in range(3):
                name = f"s{s}_{WORDS[w]}_{k}.wav"
                sound = voice(TWIN if s == N_SPEAKERS else s, w, k + 10 * (s == N_SPEAKERS))
                soundfile.write(root / name, sound, RATE)
                rows.append((name, WORDS[w], f"p{s}"))
    for k, kind in enumerate(KINDS * 2):
        sound, _ = soundfile.read(root / f"s{k}_{WORDS[k % 3]}_0.wav")
        name = f"copy_{kind}_{k}.{'opus' if kind == 'opus' else 'wav'}"
        coding = {"format": "OGG", "subtype": "OPUS"} if kind == "opus" else {}
        soundfile.write(root / name, copied(kind, sound, rng), RATE, **coding)
        rows.append((name, WORDS[k % 3], f"p{k if k < 6 else k + 6}"))
    pd.DataFrame(rows, columns=["path", "word", "speaker"]).to_csv(root / "manifest.csv", index=False)
    sound = read_sound("folder", Places(root, tmp_path_factory.mktemp("cache")), {"path": str(root)})
    return Material(sound, workers=1)


@pytest.fixture(scope="module")
def features(material):
    return clip_features(material)


@pytest.fixture(scope="module")
def alike(material, features):
    return likeness(material, features)


def test_every_copy_is_found_and_nothing_else_is(alike):
    found = alike.pairs
    pairs = {frozenset(pair) for pair in found[["clip_a", "clip_b"]].itertuples(index=False)}
    ending = {"opus": "opus"}
    want = {
        frozenset((f"s{k}_{WORDS[k % 3]}_0.wav", f"copy_{kind}_{k}.{ending.get(kind, 'wav')}"))
        for k, kind in enumerate(KINDS * 2)
    }
    assert pairs == want  # precision and recall are both 1
    assert found["exact"].sum() == 2 and found["same_speaker"].sum() == 6 and found["same_word"].all()
    assert found["similarity"].between(0.7, 1).all()


def test_exact_duplicates_are_grouped_and_say_whether_they_cross_speakers(material):
    found = exact_duplicates(material)
    assert found["sha256"].nunique() == 2 and len(found) == 4
    assert sorted(found.groupby("sha256")["same_speaker"].first()) == [False, True]
    assert found["same_word"].all()


def test_different_recordings_of_one_word_lie_below_the_threshold(alike):
    assert len(alike.chance) > 50 and alike.chance.max() < alike.threshold <= 1


def test_a_person_with_two_ids_is_suspected_and_shared_recordings_come_first(material, features, alike):
    check = check_speakers(material, features, alike.pairs, false_matches=0.005)
    assert check.n_speakers == N_SPEAKERS + 1 and check.equal_error < 0.1
    pairs = check.pairs
    assert (pairs["near_duplicates"].head(6) == 1).all() and (pairs["near_duplicates"].iloc[6:] == 0).all()
    heard = pairs[pairs["near_duplicates"] == 0]
    assert set(heard[["speaker_a", "speaker_b"]].iloc[0]) == {f"p{TWIN}", f"p{N_SPEAKERS}"}


def test_correlation_finds_the_lag_the_sign_and_what_was_cut():
    rng = np.random.default_rng(0)
    sound = rng.standard_normal(4000)
    assert correlation(sound, -0.1 * sound) == pytest.approx(1)
    assert correlation(sound, np.concatenate([np.zeros(300), sound])) == pytest.approx(1)
    assert correlation(sound, sound[700:3500]) == pytest.approx(1)
    assert correlation(sound, rng.standard_normal(4000)) < 0.15
    assert correlation(sound, np.zeros(4000)) == 0 == correlation(sound[:1], np.zeros(1))
    assert correlation(sound, np.roll(np.pad(sound, (0, 3000)), 3000)) < 0.15  # later than lags reach
    other = rng.standard_normal(3000)
    by_hand = max(
        abs(np.dot(sound[max(k, 0) : max(k, 0) + n], other[max(-k, 0) : max(-k, 0) + n]))
        / np.linalg.norm(sound[max(k, 0) : max(k, 0) + n])
        / np.linalg.norm(other[max(-k, 0) : max(-k, 0) + n])
        for k in range(-100, 101)
        for n in [min(4000 - max(k, 0), 3000 - max(-k, 0))]
    )
    assert correlation(sound, other, 400) == pytest.approx(by_hand)


def test_flattening_takes_hum_away():
    t = np.arange(8000) / 8000
    assert np.abs(flattened(np.sin(2 * np.pi * 50 * t))).max() < 1e-3
    assert not flattened(np.zeros(100)).any() and np.isfinite(flattened(np.ones(1))).all()


def test_a_fingerprint_does_not_move_with_level_or_time():
    rng = np.random.default_rng(1)
    bands = np.full((60, 24), -20.0)
    bands[10:30] = rng.uniform(-8, 0, (20, 24))
    print_of = fingerprint(bands)
    assert np.linalg.norm(print_of) == pytest.approx(1)
    assert fingerprint(np.roll(bands, 15, axis=0)) == pytest.approx(print_of)
    assert fingerprint(bands - 3.0) == pytest.approx(print_of)
    assert not fingerprint(np.full((5, 24), -23.0)).any()


def test_equal_error_rate_by_hand():
    assert equal_error_rate(np.array([3.0, 4, 5]), np.array([0.0, 1, 2])) == 0
    assert equal_error_rate(np.array([1.0, 3, 5, 7]), np.array([0.0, 2, 4, -1])) == pytest.approx(0.25)
    rng = np.random.default_rng(0)
    same, different = rng.normal(2, 1, 20000), rng.normal(0, 1, 20000)
    assert equal_error_rate(same, different) == pytest.approx(0.1587, abs=0.006)  # Φ(−1)


@pytest.mark.parametrize("speakers", [("", ""), ("a", "a"), ("a", "b")])
def test_silence_short_clips_and_few_speakers_say_nothing(tmp_path, speakers):
    rng = np.random.default_rng(0)
    rows = []
    for k, size in enumerate((1, 5, 100, 4000, 4000, 4000)):
        loud = 0 if k == 3 else 0.1
        soundfile.write(tmp_path / f"{k}.wav", loud * rng.standard_normal(size), 8000)
        rows.append((f"{k}.wav", "up", speakers[k % 2]))
    pd.DataFrame(rows, columns=["path", "word", "speaker"]).to_csv(tmp_path / "manifest.csv", index=False)
    material = Material(read_sound("folder", Places(tmp_path, tmp_path / "cache"), {"path": str(tmp_path)}), workers=1)
    assert near_duplicates(material).empty and exact_duplicates(material).empty
    assert suspicious_speakers(material).empty
