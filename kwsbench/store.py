"""The store: one folder per study, the only thing that outlives a run. Nothing else writes below ``results/``.

    study.json                   the resolved recipe, when, where
    table.csv  table.md          one row per (corpus, split, labels, model, setting)
    pairs.csv                    one row per two of them: difference, interval, p
    robustness.csv               one line per such row, corruption and level, where a recipe asks for robustness
    streaming.csv                one line per such row, where a recipe asks for streaming
    report.html                  one self-contained page
    splits/<fingerprint>.csv.gz  clip, word, label, speaker, side of a task
    cells/<cell>.json            settings, key and its parts, timings, environment, status, traceback if failed
    predictions/<cell>.parquet   clip, speaker, label, predicted, then one score column a label
    predictions/<cell>.validation.parquet    the same of the validation clips, scores to a hundredth
    predictions/<cell>.robustness.parquet    clip, condition, level, predicted, where a recipe asks for robustness
    predictions/<cell>.windows.parquet       a line per window of a stream, and
    predictions/<cell>.events.parquet        a line per word in it, where a recipe asks for streaming
    models/<cell>/               weights, kept on request
    .work/<cell>/                checkpoints of a cell that is not finished

Every write is whole or absent: temporary file in the same folder, flush, fsync, rename, fsync of the folder. A cell's
record is written last, so a record means that everything it speaks of is there.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kwsbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]
"""A cell's outcome as it stands in ``cells/<cell>.json``: cell, key, parts, status, reason, timings, metrics, …"""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it holds either its old or its new content, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last through a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def jsonable(value: Any) -> Any:
    """numpy scalars, paths and tuples as JSON has them; NaN and infinities as null."""
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, Path):
        return str(value)
    return value


