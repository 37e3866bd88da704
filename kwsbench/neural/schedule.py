"""How long, how fast and towards what a network is trained: the settings that every network shares."""

import math
from dataclasses import dataclass
from typing import Literal

from kwsbench.errors import UserError

WARM = 0.3  # share of a one-cycle schedule in which the rate rises
START, END = 1 / 25, 1e-4  # rate where a rise begins, and where a one-cycle schedule ends, as shares of the peak


@dataclass(frozen=True)
class Schedule:
    """Settings of the training loop.

    Attributes
    ----------
    epochs : passes over the training clips.
    batch_size : clips a step.
    learning_rate : of the optimizer; the peak of a schedule.
    schedule : "constant"; "cosine" falls from the start to zero; "one_cycle" rises for 30 % of the steps, then falls
        (Smith & Topin, arXiv 1708.07120).
    warmup : share of the training in which the rate of "constant" and "cosine" first rises, in a line.
    optimizer : "adam", "adamw", "sgd" (Nesterov momentum 0.9), or "muon" for weights that mix channels and
        adamw for the rest.
    weight_decay : of weights; biases and normalisation are left alone.
    loss : "categorical" cross-entropy, or "binary": the mean over outputs of binary cross-entropy of softmax outputs.
    label_smoothing : share of a target's weight that is spread over all labels.
    mixup : parameter of the Beta distribution that the shares of two clips in one are drawn from (Zhang et al., arXiv
        1710.09412); 0: clips stay apart.
    teacher_share : of the loss that is the distance from the posteriors of the entry's teacher; the rest is the labels'
        (Hinton, Vinyals & Dean, arXiv 1503.02531); 0 without a teacher.
    teacher_temperature : that the teacher's posteriors and the network's are softened by before they are compared.
    balance : what is done where targets have unequal numbers of clips: nothing; "weights" in the loss that make up for
        it, decoys as expected among them; "sampling", an epoch draws its clips with all targets alike, of which some
        become decoys after that; or "sampling_labels", with all labels alike: all unknown words are one label, though
        each may be a target.
    clip_norm : most that the norm of a step's gradient may be; 0: any.
    ema : decay of a running average of the weights, which is what is validated and kept; 0: the weights themselves.
    max_steps : a budget; the schedule is fitted into it; 0: none.
    max_minutes : a budget of wall-clock time; the schedule is fitted into it; 0: none. A result under it cannot be
        repeated exactly, for machines differ in speed.
    precision : of activations and gradients; weights and their sums are float32. Where a device has no instructions
        for bfloat16, it is float32, and a note says so.
    validate_every : steps between validations; 0: after each epoch.
    validation_clips : validate on so many clips drawn once; 0: all.
    patience : stop after so many validations without a better one; 0: never.
    calibrate : fit a scale and priors of labels on the validation clips, once the weights are chosen, for the right
        labels' posteriors: what a network answers depends on how often it heard each label in training, and all
        unknown words together may be far more there than where it is used.
    """

    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine", "one_cycle"] = "one_cycle"
    warmup: float = 0.0
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adamw"
    weight_decay: float = 0.01
    loss: Literal["categorical", "binary"] = "categorical"
    label_smoothing: float = 0.0
    mixup: float = 0.0
    teacher_share: float = 0.0
    teacher_temperature: float = 1.0
    balance: Literal["none", "weights", "sampling", "sampling_labels"] = "none"
    clip_norm: float = 0.0
    ema: float = 0.0
    max_steps: int = 0
    max_minutes: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    validate_every: int = 0
    validation_clips: int = 0
    patience: int = 0
    calibrate: bool = False

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2), ("max_steps", 0), ("max_minutes", 0), ("patience", 0)):
            self._check(name, getattr(self, name) >= least, f"at least {least}")
        for name in ("validate_every", "validation_clips", "weight_decay", "mixup", "clip_norm"):
            self._check(name, getattr(self, name) >= 0, "at least 0")
        for name in ("learning_rate", "teacher_temperature"):
            self._check(name, getattr(self, name) > 0, "above 0")
        self._check("teacher_share", 0 <= self.teacher_share <= 1, "from 0 to 1")
        for name in ("label_smoothing", "warmup", "ema"):
            self._check(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")

    def _check(self, name: str, good: bool, allowed: str) -> None:
        if not good:
            raise UserError(f"{name} is {getattr(self, name)}", todo=f"it has to be {allowed}")

    def steps_an_epoch(self, n: int) -> int:
        """Steps that ``n`` clips give; a last batch of one clip is left out, for it has no variance to normalise by."""
        full, rest = divmod(n, self.batch_size)
        return full + (rest > 1)

    def n_steps(self, n: int) -> int:
        """Steps of the whole training on ``n`` clips."""
        steps = self.epochs * self.steps_an_epoch(n)
        return min(steps, self.max_steps) if self.max_steps else steps

    def rate(self, done: float) -> float:
        """The learning rate when a share ``done`` (0 to 1) of the training lies behind."""
        if self.schedule != "one_cycle":
            if done < self.warmup:
                return self.learning_rate * (START + (1 - START) * done / self.warmup)
            fall = _fall((done - self.warmup) / (1 - self.warmup)) if self.schedule == "cosine" else 1.0
            return self.learning_rate * fall
        if done < WARM:
            return self.learning_rate * (START + (1 - START) * (1 - _fall(done / WARM)))
        return self.learning_rate * (END + (1 - END) * _fall((done - WARM) / (1 - WARM)))


def _fall(x: float) -> float:
    """Half a cosine from 1 at 0 to 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * min(max(x, 0.0), 1.0)))
