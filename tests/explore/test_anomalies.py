import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench.explore.anomalies import components, halves, unusual
from kwsbench.explore.bands import common_rate, log_bands
from kwsbench.explore.material import Material
from kwsbench.explore.outlines import clip_features, outline
from kwsbench.sound import Places, read_sound


@pytest.fixture(scope="module")
def material(tone_tree, tmp_path_factory):
    """Chirps of four words, and among them noise and a chirp of another word, both called "yes"."""
    root = tmp_path_factory.mktemp("odd")
    rng, rows = np.random.default_rng(0), []
    for path in sorted(tone_tree.glob("*/*_nohash_*.wav")):
        sound, rate = soundfile.read(path)
        for k in range(2):
            name = f"{path.parent.name}_{path.stem}_{k}.wav"
            soundfile.write(root / name, (0.6 + 0.4 * k) * sound + 0.005 * rng.standard_normal(len(sound)), rate)
            rows.append((name, path.parent.name, path.stem.partition("_")[0]))
    soundfile.write(root / "noise.wav", 0.2 * rng.standard_normal(16000), 16000)
    soundfile.write(root / "wrong.wav", soundfile.read(root / rows[-1][0])[0][::-1], 16000)
    rows += [("noise.wav", "yes", "x"), ("wrong.wav", "yes", "y")]
    pd.DataFrame(rows, columns=["path", "word", "speaker"]).to_csv(root / "manifest.csv", index=False)
    return Material(read_sound("folder", Places(root, root / "cache"), {"path": str(root)}), workers=1)


def test_both_detectors_find_noise_under_the_name_of_a_word(material):
    found = unusual(material).set_index("clip")
    assert found.loc["noise.wav", ["isolation_rank", "likelihood_rank"]].max() <= 2
    assert sorted(found["isolation_rank"]) == list(range(1, len(found) + 1))
    yes = found[found["word"] == "yes"]
    assert yes["below"].median() == pytest.approx(0, abs=1e-9)
    assert (yes["below"] + yes["likelihood"]).to_numpy() == pytest.approx(yes["likelihood"].median())


def test_halves_part_speakers_and_clips_where_nobody_is_known(material):
    side = pd.Series(halves(material))
    assert side.groupby(material.clips["speaker"].to_numpy()).nunique().eq(1).all()
    assert abs(side.groupby(material.clips["speaker"].to_numpy()).first().mean() - 0.5) < 0.1


def test_components_are_those_of_a_singular_value_decomposition(material):
    features = clip_features(material)
    found = components(material, features)
    centred = features.outlines.astype(float) - features.outlines.mean(axis=0, dtype=float)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    assert found.shares == pytest.approx((values**2 / np.sum(values**2))[:3])
    assert np.abs(found.points["first"].to_numpy()) == pytest.approx(np.abs(centred @ axes[0]), abs=1e-3)


def test_an_outline_is_the_mean_of_each_eighth():
    bands = np.arange(16.0)[:, None] * np.ones(24)
    assert outline(bands).reshape(8, 24)[:, 0] == pytest.approx(np.arange(8) * 2 + 0.5)
    assert outline(np.full((1, 24), 3.0)) == pytest.approx(np.full(192, 3.0))


def test_a_tone_lies_in_the_band_around_it_and_doubling_adds_the_log_of_four():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    bands = log_bands(tone, 16000, 24)
    assert bands.shape == (1 + (16000 - 512) // 256, 24)
    loudest = bands.mean(axis=0).argmax()
    assert log_bands(2 * tone, 16000, 24)[:, loudest] - bands[:, loudest] == pytest.approx(np.log(4), abs=1e-4)
    mel = 2595 * np.log10(1 + np.array([80, 1000, 7600]) / 700)
    assert loudest == round((mel[1] - mel[0]) / (mel[2] - mel[0]) * 25 - 1)
    assert log_bands(np.zeros(3), 16000, 24).shape == (1, 24)


def test_the_common_rate_is_the_lowest_and_at_most_16_khz():
    assert common_rate(np.array([44100, 48000])) == 16000 and common_rate(np.array([8000, 16000])) == 8000


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_clips_silent_and_short_give_places_and_no_verdict(tmp_path, n):
    for k in range(n):
        soundfile.write(tmp_path / f"{k}.wav", np.zeros(1 + 4000 * k), 8000)
    rows = [(f"{k}.wav", "up") for k in range(n)]
    pd.DataFrame(rows, columns=["path", "word"]).to_csv(tmp_path / "manifest.csv", index=False)
    material = Material(read_sound("folder", Places(tmp_path, tmp_path / "cache"), {"path": str(tmp_path)}), workers=1)
    assert unusual(material)["likelihood"].isna().all()
    assert np.isfinite(components(material).points[["first", "second", "third"]].to_numpy()).all()
