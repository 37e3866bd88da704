import numpy as np

from kwsbench.pages.spectrograms import RANGE_DB, spectrogram, spectrogram_panel


def test_a_tone_stands_at_its_frequency_all_the_time():
    rate = 8000
    wave = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    drawn = spectrogram(wave, rate)
    assert drawn.shape == (101, 98)  # windows of 200 samples, every 80
    assert (drawn.argmax(axis=0) == 1000 / 40).all() and drawn.max() == 0 and drawn.min() >= -RANGE_DB


def test_clips_of_zeros_and_clips_shorter_than_a_window_are_drawn():
    assert (spectrogram(np.zeros(16000, np.int16), 16000) == -RANGE_DB).all()
    for n in (0, 1, 100):
        assert spectrogram(np.ones(n, np.int16), 16000).shape == (201, 1)
    drawn = spectrogram_panel("a clip", np.ones(100, np.int16), 16000)
    assert "<title>a clip</title>" in drawn and ">kHz<" in drawn
