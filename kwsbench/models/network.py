"""What every network shares: the one adapter from an ``nn.Module`` and a schedule to the ``Model`` protocol.

A network is a subclass with its own settings, ``input``, ``build``, and in ``training`` what its schedule has that
``Schedule`` and ``Augmentation`` have not by default:

    class MyNet(Network):
        input = "features"                       # or "waveform"
        training = {"epochs": 30, "batch_size": 100}
        width: int

        def __init__(self, *, width: int = 8, **training: Any) -> None:
            self.keep(locals())

        def build(self, n_labels, shape):        # shape: (frames, dims), or (samples,)
            from torch import nn
            ...                                  # (n, *shape) float32 → (n, n_labels) logits

The constructor's signature, which the recipe's schema is read off, is completed by all settings of training; a name
that is none of them is a ``TypeError``. A module whose loss is not one of logits against targets has
``loss(inputs, targets)`` → (scalar, logits). ``self.labels_`` holds the labels' names where ``build`` wants them.
"""

import inspect
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from kwsbench.errors import UserError
from kwsbench.models import Cost, FitContext, FitLog
from kwsbench.neural.augment import Augmentation
from kwsbench.neural.schedule import Schedule
from kwsbench.seeds import derive_seed, fingerprint

if TYPE_CHECKING:
    from torch import nn

    from kwsbench.clips import Clips
    from kwsbench.neural.batches import Batches
    from kwsbench.neural.teaching import Teaching

SHARED = {field.name: field for kind in (Schedule, Augmentation) for field in fields(kind)}


