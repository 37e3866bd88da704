"""The course of a training for TensorBoard, written while it goes on."""

from pathlib import Path
from typing import Any

from kwsbench.errors import UserError


class Scalars:
    """Writes a row of a training's history after each validation.

    Parameters
    ----------
    folder : of one training; events of an earlier run of it stay, and those after ``step`` are marked as void.
    step : the step that the training goes on from.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError("TensorBoard is not here", todo="pip install 'kwsbench[tensorboard]'") from error
        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, row: dict[str, float]) -> None:
        """One row of ``Trained.history``."""
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(row["step"]))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
