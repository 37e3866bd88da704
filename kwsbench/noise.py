"""Coloured noise, as the seed kernel made it: white, pink, blue, brown, violet."""

import numpy as np

SLOPES = {"white": 0.0, "pink": -3.0, "blue": 3.0, "brown": -6.0, "violet": 6.0}
"""Slope of each colour's power spectrum in dB per octave (an octave is a factor of two, 6.02 dB a power of f²)."""
COLORS = tuple(SLOPES)
EXPONENTS = {"white": 0, "pink": -1, "blue": 1, "brown": -2, "violet": 2}  # of frequency, in the power spectrum


def colored_noise(color: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """float32 (n,) of unit RMS: Gaussian noise whose power spectrum goes as f^k, k from −2 (brown) to 2 (violet).

    Shaped in the frequency domain; the constant part is left out, since f^−k has no value there.
    """
    if color not in EXPONENTS:
        raise ValueError(f"no colour named {color!r}; there are {', '.join(EXPONENTS)}")
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum[0] = 0
    f = np.arange(1, len(spectrum), dtype=np.float64)
    spectrum[1:] *= f ** (EXPONENTS[color] / 2)
    wave = np.fft.irfft(spectrum, n)
    return (wave / max(rms(wave), 1e-30)).astype(np.float32)


def add_noise(wave: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """``wave`` (n,) plus ``noise`` (n,), scaled so that their powers stand ``snr_db`` dB apart; float32."""
    scale = rms(wave) / max(rms(noise), 1e-30) * 10 ** (-snr_db / 20)
    return (wave + scale * noise).astype(np.float32)


def rms(x: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
