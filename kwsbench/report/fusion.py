"""Fusions of a recipe → records and predictions as if they had been cells: made of stored answers, nothing is fitted.

A fusion answers by the mean of the posteriors of all fits of its members (all seeds, all settings), see
``evaluate.fusion``; it costs what all of them cost together. Where all of them kept what they answer to the validation
clips, it has a figure there too, to be chosen by, and may weigh them by these answers.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kwsbench.evaluate import rejection, score_cell
from kwsbench.evaluate.fusion import fuse, mixture_weights, prior_shift
from kwsbench.evaluate.metrics import label_indices
from kwsbench.evaluate.quality import temperature
from kwsbench.labels import UNKNOWN
from kwsbench.report.rows import Beside, Predictions, Record, by_task
from kwsbench.store import Store
from kwsbench.wording import plural

FUSION = "fusion"
Asked = Sequence[str] | Mapping[str, Any]
"""What a written recipe says of a fusion, see ``recipe.form.Fusion``."""
TaskRows = Callable[[str], pd.DataFrame]
"""Fingerprint of a task → who is on which side of it, see ``Store.task``."""


def with_fusions(
    records: Sequence[Record],
    predictions: Predictions,
    fusions: Mapping[str, Asked],
    task: TaskRows | None,
    beside: Beside | None = None,
) -> tuple[list[Record], Predictions]:
    """Records and predictions of cells, and after them those of fusions, one a fold.

    Parameters
    ----------
    records : one a cell, in the recipe's order.
    predictions : cell → its table of predictions.
    fusions : name → the entries that are its members, and how they answer together.
    task : without it nothing is said of unknown words heard and new, and nothing is known of priors.
    beside : cell, "validation" → its answers to the validation clips; without it nothing is said of them.
    """
    made: dict[str, Record] = {}
    tables: dict[str, pd.DataFrame] = {}
    for group in by_task(records).values() if fusions else ():
        for fold in dict.fromkeys(record["parts"]["fold"] for record in group):
            here = [record for record in group if record["parts"]["fold"] == fold]
            for name, asked in fusions.items():
                written = asked if isinstance(asked, Mapping) else {"members": asked}
                fits = [record for record in here if record["parts"]["entry"] in written["members"]]
                record, table = _made(_begun(here[0], name), written, fits, predictions, task, beside)
                made[record["cell"]] = record
                if table is not None:
                    tables[record["cell"]] = table

    def answers(cell: str) -> pd.DataFrame:
        return tables[cell] if cell in tables else predictions(cell)

    return [*records, *made.values()], answers


def stored_with_fusions(store: Store) -> tuple[list[Record], Predictions]:
    """The same of a stored study."""
    fusions = store.study()["recipe"].get("fusions", {})
    return with_fusions(store.in_order(), store.predictions, fusions, store.task, store.beside)


def _begun(like: Record, name: str) -> Record:
    """What is known of a fusion before its members are looked at, on the task of another record."""
    told = ("corpus", "split", "fold", "labels")
    parts = {part: like["parts"][part] for part in told} | {"entry": name, "model": FUSION, "setting": "", "seed": 0}
    named = "-".join(str(parts[part]) for part in (*told, "entry"))
    settings = {part: like["settings"][part] for part in ("labels", "split") if part in like.get("settings", {})}
    return {"cell": f"{FUSION}:{named}", "key": "", "parts": parts, "settings": settings, "status": "ok", "reason": ""}


def _made(
    begun: Record,
    written: Mapping[str, Any],
    fits: Sequence[Record],
    predictions: Predictions,
    task: TaskRows | None,
    beside: Beside | None,
) -> tuple[Record, pd.DataFrame | None]:
    """The whole record of a fusion of these fits, and its answers; or why there are none."""
    moved, weighted = written.get("priors") == "validation", written.get("weights") == "validation"
    heard = _answers_to_validation(fits, beside)
    lacking = _lacking(fits, written["members"]) or (_priorless(fits, task) if moved else "")
    if weighted and not lacking and not heard:
        lacking = "what its members answer to the validation clips, of which weights are learned, was not kept"
    if lacking:
        return begun | {"status": "failed", "reason": lacking}, None
    how = _how(fits, heard, task if moved else None, weighted)
    table = fuse([predictions(record["cell"]) for record in fits], **how)
    told = _outcome(fits, table, task, _note(fits, how, moved, weighted)) | _on_validation(fits, heard, how, task)
    return begun | told, table


def _lacking(fits: Sequence[Record], members: Sequence[str]) -> str:
    """Why a fusion cannot be made; empty where it can."""
    absent = [name for name in members if name not in {record["parts"]["entry"] for record in fits}]
    failed = [record["parts"]["entry"] for record in fits if record["status"] != "ok"]
    names = list(dict.fromkeys([*absent, *failed]))
    return f"{', '.join(names)}, of which it is made, has no whole result" if names else ""


def _priorless(fits: Sequence[Record], task: TaskRows | None) -> str:
    """Why priors of validation cannot be had; empty where they can."""
    known = task is not None and all(record["parts"].get("task_fingerprint") for record in fits)
    return "" if known else "how often its members heard each label, and validation has it, was not kept"


def _answers_to_validation(fits: Sequence[Record], beside: Beside | None) -> list[pd.DataFrame]:
    """Those of each fit, to the clips that all of them have on validation; none where one's were not kept."""
    if beside is None or not fits or any("validation" not in record.get("beside_sha256", {}) for record in fits):
        return []
    tables = [beside(record["cell"], "validation") for record in fits]
    shared = set.intersection(*(set(table["clip"]) for table in tables))
    return [table[table["clip"].isin(shared)] for table in tables] if shared else []


