"""The price of a leak, a table a pair of splits."""

from collections.abc import Iterator, Sequence

from kwsbench.pages.blocks import scrolling
from kwsbench.pages.markup import Markup, tag
from kwsbench.report.leak import Price, flattery, prices_by_task
from kwsbench.wording import with_interval


def price_sections(found: Sequence[Price]) -> Iterator[Markup]:
    """A table a pair of splits, with its sentence."""
    for number, (task, group) in enumerate(prices_by_task(found).items()):
        titles = ["speakers apart, %", "drawn at random, %", "flattered by, points"]
        heads = [tag("th", title, scope="col", class_="number") for title in titles]
        lines = [tag("tr", tag("th", p.apart.name, scope="row"), [_number(text) for text in _texts(p)]) for p in group]
        told = f"Accuracy with 95 % interval, split {task[2]} against {task[3]}, sides of the same sizes."
        head = tag("thead", tag("tr", tag("th", "Model", scope="col"), heads))
        table = tag("table", tag("caption", told), head, tag("tbody", lines), class_="comparison")
        title = tag("h2", "The price of a leak ", tag("small", ", ".join(task[:2])))
        whole = scrolling("The price of a leak", table)
        yield tag("section", title, tag("p", _lead(group)), whole, id=f"leak-{number}")


def _lead(group: Sequence[Price]) -> str:
    most = max(group, key=lambda price: price.difference)
    if most.difference <= 0:
        return "A test on speakers who were heard in training flatters no model here."
    return (
        f"A test on speakers who were heard in training flatters {most.apart.name} the most, by {flattery(most)} "
        "points: it tells what a recogniser does for those who trained it, not for anybody else."
    )


def _texts(price: Price) -> list[str]:
    both = [row.values for row in (price.apart, price.mixed)]
    return [*(with_interval(v["accuracy"], v["accuracy_low"], v["accuracy_high"]) for v in both), flattery(price)]


def _number(text: str) -> Markup:
    return tag("td", text, class_="number")
