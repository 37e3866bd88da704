"""Numbers as a person reads them in a table; "–" where there is none."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

NONE = "–"
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def absent(value: Any) -> bool:
    """Is there no number: None, NaN or pandas' NA?"""
    return value is None or bool(pd.isna(value))


def percent(share: Any) -> str:
    """0.8816 → "88.2"."""
    return NONE if absent(share) else f"{100 * share:.1f}"


def with_interval(share: Any, low: Any, high: Any) -> str:
    """0.8816, 0.869, 0.895 → "88.2 [86.9, 89.5]"; without brackets where there is no interval."""
    return percent(share) if absent(low) else f"{percent(share)} [{percent(low)}, {percent(high)}]"


def amount(number: Any) -> str:
    """At most three digits and a unit: 812, 314 k, 3.44 M, 7.2 M."""
    if absent(number):
        return NONE
    for size, unit in _UNITS:
        if number >= 0.9995 * size:
            return f"{_three_digits(number / size)} {unit}"
    return f"{number:.0f}"


def duration(seconds: Any) -> str:
    """0.42 s, 12.3 s, 185 s, 17.4 min, 2.31 h."""
    if absent(seconds):
        return NONE
    if seconds < 600:
        return f"{_three_digits(seconds)} s"
    return f"{_three_digits(seconds / 60)} min" if seconds < 7200 else f"{_three_digits(seconds / 3600)} h"


def measure(number: Any) -> str:
    """At most three digits, no unit: 0.042, 1.5, 734."""
    return NONE if absent(number) else _three_digits(number)


def count(number: Any) -> str:
    """22246 → "22,246"."""
    return NONE if absent(number) else f"{round(number):,}"


def plural(number: int, one: str, many: str = "") -> str:
    """1 → "1 speaker", 4092 → "4,092 speakers"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(texts: Iterable[str]) -> str:
    """["a", "b", "c"] → "a, b and c"."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def machine_text(environment: dict[str, Any]) -> str:
    """Processor, cores, memory, GPU and the versions that move results, as far as ``environment`` says."""
    parts = [str(environment["cpu"])] if environment.get("cpu") else []
    for key, text in (("cores", "{} cores"), ("threads", "{} threads a cell"), ("memory_gb", "{} GB")):
        if key in environment:
            parts.append(text.format(environment[key]))
    parts.append(f"GPU {environment['gpu']}" if environment.get("gpu") else "no GPU")
    versions = [f"Python {environment['python']}"] if "python" in environment else []
    packages = environment.get("packages", {})
    versions += [f"{name} {packages[name]}" for name in ("kwsbench", "torch", "numpy", "hmmlearn") if name in packages]
    if environment.get("git_commit"):
        changed = " with changes" if environment.get("git_dirty") else ""
        versions.append(f"revision {environment['git_commit'][:12]}{changed}")
    return "; ".join(filter(None, (", ".join(parts), ", ".join(versions))))


def _three_digits(number: float) -> str:
    if abs(number) >= 99.95:
        return f"{number:.0f}"
    text = f"{number:.3g}" if abs(number) >= 0.001 or number == 0 else f"{number:.3f}"
    return text if "e" not in text else f"{number:.0f}"
