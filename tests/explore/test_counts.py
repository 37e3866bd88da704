"""Hand-counted clips: every number is known from how the signal was made."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from kwsbench.explore.counts import (
    MEASURES,
    SILENT_DBFS,
    clip_measures,
    file_formats,
    measure_signal,
    speaker_counts,
    to_dbfs,
    vad_method,
    word_counts,
)
from kwsbench.explore.material import Material
from kwsbench.sound import Places, read_sound


def measured(signal, rate=16000, method="energy"):
    return dict(zip(MEASURES, measure_signal(np.asarray(signal, np.float32), rate, method), strict=True))


def sine(rate=16000, seconds=1.0, hz=440.0, peak=1.0):
    return peak * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six clips of two words, 8 and 16 kHz, WAV and FLAC, of two speakers and of one whom nobody knows."""
    root = tmp_path_factory.mktemp("folder")
    rng = np.random.default_rng(0)
    rows = [
        ("a.wav", "yes", "ann", 16000, 16000),
        ("b.wav", "yes", "ann", 16000, 8000),
        ("c.flac", "yes", "bob", 8000, 8000),
        ("d.wav", "no", "bob", 16000, 16000),
        ("e.wav", "no", "", 16000, 40),
        ("f.wav", "yes", "", 16000, 16000),
    ]
    for name, _, _, rate, n in rows:
        samples = np.zeros(n, np.int16) if name == "f.wav" else rng.integers(-3000, 3000, n).astype(np.int16)
        soundfile.write(root / name, samples, rate)
    pd.DataFrame([row[:3] for row in rows], columns=["path", "word", "speaker"]).to_csv(
        root / "manifest.csv", index=False
    )
    return root


@pytest.fixture(scope="module")
def material(folder, tmp_path_factory):
    places = Places(folder.parent, tmp_path_factory.mktemp("cache"))
    return Material(read_sound("folder", places, {"path": str(folder)}), workers=1)


def test_clips_and_speakers_of_words_are_counted(material):
    found = word_counts(material)
    assert found.loc["yes"].tolist() == [4, 2, 2] and found.loc["no"].tolist() == [2, 1, 1]
    assert found.index.tolist() == ["yes", "no"]
    speakers = speaker_counts(material)
    assert speakers.loc["bob"].tolist() == [2, 2] and speakers.loc["ann"].tolist() == [2, 1]
    assert "" not in speakers.index


def test_a_pass_measures_every_clip_at_its_own_rate(material):
    found = clip_measures(material)
    assert found.index.tolist() == material.clips["clip"].tolist()
    assert found["seconds"].tolist() == [1, 0.5, 1, 1, 0.0025, 1]
    assert found["rate"].tolist() == [16000, 16000, 8000, 16000, 16000, 16000]
    assert found["suffix"].tolist() == [".wav", ".wav", ".flac", ".wav", ".wav", ".wav"]
    assert np.isnan(found.loc["e.wav", "silence"]), "it is shorter than a frame"
    assert found.loc["f.wav", ["rms_dbfs", "peak_dbfs"]].tolist() == [SILENT_DBFS] * 2
    assert found.loc["f.wav", "longest_zero_ms"] == 1000 and found.loc["f.wav", "silence"] == 1


def test_files_are_told_by_their_headers_and_lost_ones_by_their_suffix(material, folder):
    found = file_formats(material).set_index(["format", "subtype", "channels", "rate"])["files"]
    assert found.to_dict() == {("WAV", "PCM_16", 1, 16000): 5, ("FLAC", "PCM_16", 1, 8000): 1}
    assert file_formats(material, most=2)["files"].sum() == 2
    content = (folder / "c.flac").read_bytes()
    (folder / "c.flac").unlink()
    assert ("flac", "", 0, 0) in file_formats(material).set_index(["format", "subtype", "channels", "rate"]).index
    (folder / "c.flac").write_bytes(content)


def test_levels_are_those_of_a_sine():
    found = measured(sine(peak=0.5))
    assert found["peak_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert found["rms_dbfs"] == pytest.approx(-6.02 - 3.01, abs=0.01)
    assert found["clipped"] == 0 and found["seconds"] == 1


def test_what_is_below_the_last_bit_counts_as_silence():
    assert to_dbfs(0.0) == to_dbfs(1e-9) == SILENT_DBFS
    assert to_dbfs(1 / 32768) == pytest.approx(-90.31, abs=0.01)


def test_clipping_is_counted_at_full_scale_and_flat_tops_at_any_level():
    full = np.zeros(1000)
    full[100:110], full[200:203], full[300] = 32767 / 32768, -1.0, 1.0
    assert measured(full)["clipped"] == pytest.approx(14 / 1000)
    assert measured(full)["flat"] == pytest.approx(13 / 1000), "a single sample is no flat top"
    quiet = np.clip(sine(peak=0.5), -0.3, 0.3).astype(np.float32)
    cut = np.mean(np.abs(quiet) == np.float32(0.3))
    assert measured(quiet)["clipped"] == 0 and measured(quiet)["flat"] == pytest.approx(cut, abs=0.01)
    assert measured(sine(hz=443.7))["flat"] < 0.02


def test_stretches_of_zeros_are_counted_in_milliseconds():
    signal = np.full(1600, 0.1)
    signal[:160], signal[800:1120], signal[-16:] = 0, 0, 0
    signal[600:700] = 1 / 32768
    found = measured(signal)
    names = ("leading_zero_ms", "trailing_zero_ms", "longest_zero_ms", "longest_still_ms")
    assert [found[name] for name in names] == pytest.approx([10, 1, 20, 20])
    signal[700:800] = -1 / 32768
    assert measured(signal)["longest_still_ms"] == pytest.approx(520 / 16)
    assert [measured(np.ones(10) / 2)[name] for name in names] == [0, 0, 0, 0]


@pytest.mark.parametrize("rate", [8000, 16000, 11025])
@pytest.mark.parametrize("method", ["energy", "webrtc"])
def test_the_share_of_silence_is_that_of_a_word_in_a_quiet_room(rate, method):
    if method == "webrtc":
        pytest.importorskip("webrtcvad")
    rng = np.random.default_rng(1)
    t = np.arange(rate) / rate
    voiced = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 15)) * 0.2
    signal = np.where((t > 0.3) & (t < 0.7), voiced, 0) + 1e-4 * rng.standard_normal(rate)
    # WebRTC's detector holds on for a while, and takes the first frames to learn the background
    assert measured(signal, rate, method)["silence"] == pytest.approx(0.6, abs=0.02 if method == "energy" else 0.25)


def test_the_detector_is_the_one_that_is_installed():
    assert vad_method() in ("energy", "webrtc")