class Network:
    """A recogniser trained by gradient descent; see ``Schedule`` and ``Augmentation`` for the settings all share."""

    frontend: ClassVar[Mapping[str, object]] = {}
    input: ClassVar[Literal["waveform", "features"]] = "features"
    training: ClassVar[Mapping[str, object]] = {}
    """Defaults of the shared settings that are this network's own."""
    batch_size: int
    precision: Literal["float32", "bfloat16"]
    score_batch: ClassVar[int] = 256
    """Clips scored at once; networks with large activations set fewer."""

    def __init_subclass__(cls) -> None:
        """Complete the constructor's signature by the settings that all networks share."""
        strange = set(cls.training) - set(SHARED)
        if strange:
            raise TypeError(f"{cls.__name__}.training has {', '.join(sorted(strange))}, which no training knows")
        written = list(inspect.signature(cls.__init__, eval_str=True).parameters.values())[1:]
        own = [p for p in written if p.kind is not inspect.Parameter.VAR_KEYWORD]
        shared = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=cls.training.get(name, field.default),
                annotation=field.type,
            )
            for name, field in SHARED.items()
            if name not in {p.name for p in own}
        ]
        cls.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]

    def __init__(self, **training: Any) -> None:
        self.keep(locals())

    def keep(self, settings: Mapping[str, Any]) -> None:
        """Store a constructor's arguments under their own names: ``self.keep(locals())`` is its whole body.

        Raises
        ------
        TypeError : no such setting. UserError : a value that no schedule or augmentation can have.
        """
        known = inspect.signature(type(self)).parameters
        given = {name: value for name, value in settings.items() if name in known}
        given |= settings.get("training", {})
        strange = [name for name in given if name not in known]
        if strange:
            raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {strange[0]!r}")
        vars(self).update({name: given.get(name, parameter.default) for name, parameter in known.items()})
        self._shared(Schedule), self._shared(Augmentation)  # they refuse values that make no sense
        self.module_: nn.Module | None = None
        self.labels_: tuple[str, ...] = ()
        self.n_labels_ = 0
        self.shape_: tuple[int, ...] = ()
        self.device_ = "cpu"
        self.threads_ = 0

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return {"epochs": 2, "batch_size": 16, "shift_ms": 0.0, "noise_share": 0.0, "gain_db": 0.0}

    def build(self, n_labels: int, shape: tuple[int, ...]) -> "nn.Module":
        """An untrained module: (n, *shape) float32 → (n, n_labels) logits; starts drawn from torch's generator."""
        raise NotImplementedError(f"{type(self).__name__} builds no module")

    @property
    def settings(self) -> dict[str, object]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def _begin(self, clips: "Clips", context: FitContext) -> None:
        """A fresh module on the context's device, its start drawn from the context's seed."""
        from kwsbench.neural.device import keep_freed_memory, seeded

        keep_freed_memory()
        self.device_, self.threads_ = context.device, context.threads
        self.labels_, self.n_labels_, self.shape_ = tuple(clips.labels), clips.n_labels, self._shape(clips)
        with seeded(derive_seed(context.seed, "start"), self.device_):
            self.module_ = self.build(self.n_labels_, self.shape_).to(self.device_)

    def _shape(self, clips: "Clips") -> tuple[int, ...]:
        frontend = clips.frontend
        return (frontend.n_samples,) if self.input == "waveform" else (frontend.n_frames, frontend.n_dims)

    def _shared(self, kind: type) -> Any:
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})

    def _batches(self, clips: "Clips", augmentation: Augmentation | None = None, seed: int = 0) -> "Batches":
        from kwsbench.neural.batches import Batches

        return Batches(clips, self.input, self.device_, augmentation=augmentation, seed=seed)

    def warm_up(self, clips: "Clips", context: FitContext) -> None:
        """One step and one scoring on copies, so that what a device does only once is outside the clock."""
        from kwsbench.neural.device import threads
        from kwsbench.neural.train import Training

        with threads(context.threads):
            self._begin(clips, context)
            one_step = replace(self._shared(Schedule), max_steps=1)
            few = clips.take(np.arange(min(len(clips), self.batch_size)))
            Training(
                self.fitted(), self._batches(few, self._shared(Augmentation)), self._batches(few), one_step, seed=0
            ).run()
        self.module_ = None

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Train by the schedule; what is kept are the weights that were best on ``validation``.

        With ``context.folder`` the training goes on where a killed one of the same settings and clips stopped, and
        ends as if it had never been killed. With ``context.teacher`` it learns from that network's posteriors too.
        """
        from kwsbench.neural.device import threads
        from kwsbench.neural.train import Training

        with threads(context.threads):
            self._begin(train, context)
            schedule = self._shared(Schedule)
            teacher = self._teaching(train, context)
            judges = validation
            if 0 < schedule.validation_clips < len(validation):
                rng = np.random.default_rng(derive_seed(context.seed, "validation"))
                chosen = rng.choice(len(validation), schedule.validation_clips, replace=False)
                judges = validation.take(np.sort(chosen))
            sides = train.fingerprint, judges.fingerprint
            taught = [context.teacher.fingerprint] if context.teacher else []
            key = fingerprint(type(self).__name__, self.settings, sides, context.seed, context.device, *taught)
            trained = Training(
                self.fitted(),
                self._batches(train, self._shared(Augmentation), context.seed),
                self._batches(judges),
                schedule,
                seed=context.seed,
                score_batch=self.score_batch,
                progress=context.progress,
                checkpoint=context.folder / "checkpoint.safetensors" if context.folder else None,
                key=key,
                scalars=context.scalars,
                teacher=teacher,
            ).run()
            notes = [*trained.notes, *([self._calibrate(validation)] if schedule.calibrate else [])]
        return FitLog(trained.history, trained.best, notes, trained.earlier_s)

    def _calibrate(self, validation: "Clips") -> str:
        """Make posteriors right on validation clips, and say what that changed; all targets of a label move alike."""
        import torch

        from kwsbench.labels import UNKNOWN, label_of
        from kwsbench.models.calibration import fit_scale_and_priors
        from kwsbench.neural.calibrated import Calibrated

        owners = [label_of(target) for target in self.labels_]
        labels = list(dict.fromkeys(owners))
        label = np.array([labels.index(owner) for owner in owners])
        found = self.scores(validation).astype(np.float64)
        best = np.stack([found[:, label == i].max(axis=1) for i in range(len(labels))], axis=1)
        even = np.full(len(labels), -np.log(len(labels)))
        scale, priors = fit_scale_and_priors(best, label[validation.targets], even)
        made = Calibrated(self.fitted(), len(owners)).to(self.device_)
        made.scale.fill_(scale)
        made.offsets.copy_(torch.from_numpy((priors - even)[label]))
        self.module_ = made
        told = f"a scale of {scale:.3g} for log posteriors, and priors, from the validation clips"
        if UNKNOWN not in labels or len(labels) < 2:
            return told
        place = labels.index(UNKNOWN)
        return f"{told}: unknown counts {np.exp(priors[place] - np.delete(priors, place).mean()):.2g} times the others"

    def _teaching(self, train: "Clips", context: FitContext) -> "Teaching | None":
        """The context's teacher, ready to say what it hears in this fit's clips."""
        from kwsbench.neural.batches import Batches
        from kwsbench.neural.teaching import Teaching

        teacher, schedule, varied = context.teacher, self._shared(Schedule), self._shared(Augmentation)
        if teacher is None:
            if schedule.teacher_share:
                todo = "give the entry a teacher, or leave it out"
                raise UserError(f"teacher_share is {schedule.teacher_share}, and there is no teacher", todo=todo)
            return None
        if not isinstance(teacher.model, Network):
            raise UserError(f"{teacher.name} teaches nobody", todo="a teacher has to be a network")
        if schedule.mixup:
            raise UserError(f"mixup is {schedule.mixup}", todo="a teacher hears clips one by one: make it 0")
        own, others = train.frontend, teacher.clips.frontend
        if (own.rate, own.n_samples) != (others.rate, others.n_samples):
            heard = f"{others.n_samples} samples at {others.rate} Hz, and not {own.n_samples} at {own.rate}"
            what = f"{teacher.name}, the teacher, hears {heard}"
            raise UserError(what, todo="give both the same frontend.rate and frontend.seconds")
        if tuple(teacher.clips.labels) != tuple(train.labels):
            raise UserError(f"{teacher.name} was fitted on other labels", todo="fit it on those of this entry")
        module = teacher.model.fitted().to(context.device)
        unmasked = replace(varied, time_masks=0, band_masks=0)
        batches = Batches(teacher.clips, teacher.model.input, context.device, unmasked, context.seed)
        return Teaching(module, batches, teacher.model.precision)

    def fitted(self) -> "nn.Module":
        """The module, once there is one."""
        if self.module_ is None:
            raise UserError(f"{type(self).__name__} has learned nothing yet", todo="call fit or load first")
        return self.module_

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): log posteriors."""
        from kwsbench.neural.device import threads
        from kwsbench.neural.step import score

        with threads(self.threads_):
            return score(self.fitted(), self._batches(clips), self.score_batch).cpu().numpy()

    def int8_scores(self, validation: "Clips", clips: "Clips") -> tuple[np.ndarray, int]:
        """Log posteriors float32 (n, n_labels) in eight bits, ranges from validation clips, and its size in bytes."""
        from kwsbench.neural.device import threads
        from kwsbench.neural.int8 import int8_scores

        with threads(self.threads_):
            sides = self._batches(validation), self._batches(clips)
            found, size = int8_scores(self.fitted(), *sides, self.score_batch)
            return found.cpu().numpy(), size

    def cost(self, clips: "Clips") -> Cost:
        """Trainable parameters, multiply-adds of the module for one clip (its frontend's are not among them), bytes."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        if self.module_ is None:
            self.labels_ = tuple(clips.labels)
        module = self.fitted() if self.module_ is not None else self.build(clips.n_labels, self._shape(clips))
        device = next(module.parameters()).device
        module.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(torch.zeros(1, *self._shape(clips), device=device))
        params = sum(p.numel() for p in module.parameters() if p.requires_grad)
        size = sum(tensor.nbytes for tensor in module.state_dict().values())
        return Cost(params, counter.get_total_flops() // 2, size)  # torch counts a multiply-add as two

    def save(self, folder: Path) -> None:
        """Write ``weights.safetensors`` and ``settings.json``."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        state = self.fitted().state_dict()
        save_file({name: tensor.cpu().contiguous() for name, tensor in state.items()}, folder / "weights.safetensors")
        about = {"settings": self.settings, "labels": self.labels_, "shape": self.shape_}
        (folder / "settings.json").write_text(json.dumps(about, indent=2) + "\n")

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote, settings included, onto the CPU."""
        from safetensors.torch import load_file

        from kwsbench.neural.calibrated import Calibrated

        about = json.loads((folder / "settings.json").read_text())
        settings = {key: tuple(value) if isinstance(value, list) else value for key, value in about["settings"].items()}
        self.__init__(**settings)  # type: ignore[misc]  # the saved model's settings replace this one's
        self.labels_, self.shape_ = tuple(about["labels"]), tuple(about["shape"])
        self.n_labels_ = len(self.labels_)
        self.module_ = self.build(self.n_labels_, self.shape_)
        if self._shared(Schedule).calibrate:
            self.module_ = Calibrated(self.module_, self.n_labels_)
        self.module_.load_state_dict(load_file(folder / "weights.safetensors"))
