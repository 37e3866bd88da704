"""The page around its content: nothing fetched, light or dark as the reader's screen is."""

import base64
import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

from kwsbench.pages.markup import Markup, tag

LARGE = 100_000  # characters, from which on a page's own scripts are compressed
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; script-src {}"


def self_contained(title: str, body: Sequence[Markup], scripts: Sequence[str] = ()) -> str:
    """A whole page as text; it runs the scripts that are written into it and no other (their hashes allow them).

    Parameters
    ----------
    title : of the window.
    body : what the page has within its body.
    scripts : run after the body, behind the one that sorts and filters tables; a page is complete without them. Where
        one of them is large all are compressed, which browsers from 2023 on undo.
    """
    packed = any(len(script) > LARGE for script in scripts)
    plain = [_beside("page.js"), *([_beside("unpack.js")] if packed else scripts)]
    allowed = [*plain, *scripts] if packed else plain
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY.format(" ".join(map(_digest, allowed)))),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{title} · kwsbench"),
        tag("style", Markup(_beside("page.css"))),
    ]
    data = [tag("script", _compressed(script), type="application/gzip") for script in (scripts if packed else ())]
    whole = [*body, *data, *(tag("script", Markup(script)) for script in plain)]
    return "<!DOCTYPE html>\n" + tag("html", tag("head", head), tag("body", whole), lang="en") + "\n"


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _compressed(script: str) -> str:
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _digest(script: str) -> str:
    """How a policy names a script: SHA-256 in base64."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
