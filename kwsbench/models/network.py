"""What every network shares: the one adapter from an ``nn.Module`` and a schedule to the ``Model`` protocol.

A network is a subclass with settings, ``input`` and ``build``:

    class MyNet(Network):
        input = "features"                       # or "waveform"
        width: int

        def __init__(self, *, width: int = 8, epochs: int = 10, ...) -> None:
            self.keep(locals())

        def build(self, n_labels, shape):        # shape: (frames, dims), or (samples,)
            from torch import nn
            ...                                  # (n, *shape) float32 → (n, n_labels) logits

Every name of ``SHARED`` that the constructor does not list has the value given there.
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

SHARED: dict[str, Any] = {field.name: field.default for kind in (Schedule, Augmentation) for field in fields(kind)}


class Network:
    """A recogniser trained by gradient descent; see ``Schedule`` and ``Augmentation`` for the settings all share."""

    frontend: ClassVar[Mapping[str, object]] = {}
    input: ClassVar[Literal["waveform", "features"]] = "features"
    batch_size: int
    score_batch: ClassVar[int] = 256
    """Clips scored at once; networks with large activations set fewer."""

    def keep(self, settings: Mapping[str, object]) -> None:
        """Store a constructor's arguments under their own names: ``self.keep(locals())`` is its whole body.

        Raises
        ------
        UserError : a value that no schedule or augmentation can have.
        """
        own = inspect.signature(type(self)).parameters
        vars(self).update({**SHARED, **{name: settings[name] for name in own}})
        self._shared(Schedule), self._shared(Augmentation)  # they refuse values that make no sense
        self.module_: nn.Module | None = None
        self.n_labels_ = 0
        self.shape_: tuple[int, ...] = ()
        self.device_ = "cpu"
        self.threads_ = 0

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
        self.n_labels_, self.shape_ = clips.n_labels, self._shape(clips)
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
        ends as if it had never been killed.
        """
        from kwsbench.neural.device import threads
        from kwsbench.neural.train import Training

        with threads(context.threads):
            self._begin(train, context)
            schedule = self._shared(Schedule)
            if 0 < schedule.validation_clips < len(validation):
                rng = np.random.default_rng(derive_seed(context.seed, "validation"))
                chosen = rng.choice(len(validation), schedule.validation_clips, replace=False)
                validation = validation.take(np.sort(chosen))
            sides = train.fingerprint, validation.fingerprint
            key = fingerprint(type(self).__name__, self.settings, sides, context.seed, context.device)
            trained = Training(
                self.fitted(),
                self._batches(train, self._shared(Augmentation), context.seed),
                self._batches(validation),
                schedule,
                seed=context.seed,
                score_batch=self.score_batch,
                progress=context.progress,
                checkpoint=context.folder / "checkpoint.safetensors" if context.folder else None,
                key=key,
            ).run()
        return FitLog(trained.history, trained.best, trained.notes, trained.earlier_s)

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

    def cost(self, clips: "Clips") -> Cost:
        """Trainable parameters, and multiply-adds of the module for one clip (its frontend's are not among them)."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        module = self.fitted() if self.module_ is not None else self.build(clips.n_labels, self._shape(clips))
        device = next(module.parameters()).device
        module.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(torch.zeros(1, *self._shape(clips), device=device))
        params = sum(p.numel() for p in module.parameters() if p.requires_grad)
        return Cost(params, counter.get_total_flops() // 2)  # torch counts a multiply-add as two

    def save(self, folder: Path) -> None:
        """Write ``weights.safetensors`` and ``settings.json``."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        state = self.fitted().state_dict()
        save_file({name: tensor.cpu().contiguous() for name, tensor in state.items()}, folder / "weights.safetensors")
        about = {"settings": self.settings, "n_labels": self.n_labels_, "shape": self.shape_}
        (folder / "settings.json").write_text(json.dumps(about, indent=2) + "\n")

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote, settings included, onto the CPU."""
        from safetensors.torch import load_file

        about = json.loads((folder / "settings.json").read_text())
        settings = {key: tuple(value) if isinstance(value, list) else value for key, value in about["settings"].items()}
        self.__init__(**settings)  # type: ignore[misc]  # the saved model's settings replace this one's
        self.n_labels_, self.shape_ = about["n_labels"], tuple(about["shape"])
        self.module_ = self.build(self.n_labels_, self.shape_)
        self.module_.load_state_dict(load_file(folder / "weights.safetensors"))
