"""Every random number of a study comes from a seed derived here, by hashing what it may depend on."""

import hashlib
import json


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from named axes, e.g. ``derive_seed(study_seed, corpus, split, model, "fit")``.

    Adding a cell to a study moves no other cell, because a cell's seed names only its own axes.
    """
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def fingerprint(*parts: object) -> str:
    """A short SHA-256 over JSON-able parts: 16 hex digits, the same on every machine."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
