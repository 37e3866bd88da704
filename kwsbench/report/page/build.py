"""The study as one self-contained page: nothing fetched, light or dark as the reader's screen is.

Its one script sorts and filters the comparison; all there is to read is there without it.
"""

import json
from collections.abc import Sequence
from typing import Any

from kwsbench.pages.markup import Markup, inner, tag
from kwsbench.pages.shell import self_contained
from kwsbench.report.findings import Findings
from kwsbench.report.footnotes import failures
from kwsbench.report.learning_curve import CUTS
from kwsbench.report.page.calibration import calibration_section
from kwsbench.report.page.cleaned import TITLE, cleaned_sections
from kwsbench.report.page.comparison import comparison, fold_table
from kwsbench.report.page.confusions import confusions, recalls
from kwsbench.report.page.curves import learning
from kwsbench.report.page.detection import detection_section
from kwsbench.report.page.hardest import Hear, hardest_section
from kwsbench.report.page.leak import price_sections
from kwsbench.report.page.learning_curve import curve_sections
from kwsbench.report.page.pairs import pair_matrix
from kwsbench.report.page.robustness import robustness_section
from kwsbench.report.page.speakers import speaker_section
from kwsbench.report.page.streaming import streaming_section
from kwsbench.report.rows import Record, Row, leaky
from kwsbench.report.table import table_title, tasks_of
from kwsbench.report.verdict import Verdict, in_words
from kwsbench.wording import machine_text, plural


def build_page(study: str, recipe: dict[str, Any], found: Findings, hear: Hear | None = None) -> str:
    """The page as text.

    Parameters
    ----------
    study : its name.
    recipe : resolved, JSON-able.
    found : in the study's records.
    hear : gives the hardest clips spectrograms and players.
    """
    title = table_title(study, found.table)
    colours = {model: i for i, model in enumerate(dict.fromkeys(row.name for row in found.rows))}
    records = [record for row in found.rows for record in row.records]
    tasks = list(dict.fromkeys(row.task for row in found.rows))
    sections = [
        _task_section(i, heading, task, found, colours, hear)
        for i, (task, (heading, _)) in enumerate(zip(tasks, tasks_of(found.table), strict=True))
    ]
    across = [
        *curve_sections(found.curves, colours),
        *price_sections(found.leaks),
        *cleaned_sections(found.cleaned),
    ]
    links = [(f"learning-curve-{i}", CUTS[curve.cut].capitalize()) for i, curve in enumerate(found.curves)]
    links += [("leak-0", "The price of a leak")] if found.leaks else []
    links += [("cleaned-0", TITLE)] if found.cleaned else []
    last = [_failed(records), _repeat(study, recipe), _environment(records)]
    body = [
        tag("a", "Skip to the comparison", href="#task-0", class_="skip"),
        _header(study, title, found.rows, records, links),
        tag("main", across, sections, _notes(found.notes), last),
        tag("footer", "Made by kwsbench. table.csv beside this page has every number unrounded."),
    ]
    return self_contained(title, body)


def _header(
    study: str, title: str, rows: Sequence[Row], records: Sequence[Record], before: Sequence[tuple[str, str]]
) -> Markup:
    speech = title.removeprefix(study).removeprefix(": ")
    links = [("task-0", "Comparison"), ("notes", "Footnotes"), ("repeat", "Repeat"), ("environment", "Environment")]
    if any(record["status"] != "ok" for record in records):
        links.insert(2, ("failed", "Failed cells"))
    links = [*before, *links]
    models = len({row.name for row in rows})
    who = "" if any(leaky(row.task[2]) for row in rows) else ", speakers never heard in training"
    return tag(
        "header",
        tag("p", f"kwsbench · recognisers of spoken words{who}", class_="eyebrow"),
        tag("h1", study, tag("span", speech, class_="badge") if speech else None),
        tag("p", f"{plural(models, 'model')}, {plural(len(records), 'cell')}", class_="muted"),
        tag("nav", [tag("a", text, href=f"#{anchor}") for anchor, text in links], aria_label="Sections"),
    )


