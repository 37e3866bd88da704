"""The training loop of every network: batches → module → loss → step, validation, checkpoints.

A training that is killed and started again ends with the same weights: the order of clips, what augmentation does and
what dropout drops are drawn from (seed, epoch) or (seed, step) alone, and all else is in the checkpoint. Where several
ranks train together, all of them go through this loop, in step.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kwsbench.errors import UserError
from kwsbench.labels import label_of
from kwsbench.neural import checkpoint as disk
from kwsbench.neural import ranks
from kwsbench.neural.batches import Batches
from kwsbench.neural.device import notes_on_precision, seeded
from kwsbench.neural.scalars import Scalars
from kwsbench.neural.schedule import Schedule
from kwsbench.neural.step import Goal, make_optimizer, objective, score, settle, step, weights_of
from kwsbench.progress import Progress, clock, silent
from kwsbench.seeds import derive_seed

CHECKPOINT_SECONDS = 60.0
SETTLING_CLIPS = 3200  # that averaged weights hear before a validation
REPORT_EVERY = 0.01  # share of an epoch between two words of progress


@dataclass(frozen=True)
class Trained:
    """How a training went.

    Attributes
    ----------
    history : a mapping for each validation: step, epoch, train_loss, train_accuracy, validation_loss,
        validation_accuracy, learning_rate, elapsed_s (since the start, validations included). Accuracies are of
        targets: where each unknown word has one, an unknown word taken for another is an error.
    best : index into ``history`` of the weights that were kept.
    notes : sentences a reader should know.
    earlier_s : seconds of training that the checkpoint it went on from had behind it.
    """

    history: list[dict[str, float]]
    best: int
    notes: list[str]
    earlier_s: float = 0.0


@dataclass
class State:
    """How far a training is; with the tensors, all that a checkpoint holds.

    Attributes
    ----------
    step : steps done. seconds : they took, in all runs together.
    loss, hits, seen : sums over training clips since the last validation.
    best : index into ``history``; -1 before the first validation.
    """

    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    hits: int = 0
    seen: int = 0
    best: int = -1
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass
class Training:
    """One training; ``run`` does it.

    Attributes
    ----------
    module : on the device of ``clips``; it ends with the weights that were best on ``validation``: the highest
        accuracy, of those the lowest loss, of those the first.
    seed : of every draw.
    score_batch : clips a batch in validation.
    checkpoint : file to go on from and to keep the training in; None: keep none.
    key : names this very training; a checkpoint of another is not read.
    scalars : folder for TensorBoard's events; None: none are written.
    teacher : places of clips, and the epoch → a teacher's logits for them as they are in it; None: there is none.
    """

    module: nn.Module
    clips: Batches
    validation: Batches
    schedule: Schedule
    seed: int
    score_batch: int = 256
    progress: Progress = silent
    checkpoint: Path | None = None
    key: str = ""
    scalars: Path | None = None
    teacher: Callable[[np.ndarray, int], Tensor] | None = None

    def __post_init__(self) -> None:
        self.epoch_steps = self.schedule.steps_an_epoch(len(self.clips))
        self.n_steps = self.schedule.n_steps(len(self.clips))
        self.optimizer = make_optimizer(self.module, self.schedule)
        self.state = State()
        self.best_weights: dict[str, Tensor] = {}
        self.averaged: AveragedModel | None = None
        if self.schedule.ema:
            self.averaged = AveragedModel(self.module, multi_avg_fn=get_ema_multi_avg_fn(self.schedule.ema))
        balanced = self.schedule.balance == "weights"
        self.weights = weights_of(self.clips.expected_counts()) if balanced else None
        if not self.n_steps:
            raise UserError(f"{len(self.clips)} training clips", todo="a network needs at least two")
        for name in ("loss", "mixup", "balance", "label_smoothing", "teacher_share"):
            if hasattr(self.module, "loss") and getattr(self.schedule, name) not in (0, "none", "categorical"):
                raise UserError(f"{name} is {getattr(self.schedule, name)}", todo="this network has a loss of its own")
        self.goal = ranks.spread(Goal(self.module, self.schedule, self.weights), self.clips.device)
        self._writer: Scalars | None = None
        self._sums = torch.zeros(2, dtype=torch.float64, device=self.clips.device)  # loss and hits, not waited for
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def run(self) -> Trained:
        """Train to the end of the schedule, from where the checkpoint stands.

        Raises
        ------
        FloatingPointError : the loss is no longer finite.
        """
        self._resume()
        if self.scalars is not None and ranks.number() == 0:
            self._writer = Scalars(self.scalars, self.state.step)
        begun = kept = time.monotonic()
        before = self.state.seconds
        every = self.schedule.validate_every or self.epoch_steps
        self.module.train()
        with seeded(self.seed, self.clips.device):
            while not self._finished():
                self._step()
                self._tell_time(begun - before)
                due = self.state.step % every == 0 or self._share() >= 1
                if due:
                    self._validate()
                    self._tell_time(begun - before)
                alone = ranks.size() == 1  # several ranks keep step by steps, for their clocks differ
                if due or (alone and time.monotonic() - kept > CHECKPOINT_SECONDS):
                    self._keep()
                    kept = time.monotonic()
        self.module.load_state_dict(self.best_weights)
        if self._writer is not None:
            self._writer.close()
        return Trained(self.state.history, self.state.best, self._notes(), before)

    def _tell_time(self, start: float) -> None:
        """Seconds since the start; by rank 0's clock where a budget of time says when all ranks stop."""
        self.state.seconds = time.monotonic() - start
        if self.schedule.max_minutes:
            self.state.seconds = ranks.agreed(self.state.seconds)

    def _share(self) -> float:
        """How much of the training is done, 0 to 1: of its steps, or of its time where that runs out first."""
        minutes = self.schedule.max_minutes
        return max(self.state.step / self.n_steps, self.state.seconds / (60 * minutes) if minutes else 0.0)

    def _finished(self) -> bool:
        state, patience = self.state, self.schedule.patience
        if not state.history or state.history[-1]["step"] < state.step:
            return False
        return self._share() >= 1 or 0 < patience <= len(state.history) - 1 - state.best

    def _step(self) -> None:
        """Learn from the next batch."""
        epoch, place = divmod(self.state.step, self.epoch_steps)
        size = self.schedule.batch_size
        batch = self._epoch_order(epoch)[place * size : (place + 1) * size]
        index, share = ranks.part_of(batch)
        inputs, targets = self.clips.take(index, epoch)
        rank = [ranks.number()] if ranks.number() else []
        torch.manual_seed(derive_seed(self.seed, "step", self.state.step, *rank))  # what dropout drops
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(self._share())
        taught = self.teacher(index, epoch) if self.teacher is not None else None
        loss, logits = step(self.goal, self.optimizer, inputs, targets, self.schedule.clip_norm, share, taught)
        if self.averaged is not None:
            self.averaged.update_parameters(self.module)
        self._sums += torch.stack([loss.double() * len(index), (logits.argmax(1) == targets).sum().double()])
        self.state.seen += len(batch) if len(index) < len(batch) else ranks.size() * len(batch)
        self.state.step += 1
        if place % max(round(REPORT_EVERY * self.epoch_steps), 1) == 0 or self.state.step == self.n_steps:
            self.progress("training", self._share(), 1.0, self._detail(epoch, place + 1))

    def _epoch_order(self, epoch: int) -> np.ndarray:
        """The clips of an epoch in the order they are learned from."""
        n = len(self.clips)
        if self._order[0] != epoch:
            rng = np.random.default_rng(derive_seed(self.seed, "order", epoch))
            drawn = self.schedule.balance in ("sampling", "sampling_labels")
            self._order = epoch, self._drawn(rng) if drawn else rng.permutation(n)
        return self._order[1]

    def _drawn(self, rng: np.random.Generator) -> np.ndarray:
        """As many clips as there are, all kinds alike; none twice before each of its kind was there once."""
        kinds = self.clips.targets.cpu().numpy()
        if self.schedule.balance == "sampling_labels":
            labels = [label_of(target) for target in self.clips.clips.labels]
            kinds = np.array([labels.index(label) for label in labels])[kinds]
        places = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
        each = -(-len(kinds) // len(places))
        rounds = [[rng.permutation(own) for _ in range(-(-each // len(own)))] for own in places]
        return rng.permutation(np.concatenate([np.concatenate(own)[:each] for own in rounds]))[: len(kinds)]

    def _validate(self) -> None:
        """Score the validation clips, add a row to the history, keep the weights where they are the best yet."""
        self._gather()
        state = self.state
        if not math.isfinite(state.loss):
            raise FloatingPointError(f"the training loss is not finite at step {state.step}; try a lower learning_rate")
        begun = time.monotonic()
        judged = self.module
        if self.averaged is not None:
            judged = self.averaged.module
            torch.manual_seed(derive_seed(self.seed, "settle", self.state.step))  # what dropout drops, on all ranks
            settle(judged, self._some_batches())
        logits = score(judged, self.validation, self.score_batch)
        targets = self.validation.targets
        row: dict[str, float] = {
            "step": float(state.step),
            "epoch": state.step / self.epoch_steps,
            "train_loss": state.loss / state.seen,
            "train_accuracy": state.hits / state.seen,
            "validation_loss": objective(logits, targets, self.schedule.loss).item(),
            "validation_accuracy": (logits.argmax(1) == targets).double().mean().item(),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "elapsed_s": state.seconds + time.monotonic() - begun,
        }
        row = ranks.agreed(row)
        state.history.append(row)
        if self._writer is not None:
            self._writer.write(row)
        state.loss, state.hits, state.seen = 0.0, 0, 0
        if state.best < 0 or _worth(row) > _worth(state.history[state.best]):
            state.best = len(state.history) - 1
            self.best_weights = {name: tensor.clone() for name, tensor in judged.state_dict().items()}

    def _some_batches(self) -> Iterator[Tensor]:
        """Inputs of the first batches of the epoch, the same on all ranks."""
        epoch = (self.state.step - 1) // self.epoch_steps
        order, size = self._epoch_order(epoch), self.schedule.batch_size
        for begin in range(0, min(SETTLING_CLIPS, len(order)), size):
            if len(batch := order[begin : begin + size]) > 1:  # one clip has no variance
                yield self.clips.take(batch, epoch)[0]

    def _gather(self) -> None:
        """Bring the sums of all ranks over from the device."""
        loss, hits = ranks.summed(self._sums).tolist()
        self.state.loss += loss
        self.state.hits += int(hits)
        self._sums.zero_()

    def _keep(self) -> None:
        if self.checkpoint is None:
            return
        self._gather()
        if ranks.number():
            return
        best = {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        if self.averaged is not None:
            best |= {f"average.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        disk.write(self.checkpoint, self.key, disk.flatten(self.module, self.optimizer) | best, asdict(self.state))

    def _resume(self) -> None:
        found = disk.read(self.checkpoint, self.key) if self.checkpoint else None
        if found is None:
            return
        tensors, state = found
        self.state = State(**state)
        disk.restore(self.module, self.optimizer, tensors)
        self.best_weights = {name[5:]: tensor for name, tensor in tensors.items() if name.startswith("best.")}
        if self.averaged is not None:
            kept = {name[8:]: tensor for name, tensor in tensors.items() if name.startswith("average.")}
            self.averaged.load_state_dict(kept)

    def _detail(self, epoch: int, place: int) -> str:
        """How far the epoch is, what it still takes, and the last validation."""
        state = self.state
        n_epochs = -(-self.n_steps // self.epoch_steps)
        n_steps = min(self.epoch_steps, self.n_steps - epoch * self.epoch_steps)  # a budget may end within an epoch
        left = (n_steps - place) * state.seconds / state.step
        text = f"epoch {epoch + 1}/{n_epochs}: {place / n_steps:.0%}, {clock(left)} left"
        return f"{text}; validation {state.history[-1]['validation_accuracy']:.1%}" if state.history else text

    def _notes(self) -> list[str]:
        state, schedule = self.state, self.schedule
        notes = notes_on_precision(schedule.precision, self.clips.device)
        if state.step < self.n_steps:
            why = f"{schedule.max_minutes:g} minutes were up" if self._share() >= 1 else "validation no longer improved"
            notes.append(f"stopped after {state.step} of {self.n_steps} steps: {why}")
        if schedule.warmup and schedule.schedule == "one_cycle":
            notes.append(f"warmup {schedule.warmup:g} has no effect: a one-cycle schedule rises for 30 % of the steps")
        if schedule.max_steps and self.n_steps == schedule.max_steps:
            notes.append(f"a budget of {self.n_steps} steps, {self.n_steps / self.epoch_steps:.2g} epochs")
        if schedule.max_minutes:
            notes.append("trained under a time budget: a repetition on another machine gives other figures")
        return notes


def _worth(row: dict[str, float]) -> tuple[float, float]:
    """What checkpoints are compared by."""
    return row["validation_accuracy"], -row["validation_loss"]
