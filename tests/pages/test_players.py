import base64
import re
from io import BytesIO

import numpy as np
import pytest
import soundfile

from kwsbench.pages.players import player


@pytest.mark.parametrize("rate, heard_at", [(16000, 16000), (8000, 8000), (22050, 24000)])
def test_a_player_holds_what_was_recorded(rate, heard_at):
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int16)
    made = player(tone, rate, "up/1_nohash_0")
    assert 'aria-label="up/1_nohash_0"' in made and 'preload="none"' in made
    held = base64.b64decode(re.search(r'base64,([^"]*)"', made)[1])
    assert len(held) < 20_000
    heard, found = soundfile.read(BytesIO(held))
    assert found == heard_at or found == 48000
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(spectrum.argmax() * found / len(heard) - 440) < 3
