"""Small corpora made on the spot, none is kept in the repository; a browser for the pages."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

# workers share the cores, for a thread that waits keeps one busy; torch reads this when it is first imported
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

WORDS = ("yes", "no", "up", "cat")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


def tone_word(word: int, speaker: int, take: int, rate: int = 16000, seconds: float = 1.0) -> np.ndarray:
    """int16 (rate*seconds,): a chirp that rises or falls by word, pitched by speaker, noisy by take."""
    rng = np.random.default_rng([word, speaker, take])
    t = np.arange(int(rate * seconds)) / rate
    start, stop = [(300, 900), (900, 300), (500, 1500), (1500, 500), (300, 1800), (1800, 300)][word % 6]
    pitch = 1 + 0.02 * speaker
    sweep = np.sin(2 * np.pi * pitch * (start * t + (stop - start) * t**2 / 2))
    envelope = np.exp(-((t - 0.5 + 0.05 * rng.standard_normal()) ** 2) / 0.03)
    wave = 0.5 * sweep * envelope + 0.01 * rng.standard_normal(len(t))
    return np.clip(wave * 32767, -32768, 32767).astype(np.int16)


def write_tone_tree(root: Path, words=WORDS, n_speakers: int = 10, n_takes: int = 2, suffix: str = "wav") -> Path:
    """A tree in the Speech Commands layout: <word>/<speaker>_nohash_<n>.wav and _background_noise_/."""
    import soundfile

    for w, word in enumerate(words):
        (root / word).mkdir(parents=True, exist_ok=True)
        for s in range(n_speakers):
            for k in range(n_takes):
                path = root / word / f"{s * 7919 + 4096:08x}_nohash_{k}.{suffix}"
                soundfile.write(path, tone_word(w, s, k), 16000)
    noise = root / "_background_noise_"
    noise.mkdir(exist_ok=True)
    for i, name in enumerate(("doing_the_dishes", "pink_noise", "running_tap")):
        rng = np.random.default_rng(i)
        soundfile.write(noise / f"{name}.wav", (rng.standard_normal(5 * 16000) * 3000).astype(np.int16), 16000)
    return root


@pytest.fixture(scope="session")
def tone_tree(tmp_path_factory) -> Path:
    """Folder ``speech_commands_v0.01`` with 4 words × 10 speakers × 2 takes; do not write into it."""
    return write_tone_tree(tmp_path_factory.mktemp("data") / "speech_commands_v0.01")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that the tests belong to."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, where there is one."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()
