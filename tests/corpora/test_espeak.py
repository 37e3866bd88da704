"""eSpeak NG: the same word and voice give the same samples, whatever was said before and wherever."""

import hashlib
import subprocess
import sys

import numpy as np

from kwsbench.corpora.espeak import ACCENTS, Voice, render, variants

VOICES = [Voice(variants()[i], ACCENTS[i], 40 + i, 50, 160) for i in range(3)]
SAY = [(word, voice, seed) for voice in VOICES for word in ("yes", "seven") for seed in (1, 2)]


def digest(word: str, voice: Voice, seed: int) -> str:
    samples, rate = render(word, voice, seed)
    assert samples.dtype == np.int16 and rate > 6000
    assert 0.1 < len(samples) / rate < 2
    return hashlib.sha256(samples.tobytes()).hexdigest()


def test_order_changes_nothing():
    forwards = {job: digest(*job) for job in SAY}
    backwards = {job: digest(*job) for job in reversed(SAY)}
    assert forwards == backwards
    assert len({forwards[word, voice, 1] for word, voice, _ in SAY}) == 6


def test_another_process_says_the_same():
    word, voice, seed = SAY[-1]
    code = (
        "import hashlib\nfrom kwsbench.corpora.espeak import Voice, render\n"
        f"print(hashlib.sha256(render({word!r}, {voice!r}, {seed})[0].tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == digest(word, voice, seed), done.stderr


def test_there_are_hundreds_of_voices():
    assert len(set(ACCENTS)) == 8
    assert len(ACCENTS) * len(set(variants())) > 600
