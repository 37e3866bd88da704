"""Every kind of corpus can be looked at: strange rates, nobody known, silence, clips of a few samples."""

import warnings

import numpy as np
import pytest
import soundfile

from kwsbench.explore.corpus import explore_corpus
from kwsbench.explore.material import Material
from kwsbench.sound import Places, read_sound


@pytest.fixture
def odd(tmp_path):
    """Three words of nobody known at 22,050 Hz in stereo; some clips silent, some of 40 samples."""
    rng, folder = np.random.default_rng(3), tmp_path / "odd"
    lines = ["path,word"]
    for i in range(36):
        word = ("ha", "he", "hi")[i % 3]
        n = 40 if i == 5 else 11025
        tone = np.sin(2 * np.pi * (300 + 200 * (i % 3)) * np.arange(n) / 22050)
        wave = 0 * tone if i in (7, 8) else 0.3 * tone * np.hanning(n) + 0.01 * rng.standard_normal(n)
        (folder / word).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / word / f"{i}.wav", np.stack([wave, wave], 1), 22050)
        lines.append(f"{word}/{i}.wav,{word}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return read_sound("folder", Places(tmp_path, tmp_path / "cache"), {"path": str(folder)})


def test_an_odd_folder_is_looked_at_without_a_warning(odd):
    written = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = explore_corpus(Material(odd, workers=1), written.__setitem__, "explore", faults=True)
    assert {"explore.html", "findings.csv"} <= set(written)
    assert all("<p" in part.body for part in parts)
    said = " ".join(finding for part in parts for finding in part.findings)
    assert "nan" not in said.lower().split() and "inf" not in said.lower().split()
    assert "36 clips of 3 words" in said
