"""What a part of the page brings."""

from dataclasses import dataclass, field

import pandas as pd

from kwsbench.pages.markup import Markup


@dataclass(frozen=True)
class Part:
    """One part of a corpus's page.

    Attributes
    ----------
    title : such as "Counts".
    body : what is shown under it.
    findings : sentences with numbers in them, that the top of the page repeats: what a reader must know.
    tables : file name without ending → table, kept as CSV beside the page.
    scripts : that the page runs, allowed by their hashes.
    """

    title: str
    body: Markup
    findings: list[str] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    scripts: list[str] = field(default_factory=list)
