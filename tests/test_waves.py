"""Rows of a task as waveforms: cut, scaled, resampled, trimmed, padded or chopped, all counted by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwsbench.audio import BadRecording, resample
from kwsbench.features import Frontend
from kwsbench.features.vad import trim
from kwsbench.noise import COLORS, colored_noise
from kwsbench.recordings import Recordings
from kwsbench.waves import Sources, fit_into

RAMP = np.arange(1, 1001, dtype=np.int16)
TONE = (8000 * np.sin(np.arange(4000) * 0.3)).astype(np.int16)


@pytest.fixture
def recordings(tmp_path) -> Recordings:
    """ramp.wav at 1 kHz, tone.wav at 4 kHz, and bad.wav."""
    np.concatenate([RAMP, TONE]).tofile(tmp_path / "samples.int16")
    table = pd.DataFrame(
        {
            "path": ["/ramp.wav", "/tone.wav", "/bad.wav"],
            "sha256": ["a", "b", ""],
            "n_samples": [1000, 4000, 0],
            "rate": [1000, 4000, 0],
            "error": ["", "", "is an empty file"],
            "offset": [0, 1000, 5000],
        },
        index=pd.Index(["ramp.wav", "tone.wav", "bad.wav"], name="clip"),
    )
    return Recordings(table, tmp_path)


def sources(recordings: Recordings, *rows: tuple, **settings) -> Sources:
    """Rows of (path, start, stop, gain, peak)."""
    table = pd.DataFrame(rows, columns=["path", "start", "stop", "gain", "peak"])
    return Sources(table, recordings, Frontend(**{"kind": "waveform", "rate": 1000, **settings}))


def made(found: Sources) -> tuple[np.ndarray, list[int]]:
    waves = np.zeros((len(found.rows), found.frontend.n_samples), np.int16)
    lengths = found.write(waves, slice(0, len(waves)))
    return waves, lengths.tolist()


@pytest.mark.parametrize(
    ("how", "size", "want"),
    [
        ("end", 5, [1, 2, 3, 0, 0]),
        ("start", 5, [0, 0, 1, 2, 3]),
        ("center", 5, [0, 1, 2, 3, 0]),
        ("center", 6, [0, 1, 2, 3, 0, 0]),
        ("none", 5, [1, 2, 3, 0, 0]),
        ("end", 3, [1, 2, 3]),
        ("start", 2, [1, 2]),
        ("end", 2, [1, 2]),
        ("none", 2, [1, 2]),
        ("center", 1, [2]),
        ("center", 2, [1, 2]),
    ],
)
def test_padding_goes_where_it_is_said_and_the_rest_is_chopped(how, size, want):
    row = np.zeros(size, np.int16)
    assert fit_into(row, np.array([1, 2, 3], np.int16), how) == min(3, size)
    assert row.tolist() == want


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from(["end", "start", "center", "none"]))
def test_samples_stay_together_in_order(n, size, how):
    row = np.zeros(size, np.int16)
    own = fit_into(row, np.arange(1, n + 1, dtype=np.int16), how)
    kept = row[row > 0]
    assert own == len(kept) == min(n, size) and (np.diff(kept) == 1).all()
    assert not n or (np.diff(np.flatnonzero(row)) == 1).all()


def test_a_stretch_of_a_recording(recordings):
    found = sources(
        recordings,
        ("/ramp.wav", 0, -1, 1.0, False),
        ("/ramp.wav", 100, 200, 1.0, False),
        ("/ramp.wav", 900, -1, 1.0, False),
        ("/tone.wav", 10, 20, 1.0, False),
    )
    assert [len(found.of_row(i)[0]) for i in range(4)] == [1000, 100, 100, 10]
    assert np.array_equal(found.of_row(1)[0], RAMP[100:200]) and found.of_row(1)[1] == 1000
    assert np.array_equal(found.of_row(3)[0], TONE[10:20]) and found.of_row(3)[1] == 4000


def test_gain_and_peak(recordings):
    found = sources(
        recordings,
        ("/ramp.wav", 0, -1, 0.5, False),
        ("/ramp.wav", 0, -1, 1.0, True),
        ("/ramp.wav", 0, -1, 0.25, True),
        ("zeros", 0, -1, 1.0, True),
    )
    assert found.of_row(0)[0].tolist() == np.rint(RAMP * 0.5).tolist()
    assert found.of_row(1)[0].tolist() == np.clip(np.rint(RAMP * 32.768), 0, 32767).tolist()
    assert found.of_row(2)[0].max() == 8192  # a quarter of full scale
    assert not found.of_row(3)[0].any()


def test_rows_are_resampled_trimmed_and_fitted_in_that_order(recordings):
    rows = [("/ramp.wav", 0, -1, 1.0, False), ("/tone.wav", 0, -1, 1.0, False), ("/tone.wav", 0, 400, 1.0, False)]
    rows += [("/tone.wav", 2000, 2400, 0.5, False)]
    for method in ("polyphase", "fft"):
        waves, lengths = made(sources(recordings, *rows, resample=method, seconds=0.5))
        assert waves.shape == (4, 500) and lengths == [500, 500, 100, 100]
        assert np.array_equal(waves[0], RAMP[:500])
        assert np.array_equal(waves[1], resample(TONE, 4000, 1000, method)[:500])
        assert np.array_equal(waves[2, :100], resample(TONE[:400], 4000, 1000, method)) and not waves[2, 100:].any()
        assert np.array_equal(
            waves[3, :100], resample(np.rint(TONE[2000:2400] * 0.5).astype(np.int16), 4000, 1000, method)
        )


def test_silence_around_a_word_is_trimmed_before_it_is_fitted(recordings):
    word = np.zeros(1000, np.int16)
    word[500:600] = 5000
    word.tofile(recordings.folder / "samples.int16")
    waves, lengths = made(sources(recordings, ("/ramp.wav", 0, -1, 1.0, False), vad="energy", fit="start"))
    assert lengths == [200] and np.array_equal(waves[0, 800:], word[450:650]) and not waves[0, :800].any()
    assert np.array_equal(trim(word, 1000, "energy"), word[450:650])


def test_margins_and_dither_are_noise_of_the_level_asked_for_and_always_the_same(recordings):
    row = ("/ramp.wav", 0, -1, 1.0, False)
    settings = {"seconds": 3.0, "margin_s": 1.0, "margin_level": 20.0}
    waves, lengths = made(sources(recordings, row, row, **settings))
    assert lengths == [3000, 3000] and np.array_equal(waves[0], waves[1])
    assert np.array_equal(waves[0, 1000:2000], RAMP)
    for margin in (waves[0, :1000], waves[0, 2000:]):
        assert abs(margin.std() - 20) < 3 and abs(margin.mean()) < 3
    noisy, _ = made(sources(recordings, row, ("/ramp.wav", 1, -1, 1.0, False), **settings, dither=5.0))
    assert abs((noisy[0, 1000:2000].astype(float) - RAMP).std() - 5) < 1
    assert not np.array_equal(noisy[0, 2000:], noisy[1, 1999:-1])  # other samples, other noise


def test_margins_are_around_every_row_in_any_company_and_chopped_with_it(recordings):
    rows = [("zeros", 0, -1, 1.0, False), ("generated:white:7", 0, -1, 1.0, False), ("/ramp.wav", 0, 400, 1.0, False)]
    settings = {"seconds": 0.5, "margin_s": 0.1, "dither": 2.0, "fit": "none"}
    waves, lengths = made(sources(recordings, *rows, **settings))
    assert lengths == [500, 500, 500]  # zeros and generated noise are as long as clips are
    assert (np.abs(waves[:, :100]).max(1) > 5).all() and abs(waves[:, :100].std() - 10) < 1.5
    assert abs(waves[0, 100:].std() - 2) < 0.3 and abs((waves[2, 100:] - RAMP[:400]).std() - 2) < 0.3
    for i, row in enumerate(rows):
        alone, _ = made(sources(recordings, row, **settings))
        assert np.array_equal(alone[0], waves[i])
    short, own = made(sources(recordings, ("/ramp.wav", 0, 200, 1.0, False), **settings))
    assert own == [400] and not short[0, 400:].any()  # padding is without noise


def test_generated_noise_is_30_db_down_times_the_gain_and_of_its_own_seed(recordings):
    rows = [(f"generated:{color}:{seed}", 0, -1, 1.0, False) for color in COLORS for seed in (7, 8)]
    rows += [("generated:pink:7", 0, -1, 0.5, False), ("generated:pink:7", 0, -1, 1.0, True)]
    waves, lengths = made(sources(recordings, *rows, rate=8000))
    assert set(lengths) == {8000} and len({wave.tobytes() for wave in waves}) == 12
    levels = np.sqrt((waves[:10].astype(float) ** 2).mean(1)) / 32768
    assert np.abs(levels / 0.03 - 1).max() < 0.01
    pink = 0.03 * 32768 * colored_noise("pink", 8000, np.random.default_rng(7))
    assert np.abs(waves[2] - pink).max() <= 0.51 and np.abs(waves[10] - pink / 2).max() <= 0.76
    assert np.abs(waves[11].astype(int)).max() in (32767, 32768)


def test_zeros_are_zeros_of_the_frontends_length(recordings):
    waves, lengths = made(sources(recordings, ("zeros", 0, -1, 1.0, False), rate=8000, seconds=0.5))
    assert waves.shape == (1, 4000) and not waves.any() and lengths == [4000]


def test_a_bad_recording_is_not_silence(recordings):
    with pytest.raises(BadRecording, match=r"/bad\.wav: is an empty file"):
        made(sources(recordings, ("/bad.wav", 0, -1, 1.0, False)))
