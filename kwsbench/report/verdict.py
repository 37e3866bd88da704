"""Which model is better, by how much, how surely: every pair of a task, and the answer in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from kwsbench.evaluate.pairs import MARGIN, Pair, compare_pairs, tie_letters
from kwsbench.report.rows import TASK, Row, leaky
from kwsbench.wording import absent, count, percent, plural, with_interval

_NAMED = 4  # models that a sentence names
_PAIR_COLUMNS = (
    *TASK, "a", "b", "accuracy_a", "accuracy_b", *(f.name for f in fields(Pair) if f.name not in ("a", "b")), "shown",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """The comparison of the models of a task that have a result.

    Attributes
    ----------
    rows : those models, in the recipe's order; ``Pair.a`` and ``Pair.b`` point into them.
    pairs : every two of them. letters : of each; who share one are not shown to differ.
    left_out : names of models that were tested on other clips.
    """

    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    letters: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def best(self) -> int:
        """The model of the highest accuracy."""
        return max(range(len(self.rows)), key=lambda i: self.rows[i].values["accuracy"])

    def pair(self, a: int, b: int) -> Pair:
        """The pair of two models, whichever is the better."""
        return next(pair for pair in self.pairs if {pair.a, pair.b} == {a, b})


def verdicts(rows: Sequence[Row]) -> dict[tuple[str, str, str], Verdict]:
    """Of each task, in order; a model with other clips than most of the task's are left out."""
    found = {}
    for task in dict.fromkeys(row.task for row in rows):
        own = [row for row in rows if row.task == task and row.measured is not None]
        tested = [_clips(row) for row in own]
        usual = max(tested, key=tested.count, default=())
        alike = tuple(row for row, clips in zip(own, tested, strict=True) if clips == usual)
        if alike and alike[0].measured is not None:
            correct = np.stack([row.measured.clips["correct"].to_numpy() for row in alike if row.measured], 1)
            left_out = tuple(row.name for row in own if row not in alike)
            pairs = tuple(compare_pairs(correct, alike[0].measured.resamples))
            found[task] = Verdict(alike, pairs, tuple(tie_letters(len(alike), pairs)), left_out)
    return found


def _clips(row: Row) -> tuple[str, ...]:
    return tuple(row.measured.clips["clip"].tolist()) if row.measured is not None else ()


def pair_table(found: Mapping[tuple[str, str, str], Verdict]) -> pd.DataFrame:
    """A row a pair: the two models, their accuracies, and all of ``Pair``, shares in 0..1."""
    lines = []
    for verdict in found.values():
        for pair in verdict.pairs:
            a, b = verdict.rows[pair.a], verdict.rows[pair.b]
            named = {"a": a.name, "b": b.name, "accuracy_a": a.values["accuracy"], "accuracy_b": b.values["accuracy"]}
            measured = {name: value for name, value in asdict(pair).items() if name not in ("a", "b")}
            lines.append(a.named | named | measured | {"shown": pair.shown})
    return pd.DataFrame(lines, columns=pd.Index(_PAIR_COLUMNS))


def in_words(verdict: Verdict) -> list[str]:
    """The answer, a sentence or two at a time: who is best, who is not told from it, who comes after."""
    best = verdict.rows[verdict.best]
    others = [f"Tested on other clips, and not compared: {_listed(verdict.left_out)}."] if verdict.left_out else []
    if len(verdict.rows) == 1:
        return [_leader(best, "The only model is"), *others]
    against = {i: verdict.pair(verdict.best, i) for i in range(len(verdict.rows)) if i != verdict.best}
    tied = [i for i, pair in against.items() if not pair.shown]
    after = sorted((i for i, pair in against.items() if pair.shown), key=lambda i: against[i].difference)
    if math.isnan(next(iter(against.values())).p):
        why = best.measured.resamples.why_not if best.measured is not None else ""
        return [_leader(best, "Highest accuracy:"), f"No comparison: {why}.", *others]
    said = [_leader(best, "Best:" if not tied else "Highest accuracy, but not shown to be the best:")]
    if tied:
        said.append(_ties(verdict, sorted(tied, key=lambda i: against[i].difference)))
    if after:
        said.append(_next(verdict, after))
    return [*said, *others]


def _leader(row: Row, lead: str) -> str:
    v = row.values
    share, _, limits = with_interval(v["accuracy"], v["accuracy_low"], v["accuracy_high"]).partition(" ")
    interval = f" (95 % interval {limits.strip('[]').replace(', ', ' to ')})" if limits else ""
    heard = "heard in training too" if leaky(row.task[2]) else "never heard in training"
    who = f" of {plural(v['n_test_speakers'], 'speaker')} {heard}" if v["n_test_speakers"] else ""
    return f"{lead} {row.name}, right on {share} %{interval} of {plural(v['n_test'], 'test clip')}{who}."


def _ties(verdict: Verdict, tied: Sequence[int]) -> str:
    """No difference shown to the nearest ones, and what it would take to show one."""
    nearest = verdict.pair(verdict.best, tied[0])
    named = [verdict.rows[i].name for i in tied]
    text = f"No difference is shown from {_listed(named)}; {named[0]} makes {gap_in_words(nearest)}."
    here = verdict.rows[verdict.best].values
    by_name = here["n_test_speakers"] > 0
    enough, now = (nearest.speakers, here["n_test_speakers"]) if by_name else (nearest.clips, here["n_test"])
    if nearest.difference > 0 and now < enough < math.inf:
        what = f"{count(_round_up(enough))} {'speakers' if by_name else 'clips'}"
        text += f" A difference of that size would take about {what} to show."
    return text


def _next(verdict: Verdict, after: Sequence[int]) -> str:
    first = verdict.pair(verdict.best, after[0])
    others = len(after) - 1
    rest = "" if not others else f"; {'another is' if others == 1 else f'{others} others are'} shown to be worse too"
    sure = f"probability {first.better:.2f} that it is worse by more than {100 * MARGIN:g} points"
    return f"{verdict.rows[after[0]].name} is shown to be worse: {gap_in_words(first)}, {sure}{rest}."


def gap_in_words(pair: Pair) -> str:
    """Errors in a thousand clips, with the interval of 95 % and the p of all pairs: "12.3 more errors in …"."""
    limits = f" [{1000 * pair.low:.1f} to {1000 * pair.high:.1f}]" if not absent(pair.low) else ""
    sure = f"{p_in_words(pair.p_holm)} over all pairs"
    return f"{1000 * pair.difference:.1f}{limits} more errors in a thousand clips, {sure}"


def p_in_words(p: float) -> str:
    """p = 0.034, p < 0.001."""
    return "no p" if absent(p) else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_NAMED]) + ([f"{len(names) - _NAMED} more"] if len(names) > _NAMED else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _round_up(number: float) -> float:
    """To two digits, upwards: nobody should trust a third."""
    unit = 10 ** max(math.floor(math.log10(max(number, 1))) - 1, 0)
    return math.ceil(number / unit) * unit


def points(share: float) -> str:
    """A difference in percentage points with its sign: +1.2, −0.3, 0.0."""
    text = percent(abs(share))
    return text if float(text) == 0 else f"{'+' if share > 0 else '−'}{text}"
