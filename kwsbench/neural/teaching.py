"""What a fitted network says of the very clips that another learns from, varied as they are."""

import numpy as np
import torch
from torch import Tensor, nn

from kwsbench.neural.batches import Batches
from kwsbench.neural.device import autocast


class Teaching:
    """Places of clips, and an epoch → a teacher's logits for them, float32 (n, n_labels).

    The teacher hears each clip as the network that it teaches does, through its own frontend and without masks, for it
    should say what is there (Beyer and others, "Knowledge distillation: A good teacher is patient and consistent", CVPR
    2022, arXiv 2106.05237).

    Parameters
    ----------
    module : the teacher's, on the device of ``batches``.
    batches : the training clips, varied by the same draws.
    precision : of its activations, as it was trained with.
    """

    def __init__(self, module: nn.Module, batches: Batches, precision: str = "float32") -> None:
        self.module, self.batches, self.precision = module.eval(), batches, precision

    @torch.no_grad()
    def __call__(self, index: np.ndarray, epoch: int) -> Tensor:
        inputs, _ = self.batches.take(index, epoch)
        with autocast(self.precision, inputs.device.type):
            logits: Tensor = self.module(inputs)
        return logits.float()
