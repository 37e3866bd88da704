"""The embedded corpus: spoken words rendered on the spot, offline, the same on every run; made once,
cached, checksummed.

Speakers are eSpeak NG voices. A voice variant and an accent are kept on one side, for leaving single speakers out is
nearly solved by any classifier here: voices of one variant resemble each other more than people do. The word stands at
a random place of its second, in background noise. It is synthetic speech: figures from it say that the program works
and how models compare under these conditions, not how they do on people.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from kwsbench.corpora import Corpus
from kwsbench.corpora.espeak import ACCENTS, Voice, render, variants
from kwsbench.errors import UserError
from kwsbench.noise import COLORS, add_noise, colored_noise, rms
from kwsbench.progress import Progress, silent
from kwsbench.seeds import derive_seed, fingerprint

VERSION = 1  # of the rendering: raised when samples change
RATE = 16000
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
OTHERS = (
    *("bed", "bird", "cat", "dog", "eight", "five", "four", "happy", "house", "marvin"),
    *("nine", "one", "seven", "sheila", "six", "three", "tree", "two", "wow", "zero"),
)
SHARES = {"train": 0.64, "validation": 0.1, "test": 0.26}  # of the speakers
ACCENTS_OF = {"train": ACCENTS[:4], "validation": ACCENTS[4:5], "test": ACCENTS[5:]}
NOISE_SECONDS, NOISES_A_SIDE = 30, 3
FLITE_VOICES = ("awb", "kal", "rms", "slt")
NOISE = "_background_noise_"


@dataclass(frozen=True)
class Design:
    """All that the samples depend on; its fingerprint names the folder."""

    n_speakers: int
    takes: int
    n_others: int
    snr_low_db: float
    snr_high_db: float
    synthesiser: str
    seed: int


@dataclass(frozen=True)
class Speaker:
    """A voice, its side, and its name in the corpus."""

    name: str
    side: str
    voice: Voice


def load(
    root: Path,
    *,
    n_speakers: int = 120,
    takes: int = 2,
    n_others: int = 5,
    snr_low_db: float = 5.0,
    snr_high_db: float = 20.0,
    synthesiser: Literal["espeak", "cross"] = "espeak",
    seed: int = 2017,
    progress: Progress = silent,
) -> Corpus:
    """The corpus, made below ``root`` if it is not there.

    Parameters
    ----------
    n_speakers : voices in all; about 64 % train, 10 % validate, 26 % test.
    takes : times that a speaker says each command word.
    n_others : other words that a speaker says in each take, of twenty.
    snr_low_db, snr_high_db : of word against background, drawn evenly.
    synthesiser : "cross": the test side is rendered by Debian's flite instead, where that is installed.
    seed : of voices, words, places and noise.
    """
    if n_speakers < 10 or takes < 1 or not 0 <= n_others <= len(OTHERS):
        todo = f"n_speakers: 10 or more, takes: 1 or more, n_others: 0 to {len(OTHERS)}"
        raise UserError("no corpus can be made of these settings", "corpora: synthetic", todo)
    design = Design(n_speakers, takes, n_others, snr_low_db, snr_high_db, synthesiser, seed)
    if synthesiser == "cross" and not shutil.which("flite"):
        raise UserError("synthesiser: cross needs the program flite", "corpora: synthetic", "apt-get install flite")
    folder = root / f"synthetic-{fingerprint(VERSION, asdict(design))}"
    if not (folder / "manifest.csv").is_file():
        _make(folder, design, progress)
    clips = _checked(folder)
    noise = tuple(sorted((folder / NOISE).glob("*/*.flac")))
    notes = ("synthetic speech (eSpeak NG), not recordings of people",)
    if synthesiser == "cross":
        notes = ("synthetic speech, not recordings of people: eSpeak NG in training, flite in the test",)
    return Corpus("synthetic", clips, noise, "generated; free to use", synthetic=True, notes=notes)


def _checked(folder: Path) -> pd.DataFrame:
    """The clips of a made corpus; every file has the size that was noted when it was made."""
    manifest = pd.read_csv(folder / "manifest.csv", dtype={"speaker": str}, keep_default_na=False)
    for name, size in zip(manifest["clip"], manifest["bytes"], strict=True):
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            todo = "delete the folder; it is then made again"
            raise UserError(f"{name} is not as it was made", str(folder), todo)
    clips = manifest[manifest["word"] != NOISE]
    paths = [f"{folder}/{clip}" for clip in clips["clip"]]
    return clips.assign(path=paths)[["clip", "path", "word", "speaker", "side"]]


# -- the making ----------------------------------------------------------------------------------------------------


def _make(folder: Path, design: Design, progress: Progress) -> None:
    """Render into a folder beside, note every file's checksum, and rename it when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        speakers = draw_speakers(design)
        noises = [(side, number) for side in SHARES for number in range(NOISES_A_SIDE)]
        jobs = [partial(_render_noise, unfinished, design, speakers, side, number) for side, number in noises]
        jobs += [partial(_render_speaker, unfinished, design, speaker) for speaker in speakers]
        rows: list[tuple[str, str, str, str, int, str]] = []
        # renewed after a few speakers: what loading and unloading the library leaves behind goes with its process
        with get_context("spawn" if os.name == "nt" else "forkserver").Pool(os.cpu_count(), maxtasksperchild=8) as pool:
            for done, made in enumerate(pool.imap(_run, jobs), 1):
                rows += made
                progress("making the synthetic corpus", done, len(jobs))
        columns = ["clip", "word", "speaker", "side", "bytes", "sha256"]
        pd.DataFrame(sorted(rows), columns=columns).to_csv(unfinished / "manifest.csv", index=False)
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / "manifest.csv").is_file():  # else another process has made the same meanwhile
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run(job: partial) -> list:
    return job()


