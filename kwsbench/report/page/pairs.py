"""Every two models of a task, as a matrix."""

from kwsbench.pages.blocks import scrolling
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.page.blocks import row_name, two_lines
from kwsbench.report.verdict import Verdict, gap_in_words, p_in_words, points


def pair_matrix(verdict: Verdict, colours: dict[str, int]) -> Markup | None:
    """Accuracy of each model (row) less that of each other (column), in points; bold where a difference is shown."""
    n = len(verdict.rows)
    if n < 2:
        return None
    order = sorted(range(n), key=lambda i: -verdict.rows[i].values["accuracy"])
    heads = [tag("th", two_lines(verdict.rows[j]), scope="col", class_="number") for j in order]
    lines = [
        tag("tr", tag("th", row_name(verdict.rows[i], colours[verdict.rows[i].name]), scope="row"),
            tag("td", verdict.letters[i]), [_pair_cell(verdict, i, j) for j in order])
        for i in order
    ]  # fmt: skip
    head = tag("tr", tag("th", "Model", scope="col"), tag("th", "ties", scope="col"), heads)
    table = tag("table", tag("thead", head), tag("tbody", lines), class_="heat")
    told = (
        "Points of accuracy by which the model of the row is better than that of the column; bold: shown to differ "
        "(95 % interval without 0 and p < 0.05 for all pairs together). Models that share a letter are not shown to "
        "differ."
    )
    title = "Every pair of models"
    return tag("div", tag("h3", title), tag("p", told, class_="muted"), scrolling(title, table))


def _pair_cell(verdict: Verdict, i: int, j: int) -> Markup:
    if i == j:
        return tag("td", "", aria_hidden="true")
    pair = verdict.pair(i, j)
    gap = pair.difference if pair.a == i else -pair.difference
    a, b = verdict.rows[pair.a].name, verdict.rows[pair.b].name
    told = (
        f"{b} makes {gap_in_words(pair)}; McNemar {p_in_words(pair.p_mcnemar)}; "
        f"only {a} had {pair.wins:,} clips right, only {b} {pair.losses:,}"
    )
    text = tag("strong", points(gap)) if pair.shown else points(gap)
    kind = "number" if not pair.shown else "number good" if gap > 0 else "number wrong"
    return tag("td", text, class_=kind, title=told, style=f"--v:{min(1.0, 10 * abs(gap)):.2f}")
