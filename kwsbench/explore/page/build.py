"""The page of a corpus: what to know first, then every part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwsbench.explore.material import Material
from kwsbench.explore.page.part import Part
from kwsbench.pages.markup import Markup, tag
from kwsbench.pages.shell import self_contained
from kwsbench.wording import duration, machine_text, plural


@dataclass(frozen=True)
class Effort:
    """What the analyses took: seconds of each part, with what is first measured for it, MB at most, and where: as
    ``runner.environment.describe_machine`` says it."""

    seconds: Mapping[str, float]
    peak_mb: float
    machine: Mapping[str, Any]


def build_page(material: Material, parts: Sequence[Part], command: str, effort: Effort) -> str:
    """The page as text; ``command`` makes it again."""
    anchors = [part.title.lower().replace(" ", "-").replace(",", "") for part in parts]
    body = [
        tag("a", "Skip to what to know", href="#findings", class_="skip"),
        _header(material, parts, anchors),
        tag(
            "main",
            _findings(parts, anchors),
            [_section(part, anchor) for part, anchor in zip(parts, anchors, strict=True)],
            _repeat(command, effort),
        ),
        tag("footer", "Made by kwsbench. The CSV files beside this page have every number, with six digits."),
    ]
    scripts = [script for part in parts for script in part.scripts]
    return self_contained(f"{material.sound.corpus.name}, explored", body, scripts)


def _header(material: Material, parts: Sequence[Part], anchors: Sequence[str]) -> Markup:
    corpus, clips = material.sound.corpus, material.clips
    speakers = clips.loc[clips["speaker"] != "", "speaker"].nunique()
    known = material.sound.recordings.table.loc[clips["clip"]]
    seconds = float((known["n_samples"] / known["rate"]).sum())
    facts = [plural(len(clips), "clip"), plural(clips["word"].nunique(), "word"), plural(speakers, "speaker")]
    facts += [f"{duration(seconds)} of recordings", f"{len(material.sound.quarantined)} set aside"]
    links = [tag("a", part.title, href=f"#{anchor}") for part, anchor in zip(parts, anchors, strict=True)]
    badge = tag("span", "synthetic speech", class_="badge") if corpus.synthetic else None
    return tag(
        "header",
        tag("p", "kwsbench · know your data", class_="eyebrow"),
        tag("h1", corpus.name, badge),
        tag("p", ", ".join(facts), f". Licence: {corpus.licence}." if corpus.licence else ".", class_="muted"),
        tag("nav", links, aria_label="Sections"),
    )  # fmt: skip


def _findings(parts: Sequence[Part], anchors: Sequence[str]) -> Markup:
    groups = [
        [tag("dt", tag("a", part.title, href=f"#{anchor}")), tag("dd", [tag("p", told) for told in part.findings])]
        for part, anchor in zip(parts, anchors, strict=True)
        if part.findings
    ]
    return tag("section", tag("h2", "What to know"), tag("dl", groups, class_="findings"), id="findings")


def _section(part: Part, anchor: str) -> Markup:
    return tag("section", tag("h2", part.title), part.body, id=anchor)


def _repeat(command: str, effort: Effort) -> Markup:
    took = f"Took {duration(sum(effort.seconds.values()))} and at most {effort.peak_mb:,.0f} MB in one process"
    each = ", ".join(f"{title} {duration(seconds)}" for title, seconds in effort.seconds.items())
    told = tag("p", f"{took} on {machine_text(dict(effort.machine))}. Of it: {each}.")
    return tag("section", tag("h2", "How to repeat this"), tag("pre", tag("code", command)), told, id="repeat")