def draw_speakers(design: Design) -> list[Speaker]:
    """Voices such that no variant and no accent is on two sides."""
    rng = np.random.default_rng(derive_seed(design.seed, "voices"))
    throats = [variants()[i] for i in rng.permutation(len(variants()))]
    speakers, used = [], 0
    for side, share in SHARES.items():
        n = max(2, round(share * design.n_speakers))
        own = throats[used : used + max(1, int(share * len(throats)))]
        used += len(own)
        pairs = [(variant, accent) for accent in ACCENTS_OF[side] for variant in own]
        order = rng.permutation(len(pairs))
        for i in range(n):
            variant, accent = pairs[order[i % len(pairs)]]  # beyond all pairs: the same voice at another pitch and rate
            pitch, span, rate = (int(rng.integers(*bounds)) for bounds in ((25, 76), (30, 80), (120, 200)))
            voice = Voice(variant, accent, pitch, span, rate)
            speakers.append(Speaker(hashlib.sha256(repr((i, voice)).encode()).hexdigest()[:8], side, voice))
    if design.synthesiser == "cross":
        speakers = [speaker for speaker in speakers if speaker.side != "test"]
        speakers += [Speaker(name, "test", Voice(name, "flite", 50, 50, 160)) for name in FLITE_VOICES]
    return speakers


def _render_speaker(folder: Path, design: Design, speaker: Speaker) -> list[tuple[str, str, str, str, int, str]]:
    """All clips of a speaker; a clip depends on its own name only, not on what was rendered before it."""
    rows = []
    for take in range(design.takes):
        rng = np.random.default_rng(derive_seed(design.seed, speaker.name, take, "words"))
        others = [OTHERS[i] for i in sorted(rng.permutation(len(OTHERS))[: design.n_others])]
        for word in (*COMMANDS, *others):
            rng = np.random.default_rng(derive_seed(design.seed, speaker.name, word, take))
            samples = placed(clean_word(word, speaker.voice, rng), design, rng)
            name = f"{word}/{speaker.name}_nohash_{take}.flac"
            rows.append((name, word, speaker.name, speaker.side, *_write(folder / name, samples)))
    return rows