def _put_table(path: Path, table: pd.DataFrame) -> str:
    """Write a table as Parquet; returns the file's SHA-256."""
    import io

    buffer = io.BytesIO()
    # bytes of scores lie by their place in the number: the same numbers in two thirds of the room; where many are the
    # same, as of rounded ones, their places in a list take less
    scores = [name for name in table if table[name].dtype.kind == "f" and 2 * table[name].nunique() > len(table)]
    others = [name for name in table if name not in scores]
    how: dict[str, Any] = {"compression": "zstd", "compression_level": 19}
    how |= {"use_dictionary": others, "use_byte_stream_split": scores}
    table.to_parquet(buffer, index=False, **how)
    write_whole(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


class Store:
    """The folder of one study."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    # -- cells -----------------------------------------------------------------------------------------------------

    def record(self, cell: str) -> Record | None:
        """The record of a cell, or None where there is none; a torn file, which no crash can leave, is an error."""
        path = self.folder / "cells" / f"{cell}.json"
        if not path.exists():
            return None
        todo = "delete this file; its cell is then run again"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as e:
            raise UserError(f"not a record: {e}", str(path), todo) from e
        if not isinstance(found, dict) or not {"key", "status"} <= found.keys():
            raise UserError("not a record: no key, no status", str(path), todo)
        return found

    def records(self) -> list[Record]:
        """All records of the folder, by cell name."""
        paths = sorted((self.folder / "cells").glob("*.json"))
        return [record for path in paths if (record := self.record(path.stem)) is not None]

    def study(self) -> dict[str, Any]:
        """Content of ``study.json``: study, recipe, when, environment.

        Raises
        ------
        UserError : the folder is none of a study.
        """
        path = self.folder / "study.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except OSError as e:
            todo = "give the folder of a study, such as results/all; `kwsbench run` makes one"
            raise UserError("no study is stored there", str(self.folder), todo) from e
        except ValueError as e:
            raise UserError(f"not a study: {e}", str(path), "run the recipe again; nothing is fitted twice") from e
        if not isinstance(found, dict) or "study" not in found or not isinstance(found.get("recipe"), dict):
            raise UserError("not a study: no study, no recipe", str(path), "run the recipe again")
        return found

    def in_order(self) -> list[Record]:
        """All records of the folder, in the order of the recipe's models and of seeds.

        Of an entry that was run with other settings before, the latest.
        """
        place = {entry: i for i, entry in enumerate(self.study()["recipe"].get("models", {}))}
        latest: dict[str, Record] = {}
        for record in sorted(self.records(), key=lambda r: r.get("when", "")):
            latest[_role(record)] = record
        return sorted(latest.values(), key=lambda r: (place.get(r["parts"]["entry"], len(place)), r["parts"]["seed"]))

    def has(self, cell: str, key: str) -> bool:
        """Is there a result of this very cell: same key, ended well, predictions whole?"""
        record = self.record(cell)
        if record is None or record["status"] != "ok" or record["key"] != key:
            return False
        whole = {self.predictions_path(cell): record["predictions_sha256"]}
        whole |= {self.beside_path(cell, kind): found for kind, found in record.get("beside_sha256", {}).items()}
        return all(
            path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == found for path, found in whole.items()
        )

    def put_record(self, cell: str, record: Record) -> None:
        """Keep a cell's outcome. Comes last: predictions and weights are in place before."""
        self.write(f"cells/{cell}.json", json.dumps(jsonable(record), indent=1, allow_nan=False) + "\n")

    # -- predictions -----------------------------------------------------------------------------------------------

    def predictions_path(self, cell: str) -> Path:
        return self.folder / "predictions" / f"{cell}.parquet"

    def put_predictions(self, cell: str, table: pd.DataFrame) -> str:
        """Keep ``clip, speaker, label, predicted`` and one float32 score column a label; returns the file's SHA-256."""
        return _put_table(self.predictions_path(cell), table)

    def predictions(self, cell: str) -> pd.DataFrame:
        return _parquet(self.predictions_path(cell))

    def beside_path(self, cell: str, kind: str) -> Path:
        return self.folder / "predictions" / f"{cell}.{kind}.parquet"

    def put_beside(self, cell: str, tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
        """Keep what a cell found beside its predictions, by kind; returns the files' SHA-256, for its record."""
        return {kind: _put_table(self.beside_path(cell, kind), table) for kind, table in tables.items()}

    def beside(self, cell: str, kind: str) -> pd.DataFrame:
        return _parquet(self.beside_path(cell, kind))

    # -- the rest --------------------------------------------------------------------------------------------------

    def write(self, name: str, content: str | bytes) -> None:
        """Write any other file of the study (table, page, study.json), named relative to its folder."""
        write_whole(self.folder / name, content.encode() if isinstance(content, str) else content)

    def put_task(self, fingerprint: str, rows: pd.DataFrame) -> None:
        """Keep who is on which side: ``clip, word, label, speaker, side`` of a task, once."""
        name = f"splits/{fingerprint}.csv.gz"
        if not (self.folder / name).exists():
            text = rows[["clip", "word", "label", "speaker", "side"]].to_csv(index=False)
            self.write(name, gzip.compress(text.encode(), mtime=0))  # the same bytes whenever it is written

    def task(self, fingerprint: str) -> pd.DataFrame:
        """What ``put_task`` kept."""
        import pandas as pd

        path = self.folder / "splits" / f"{fingerprint}.csv.gz"
        try:
            return pd.read_csv(path, keep_default_na=False)
        except (OSError, EOFError, ValueError) as e:
            raise UserError(f"cannot be read: {e}", str(path), "run the recipe again; nothing is fitted twice") from e

    def work(self, cell: str) -> Path:
        """Where an unfinished cell keeps its checkpoints; made if absent."""
        folder = self.folder / ".work" / cell
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clear_work(self, cell: str) -> None:
        """Forget the checkpoints of a finished cell."""
        shutil.rmtree(self.folder / ".work" / cell, ignore_errors=True)
        with contextlib.suppress(OSError):
            (self.folder / ".work").rmdir()  # fails, rightly, while another cell still has something there

    def models(self, cell: str) -> Path:
        """Where the weights of a cell are kept."""
        folder = self.folder / "models" / cell
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def scalars(self, cell: str) -> Path:
        """Where the course of a cell's training is written for TensorBoard."""
        return self.folder / "tensorboard" / cell

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time on a folder; the lock goes with the process, however it ends."""
        import fcntl

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as e:
            todo = "make it a folder that you may write to, or give --results another"
            raise UserError(f"nothing can be kept there: {e.strerror}", str(self.folder), todo) from e
        with lock as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                todo = "wait for it, or give --results another folder"
                raise UserError("another run is at work on this study", str(self.folder), todo) from e
            yield


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as e:  # pyarrow's errors are ValueErrors
        raise UserError(f"cannot be read: {e}", str(path), "run the recipe again; only this cell is fitted") from e


def _role(record: Record) -> str:
    """What a cell stands for in its study, whatever its model's settings are."""
    parts, settings = record["parts"], record.get("settings", {})
    names = [parts[name] for name in ("corpus", "split", "fold", "labels", "entry", "setting", "seed")]
    return json.dumps([*names, settings.get("split"), settings.get("labels")], sort_keys=True, default=str)
