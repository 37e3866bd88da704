"""One training by many processes: each learns from its part of every batch, all take the same step.

What ``torchrun`` starts are ranks, one a process. Outside of it there is one rank, and nothing here does anything. A
training by several ranks has the loss curve of one by a single process, to rounding, where nothing is dropped at
random and no clips are mixed, which each rank does for itself: gradients are the batch's (torch's
DistributedDataParallel), and batch normalisation takes the batch's moments.
"""

import os
import sys
from datetime import timedelta
from typing import Any, NoReturn

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(days=2)  # that ranks wait for one that fits a model by itself


def join(device: str) -> None:
    """Meet the other ranks: over NCCL where each has a GPU, over gloo on CPUs."""
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)


def leave() -> None:
    """Part from the other ranks."""
    dist.destroy_process_group()


def end(status: int = 0) -> NoReturn:
    """End a process that was a rank, at once: a thread of gloo's that outlives the interpreter would abort it.

    See pull request 179291 of pytorch.
    """
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(status)


def size() -> int:
    """How many ranks train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def number() -> int:
    """Which of them this process is; 0 is the one that speaks and writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def agreed(value: Any) -> Any:
    """Rank 0's value, in every rank."""
    if size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, 0)
    return box[0]


def summed(x: Tensor) -> Tensor:
    """The sum over ranks, in place."""
    if size() > 1:
        dist.all_reduce(x)
    return x


def part_of(batch: np.ndarray) -> tuple[np.ndarray, float]:
    """This rank's clips of a batch, and what its mean loss is multiplied by so that the ranks' mean is the batch's.

    A batch with fewer than two clips a rank is learned from whole by every rank.
    """
    n = size()
    if n == 1 or len(batch) < 2 * n:
        return batch, 1.0
    own = batch[number() :: n]
    return own, len(own) * n / len(batch)


def spread(goal: nn.Module, device: str) -> nn.Module:
    """What computes losses in every rank, and means of gradients over them; alone, the same as before.

    Batch normalisation inside it is replaced by one over all ranks.
    """
    if size() == 1:
        return goal
    if device == "cuda":
        goal = nn.SyncBatchNorm.convert_sync_batchnorm(goal)
        return DistributedDataParallel(goal, [torch.cuda.current_device()])
    _synchronise(goal)
    return DistributedDataParallel(goal)


def _synchronise(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, RanksNorm(child))
        else:
            _synchronise(child)


class RanksNorm(_BatchNorm):
    """Batch normalisation with the moments of all ranks' parts, for CPUs, where torch has none.

    Parameters
    ----------
    norm : whose weights, running moments and settings it takes over.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self._parameters, self._buffers = norm._parameters, norm._buffers
        self.training = norm.training

    def _check_input_dim(self, input: Tensor) -> None:
        """Any shape (n, channels, …) will do."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        around = [dim for dim in range(x.ndim) if dim != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        count = summed(torch.tensor(float(x.numel() // x.shape[1])))
        mean = _Summed.apply(x.sum(around)) / count
        apart = x - mean.view(shape)
        variance = _Summed.apply(apart.square().sum(around)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        x = apart * (variance + self.eps).rsqrt().view(shape)
        return x * self.weight.view(shape) + self.bias.view(shape) if self.affine else x

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running moments towards a batch's."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Summed(torch.autograd.Function):
    """The sum over ranks; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return summed(x.clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return summed(gradient.contiguous().clone())
