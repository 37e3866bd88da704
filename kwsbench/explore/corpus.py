"""A corpus looked at from every side: its page, tables and figures."""

import gzip
import resource
import sys
import time
from collections.abc import Callable, Iterator

import pandas as pd

from kwsbench.explore.material import Material
from kwsbench.explore.page.build import Effort, build_page
from kwsbench.explore.page.part import Part
from kwsbench.runner.environment import describe_machine

MANY = 10_000  # lines, beyond which a table is compressed


def explore_corpus(
    material: Material,
    write: Callable[[str, str | bytes], None],
    command: str,
    *,
    audio: bool = False,
    faults: bool = False,
    told: Callable[[Part], None] = lambda part: None,
) -> list[Part]:
    """Analyse a corpus and write what was found: a page, and each table as CSV.

    Parameters
    ----------
    write : file name, content → a whole file, or nothing of it.
    command : that makes it again; stands on the page.
    audio : let the page play clips; it is a file of its own then, ``explore_audio.html``, so that no recording is
        handed on unawares.
    faults : inject faults into a copy and tell how many of them are found; takes as long as finding them once more.
    told : is given each part as soon as it is there.
    """
    begun = time.perf_counter()
    parts: list[Part] = []
    seconds: dict[str, float] = {}
    for part in _parts(material, audio, faults):
        parts.append(part)
        seconds[part.title] = time.perf_counter() - begun - sum(seconds.values())
        told(part)
        for name, table in part.tables.items():
            text = table.to_csv(index=False, float_format="%.6g")
            if len(table) > MANY:
                write(f"{name}.csv.gz", gzip.compress(text.encode(), mtime=0))
            else:
                write(f"{name}.csv", text)
    write("findings.csv", _findings(parts).to_csv(index=False))
    effort = Effort(seconds, _peak_mb(), describe_machine("cpu"))
    page = build_page(material, parts, command, effort)
    write("explore_audio.html" if audio else "explore.html", page)
    return parts


def _parts(material: Material, audio: bool, faults: bool) -> Iterator[Part]:
    """The parts of the page in order; what several of them stand on is measured once."""
    from kwsbench.explore.conditions import condition_measures
    from kwsbench.explore.counts import clip_measures
    from kwsbench.explore.outlines import clip_features
    from kwsbench.explore.page.anomalies import anomalies_part
    from kwsbench.explore.page.conditions import conditions_part
    from kwsbench.explore.page.confusability import confusability_part
    from kwsbench.explore.page.counts import counts_part
    from kwsbench.explore.page.duplicates import duplicates_part
    from kwsbench.explore.page.faults import faults_part
    from kwsbench.explore.page.label_errors import label_errors_part
    from kwsbench.explore.page.resampling import resampling_part
    from kwsbench.explore.page.spectra import spectra_part
    from kwsbench.explore.page.split_check import split_check_part
    from kwsbench.explore.page.views import views_part
    from kwsbench.explore.split_check import splits_to_check

    measures = clip_measures(material)
    yield counts_part(material, measures)
    yield views_part(material, audio=audio)
    yield resampling_part(material, audio=audio)
    yield spectra_part(material)
    yield confusability_part(material)
    outlines = clip_features(material)
    yield anomalies_part(material, audio=audio, features=outlines)
    yield duplicates_part(material, audio=audio, features=outlines)
    yield label_errors_part(material, audio=audio)
    conditions = condition_measures(material)
    main = splits_to_check(material).main
    yield conditions_part(material, conditions, measures, None if main is None else main.sides)
    yield split_check_part(material, measures, conditions)
    if faults:
        yield faults_part(material)


def _findings(parts: list[Part]) -> pd.DataFrame:
    lines = [(part.title, finding) for part in parts for finding in part.findings]
    return pd.DataFrame(lines, columns=["part", "finding"])


def _peak_mb() -> float:
    """Most memory that this process or one of its children held, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return (
        max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * unit / 1e6
    )