def _how(fits: Sequence[Record], heard: list[pd.DataFrame], task: TaskRows | None, weighted: bool) -> dict[str, Any]:
    """What ``fuse`` is told beside the answers; a fit whose record is from before there were temperatures counts at 1;
    with ``task`` priors are of validation.
    """
    labels = fits[0]["label_names"]
    how: dict[str, Any] = {"temperatures": [float(record.get("temperature") or 1.0) for record in fits]}
    how["labels"] = labels
    if task:
        how["shifts"] = [_shift(task(record["parts"]["task_fingerprint"]), labels) for record in fits]
    return how | ({"weights": mixture_weights(heard, **how)} if weighted else {})


def _shift(rows: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    learned, said = (rows.loc[rows["side"] == side, "label"].tolist() for side in ("train", "validation"))
    return prior_shift(learned, said, labels)


def _note(fits: Sequence[Record], how: Mapping[str, Any], moved: bool, weighted: bool) -> str:
    """What a reader should know of how a fusion answers."""
    names = dict.fromkeys(record["parts"]["entry"] for record in fits)
    note = f"the mean of the posteriors of {plural(len(fits), 'fit')} of {', '.join(names)}; costs are their sums"
    if moved:
        note += "; posteriors as if labels were said as often as on validation, not as in training"
    if weighted:
        shares = zip(how["weights"], map(_fit_name, fits), strict=True)
        note += f"; weights fitted on validation: {', '.join(f'{share:.2f} {name}' for share, name in shares)}"
    if cold := [_fit_name(record) for record in fits if not record.get("temperature")]:
        note += f"; at temperature 1, for none was kept: {', '.join(cold)}"
    return note


def _fit_name(record: Record) -> str:
    return f"{record['parts']['entry']} (seed {record['parts']['seed']})"


def _on_validation(
    fits: Sequence[Record], heard: list[pd.DataFrame], how: Mapping[str, Any], task: TaskRows | None
) -> Record:
    """What a cell's record says of validation: what a fusion is to be chosen by."""
    if not heard:
        return {}
    table, names = fuse(heard, **how), list(how["labels"])
    truth, guess = label_indices(table, names)
    told: dict[str, Any] = {"accuracy": float((truth == guess).mean())}
    if counted := _rejection(fits, table, task, "validation"):
        told["rejection"] = counted
    return {"temperature": temperature(table[names].to_numpy(dtype=float), truth), "validation": told}


def _outcome(fits: Sequence[Record], table: pd.DataFrame, task: TaskRows | None, note: str) -> Record:
    """What a cell's record says of its result, of a fusion: of the task what its members say, costs added up."""
    first = fits[0]
    same = ("label_names", "corpus_notes", "licence", "split_fingerprint", "quarantined", "n_duplicates", "synthetic")
    phases = {phase for record in fits for phase in record["timings"]}
    found: dict[str, Any] = {
        **{key: first[key] for key in same if key in first},
        "task": {**first["task"], "n_train": max(record["task"]["n_train"] for record in fits)},
        "fit": {"history": [], "best": -1, "notes": [note], "earlier_s": 0.0},
        "metrics": score_cell(table, first["label_names"]),
        "timings": {phase: sum(record["timings"].get(phase, 0.0) for record in fits) for phase in sorted(phases)},
        "cost": {key: sum(record["cost"][key] for record in fits) for key in first["cost"]},
        "peak_mb": max(record["peak_mb"] for record in fits),
        **{key: sum(record[key] for record in fits) for key in ("ms_per_clip", "cpu_s", "gpu_s")},
    }
    if counted := _rejection(fits, table, task):
        found["rejection"] = counted
    return found


def _rejection(
    fits: Sequence[Record], table: pd.DataFrame, task: TaskRows | None, side: str = "test"
) -> dict[str, int]:
    """As in a cell; a word is heard where any member has heard it."""
    fingerprints = {record["parts"].get("task_fingerprint") for record in fits}
    unknown = (table["label"] == UNKNOWN).to_numpy()
    if task is None or None in fingerprints or not unknown.any():
        return {}
    sides = [task(str(fingerprint)) for fingerprint in fingerprints]
    heard = [rows.loc[rows["side"] == "train", "word"].value_counts() for rows in sides]
    trained = pd.concat(heard).groupby(level=0).max().to_dict()
    said = sides[0][sides[0]["side"] == side].set_index("clip")["word"]
    words = said.reindex(table.loc[unknown, "clip"]).to_numpy(dtype=object)
    right = (table["predicted"] == UNKNOWN).to_numpy()[unknown]
    return rejection(np.asarray(right), words, trained)
