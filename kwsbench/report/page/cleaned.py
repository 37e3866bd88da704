"""The whole test side and the cleaned one, side by side."""

from collections.abc import Iterator, Sequence

from kwsbench.pages.blocks import scrolling
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.cleaned import CIRCULAR, NOTHING, Cleaned, cleaned_by_task, raised, reordered
from kwsbench.wording import percent, plural, with_interval

TITLE = "The cleaned test set"
_TITLES = ("whole test, %", "cleaned test, %", "difference, points", "clips left out, %")


def cleaned_sections(found: Sequence[Cleaned]) -> Iterator[Markup]:
    """A table a task, with its sentences."""
    for number, (task, group) in enumerate(cleaned_by_task(found).items()):
        heads = [tag("th", title, scope="col", class_="number") for title in _TITLES]
        lines = [
            tag("tr", tag("th", one.row.name, scope="row"), [tag("td", text, class_="number") for text in _texts(one)])
            for one in group
        ]
        told = (
            "Accuracy with 95 % interval, from the same answers of the same models. Difference: speakers drawn anew, "
            "the same for both. Last: accuracy on the clips left out alone, by the labels that are in doubt; labels "
            "that models unlike the one that made the list have right there are hardly wrong."
        )
        head = tag("thead", tag("tr", tag("th", "Model", scope="col"), heads))
        table = tag("table", tag("caption", told), head, tag("tbody", lines), class_="comparison")
        title = tag("h2", f"{TITLE} ", tag("small", ", ".join(task)))
        lead = tag("p", _lead(group), class_="lead")
        yield tag("section", title, lead, tag("p", CIRCULAR), scrolling(TITLE, table), id=f"cleaned-{number}")


def _lead(group: Sequence[Cleaned]) -> str:
    clips = plural(group[0].n_left_out, "test clip")
    if not group[0].n_left_out:
        return NOTHING
    most = max(group, key=lambda one: one.difference.value)
    return (
        f"Without the {clips} that the recipe's exclude names, of {group[0].row.values['n_test']:,}, the accuracy of "
        f"{most.row.name} moves the most, by {raised(most)} points. {reordered(group)}"
    )


def _texts(one: Cleaned) -> list[str]:
    whole, clean = one.row.values, one.cleaned
    return [
        with_interval(whole["accuracy"], whole["accuracy_low"], whole["accuracy_high"]),
        with_interval(clean.value, clean.low, clean.high),
        raised(one),
        percent(one.left_out),
    ]