def clean_word(word: str, voice: Voice, rng: np.random.Generator) -> np.ndarray:
    """float32 (n,) at 16 kHz, unit RMS, at most 0.9 s; pitch and rate vary a little from take to take."""
    from scipy.signal import resample_poly

    if voice.accent == "flite":
        samples, rate = _flite(word, voice.variant, float(rng.uniform(0.9, 1.2)))
    else:
        varied = Voice(
            voice.variant,
            voice.accent,
            int(np.clip(voice.pitch + rng.integers(-5, 6), 0, 99)),
            voice.range,
            int(voice.rate * rng.uniform(0.9, 1.1)),
        )
        samples, rate = render(word, varied, int(rng.integers(1, 2**31)))
    common = np.gcd(RATE, rate)
    wave = resample_poly(samples / 32768, RATE // common, rate // common)[: int(0.9 * RATE)]
    return (wave / max(rms(wave), 1e-9)).astype(np.float32)


def placed(wave: np.ndarray, design: Design, rng: np.random.Generator) -> np.ndarray:
    """int16 (16000,): the word at a random place, in noise of two colours, at a drawn level."""
    clip = np.zeros(RATE, np.float32)
    start = int(rng.integers(RATE - len(wave) + 1))
    clip[start : start + len(wave)] = wave
    colors = rng.permutation(len(COLORS))[:2]
    noise = np.sum([rng.uniform(0.2, 1) * colored_noise(COLORS[i], RATE, rng) for i in colors], axis=0)
    # against the word's own power, not that of the whole second
    snr = rng.uniform(design.snr_low_db, design.snr_high_db)
    mixed = add_noise(clip, noise * rms(wave) / rms(noise), snr + 20 * np.log10(rms(clip) / rms(wave)))
    level = 10 ** (rng.uniform(-14, -3) / 20) / np.abs(mixed).max()
    return np.rint(32767 * level * mixed).astype(np.int16)


def _flite(word: str, voice: str, stretch: float) -> tuple[np.ndarray, int]:
    """The word as flite says it: int16 (n,), rate."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.3f}", "-t", word, "-o", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        samples, rate = soundfile.read(path, dtype="int16")
    return samples, rate


def _render_noise(
    folder: Path, design: Design, speakers: Sequence[Speaker], side: str, number: int
) -> list[tuple[str, str, str, str, int, str]]:
    """Half a minute of background for one side: babble, coloured noise that swells, or a hum with a hiss."""
    rng = np.random.default_rng(derive_seed(design.seed, "noise", side, number))
    n = NOISE_SECONDS * RATE
    name, wave = {
        0: ("babble", lambda: _babble(n, [s for s in speakers if s.side == side], rng)),
        1: ("swell", lambda: _swell(n, rng)),
        2: ("hum", lambda: _hum(n, rng)),
    }[number]
    made = wave()
    samples = np.rint(0.5 * 32767 * made / np.abs(made).max()).astype(np.int16)
    path = f"{NOISE}/{side}/{name}_{side}.flac"
    return [(path, NOISE, "", side, *_write(folder / path, samples))]


def _babble(n: int, speakers: Sequence[Speaker], rng: np.random.Generator) -> np.ndarray:
    """Many voices of a side at once, saying other words."""
    wave = 0.05 * colored_noise("pink", n, rng)
    for _ in range(12 * NOISE_SECONDS):
        voice = speakers[int(rng.integers(len(speakers)))].voice
        word = clean_word(OTHERS[int(rng.integers(len(OTHERS)))], voice, rng)
        start = int(rng.integers(n - len(word)))
        wave[start : start + len(word)] += rng.uniform(0.2, 1) * word
    return wave


def _swell(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of three colours whose level wanders."""
    wave = sum(rng.uniform(0.2, 1) * colored_noise(COLORS[i], n, rng) for i in rng.permutation(len(COLORS))[:3])
    knots = rng.uniform(0.1, 1.0, NOISE_SECONDS + 1)
    return wave * np.interp(np.arange(n) / RATE, np.arange(NOISE_SECONDS + 1), knots)


def _hum(n: int, rng: np.random.Generator) -> np.ndarray:
    """Mains or motor: a fundamental with harmonics, and hiss."""
    t = np.arange(n) / RATE
    base = rng.uniform(45, 130)
    tones = sum(rng.uniform(0.1, 1) / k * np.sin(2 * np.pi * (base * k * t + rng.uniform())) for k in range(1, 9))
    return tones + 0.3 * colored_noise("white", n, rng)


def _write(path: Path, samples: np.ndarray) -> tuple[int, str]:
    """Write a FLAC file; its size and SHA-256."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    content = path.read_bytes()
    return len(content), hashlib.sha256(content).hexdigest()