def _task_section(
    number: int, heading: str, task: tuple[str, str, str], found: Findings, colours: dict[str, int], hear: Hear | None
) -> Markup:
    rows = [row for row in found.rows if row.task == task]
    heard = [one for one in found.robustness if one.row.task == task]
    streams = [one for one in found.streams if one.row.task == task]
    done, verdict = [row for row in rows if row.values], found.verdicts.get(task)
    return tag(
        "section",
        tag("h2", ", ".join(rows[0].task[:2]), " ", tag("small", f"{rows[0].task[2]} split")),
        tag("p", heading.partition(": ")[2], class_="muted"),
        [tag("p", said, class_="lead") for said in in_words(verdict)] if verdict else None,
        comparison(rows, colours, _letters(verdict), number),
        pair_matrix(verdict, colours) if verdict else None,
        fold_table(done, colours),
        robustness_section(heard, colours) if heard else None,
        recalls(done) if done else None,
        confusions(done, colours) if done else None,
        detection_section(done, colours),
        streaming_section(streams, colours) if streams else None,
        calibration_section(done, colours),
        speaker_section(done, colours),
        hardest_section(verdict, hear) if verdict else None,
        learning(done, colours),
        id=f"task-{number}",
    )


def _letters(verdict: Verdict | None) -> dict[str, str]:
    """Name → the letters of its ties."""
    return {row.name: ties for row, ties in zip(verdict.rows, verdict.letters, strict=True)} if verdict else {}


def _notes(notes: Sequence[str]) -> Markup:
    lines = tag("ol", [tag("li", note) for note in notes])
    return tag("section", tag("h2", "Footnotes"), lines, id="notes", class_="notes")


def _failed(records: Sequence[Record]) -> Markup | None:
    groups = failures(records)
    if not groups:
        return None
    blocks = []
    for (name, status, reason), group in groups.items():
        cells = tag("ul", [tag("li", tag("code", record["cell"])) for record in group])
        trace = next((record["traceback"] for record in group if record.get("traceback")), "")
        shown = tag("details", tag("summary", "Traceback"), tag("pre", trace)) if trace else None
        lead = tag("h3", name, " ", tag("span", status, class_="badge bad"))
        blocks.append(tag("div", lead, tag("p", reason or "no reason is recorded"), cells, shown, class_="card"))
    return tag("section", tag("h2", "Failed cells"), blocks, id="failed")


def _repeat(study: str, recipe: dict[str, Any]) -> Markup:
    file, written = f"{study}.yaml", json.dumps(recipe, indent=2, default=str)
    told = "Seeds derive from the names of what they serve: each cell repeats by itself and in any order."
    return tag(
        "section",
        tag("h2", "How to repeat this"),
        tag("p", "Save the recipe below as ", tag("code", file), f" (YAML reads JSON) and run it. {told}"),
        tag("pre", tag("code", f"python -m kwsbench run {file}")),
        tag("details", tag("summary", "The recipe in full"), tag("pre", tag("code", written))),
        id="repeat",
    )


def _environment(records: Sequence[Record]) -> Markup:
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for record in records:
        environment = record.get("environment", {})
        cells = found.setdefault(json.dumps(environment, sort_keys=True, default=str), (environment, []))[1]
        cells.append(record["parts"]["entry"])
    blocks = []
    for environment, entries in found.values():
        caption = ", ".join(dict.fromkeys(entries)) if len(found) > 1 else "All cells"
        lines = [tag("tr", tag("th", key, scope="row"), tag("td", text)) for key, text in _flat(environment)]
        told = tag("p", machine_text(environment)) if environment else tag("p", "Not recorded.")
        listing = tag("details", tag("summary", "All that is recorded"), tag("table", lines)) if lines else None
        blocks.append(tag("div", tag("h3", caption), told, listing, class_="card"))
    return tag("section", tag("h2", "Environment"), inner(blocks), id="environment")


def _flat(value: dict[str, Any], start: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines: ("packages.torch", "2.13.0")."""
    lines: list[tuple[str, str]] = []
    for key, item in value.items():
        lines += _flat(item, f"{start}{key}.") if isinstance(item, dict) else [(f"{start}{key}", str(item))]
    return lines
