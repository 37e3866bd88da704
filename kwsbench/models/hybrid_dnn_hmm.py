"""Hidden Markov models of words whose states are told by a neural network (Dahl et al., 2012; Hinton et al., 2012).

What Kaldi does after its GMM-HMMs: these say which state each training frame is of; a network learns that from frames
and their neighbours; its posteriors over the states' shares of the frames stand for the Gaussian mixtures, whose words'
chains are kept (Bourlard and Morgan, Connectionist speech recognition, 1994). See ``networks/frames_dnn.py``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from kwsbench.errors import UserError
from kwsbench.models import Cost, FitContext, FitLog, check_least, settings_of
from kwsbench.models.calibration import fitted_scale
from kwsbench.models.gaussians import clip_blocks, log_posteriors, log_prior
from kwsbench.models.gmm_hmm import WordHMM
from kwsbench.models.variants import varied
from kwsbench.neural.schedule import Schedule
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from kwsbench.clips import Clips
    from kwsbench.hmm import GMMHMM
    from kwsbench.networks.frames_dnn import FramesDNN

BLOCK_FRAMES = 16384  # scored at once


class HybridDnnHmm:
    """A neural network for the states, hidden Markov models for the words.

    Parameters
    ----------
    states, mixtures, silence_states, unknown_mixtures, edge_states, n_iter : of the GMM-HMMs that align the training
        clips, as for ``gmm_hmm``.
    speeds, warps, snrs_db : variants of all training clips to train on too, as for ``gmm_hmm``.
    prior_scale : power of the states' shares that posteriors are divided by. 1 is Bayes' rule; less is better where a
        few states, those of silence, have most of the frames.
    splice : frames either side that the network sees.
    layers, width, dropout : of its hidden layers.
    every : an epoch learns from every so many frames, the next epoch from their neighbours: they say nearly the same.
    epochs, batch_size, learning_rate : of one_cycle and adamw, in frames. The epoch that is kept is the last of those
        with the most validation clips right. The papers': sgd with momentum on batches of 256.
    precision : of the network's activations and gradients in training, as for other networks; it scores in float32.
    """

    frontend: ClassVar[Mapping[str, object]] = WordHMM.frontend

    def __init__(
        self,
        *,
        states: int = 16,
        mixtures: int = 8,
        silence_states: int = 3,
        unknown_mixtures: int = 32,
        edge_states: int = 3,
        n_iter: int = 20,
        speeds: tuple[float, ...] = (),
        warps: tuple[float, ...] = (),
        snrs_db: tuple[float, ...] = (),
        prior_scale: float = 0.5,
        splice: int = 5,
        layers: int = 4,
        width: int = 512,
        dropout: float = 0.1,
        every: int = 3,
        epochs: int = 12,
        batch_size: int = 1024,
        learning_rate: float = 2e-3,
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.states, self.mixtures, self.silence_states = states, mixtures, silence_states
        self.unknown_mixtures, self.edge_states, self.n_iter = unknown_mixtures, edge_states, n_iter
        self.speeds, self.warps, self.snrs_db = speeds, warps, snrs_db
        self.prior_scale = prior_scale
        self.splice, self.layers, self.width, self.dropout = splice, layers, width, dropout
        self.every, self.epochs, self.batch_size, self.learning_rate = every, epochs, batch_size, learning_rate
        self.precision: Literal["float32", "bfloat16"] = precision
        check_least(self, prior_scale=0, splice=0, layers=0, width=1, dropout=0, every=1)
        if dropout >= 1:
            raise UserError(f"dropout is {dropout}", todo="it has to be below 1")
        self._aligner(), self._schedule()  # they refuse values that make no sense
        self.hmm_: GMMHMM | None = None
        self.module_: FramesDNN | None = None
        self.log_prior_ = self.log_shares_ = np.empty(0)
        self.scale_, self.device_, self.threads_ = 1.0, "cpu", 0

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        small = {name: value for name, value in WordHMM.toy().items() if name in settings_of(cls).parameters}
        return {**small, "splice": 1, "layers": 1, "width": 16, "every": 1, "epochs": 2, "batch_size": 64}

    def warm_up(self, train: "Clips", context: FitContext) -> None:
        """Import and compile what ``fit`` and ``scores`` need."""
        import torch

        from kwsbench.networks.frames_dnn import FramesDNN
        from kwsbench.neural.step import Goal, make_optimizer, step

        self._aligner().warm_up(train, context)
        small = FramesDNN(1, 2, 2, 1, 2, 0.0, np.zeros(2), np.ones(2)).to(context.device)
        frames, targets = torch.zeros(4, 1, 2, device=context.device), torch.zeros(4, dtype=torch.long)
        goal, optimizer = Goal(small, self._schedule()), make_optimizer(small, self._schedule())
        step(goal, optimizer, frames, targets.to(context.device))

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Fit GMM-HMMs, align, and train the network; validation clips say which epoch is kept, and how sure it is."""
        gmm = self._aligner()
        gmm.fit(train, validation, context)
        self.hmm_ = hmm = gmm.words_.hmm_  # type: ignore[union-attr]
        self.log_prior_ = log_prior(train.labels, train.targets, "train", train.lengths)
        X, y, lengths, _ = varied(train, self.speeds, self.warps, self.snrs_db, context.seed)
        states, _ = hmm.align(X, lengths, y)
        firsts = np.cumsum([0, *(chain.n_states for chain in hmm.chains_)])
        of_state = np.concatenate([chain.densities for chain in hmm.chains_])
        densities = of_state[firsts[np.repeat(y, lengths)] + states]
        counts = 1.0 + np.bincount(densities, minlength=of_state.max() + 1)
        self.log_shares_ = np.log(counts / counts.sum())
        log = self._learn(X, lengths, densities, validation, context)
        before = (gmm.scores(validation).argmax(1) == validation.targets).mean()
        log.notes.append(f"the GMM-HMMs that aligned had {before:.1%} of the validation clips right")
        self.scale_ = fitted_scale(self._joint(validation), validation.targets)
        return log

    def _learn(
        self, X: np.ndarray, lengths: np.ndarray, densities: np.ndarray, validation: "Clips", context: FitContext
    ) -> FitLog:
        """Train the network to say each frame's density."""
        import torch

        from kwsbench.networks.frames_dnn import Spliced
        from kwsbench.neural.device import notes_on_precision, seeded, threads
        from kwsbench.neural.step import Goal, make_optimizer, step

        device, schedule = context.device, self._schedule()
        self.device_, self.threads_ = device, context.threads
        history: list[dict[str, float]] = []
        best, kept = -1, {}
        with threads(context.threads), seeded(derive_seed(context.seed, "network"), device):
            self.module_ = module = self._network().to(device)
            goal, optimizer = Goal(module, schedule), make_optimizer(module, schedule)
            frames, targets = Spliced(X, lengths, self.splice, device), torch.from_numpy(densities).to(device)
            for epoch in range(self.epochs):
                rng = np.random.default_rng(derive_seed(context.seed, "order", epoch))
                order = torch.from_numpy(rng.permutation(np.arange(epoch % self.every, len(X), self.every)))
                n_steps = schedule.steps_an_epoch(len(order))
                sums = torch.zeros(2, dtype=torch.float64, device=device)
                for i, index in enumerate(order.to(device).split(self.batch_size)[:n_steps]):
                    for group in optimizer.param_groups:
                        group["lr"] = schedule.rate((epoch + i / n_steps) / self.epochs)
                    loss, logits = step(goal, optimizer, frames.take(index), targets[index])
                    right = (logits.argmax(1) == targets[index]).sum()
                    sums += torch.stack([loss.double() * len(index), right.double()])
                    context.progress("network", epoch + (i + 1) / n_steps, self.epochs)
                accuracy = float((self._joint(validation).argmax(1) == validation.targets).mean())
                of_frames = dict(zip(("train_loss", "train_accuracy"), (sums / len(order)).tolist(), strict=True))
                history.append({"epoch": float(epoch + 1), **of_frames, "validation_accuracy": accuracy})
                if best < 0 or accuracy >= history[best]["validation_accuracy"]:
                    best = epoch
                    kept = {name: tensor.clone() for name, tensor in module.state_dict().items()}
                module.train()
            module.load_state_dict(kept)
        return FitLog(history, best, notes_on_precision(self.precision, device))

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): log posterior of each word, scaled to be right on the validation clips."""
        return log_posteriors(self.scale_ * self._joint(clips), np.zeros(len(self.log_prior_)))

    def _joint(self, clips: "Clips") -> np.ndarray:
        """float64 (n, n_labels): scaled log likelihoods and log priors of the words."""
        import torch

        from kwsbench.hmm.passes import score_given
        from kwsbench.networks.frames_dnn import Spliced
        from kwsbench.neural.device import threads

        hmm, module = self._fitted()
        X, lengths = clips.stacked()
        found = np.zeros((len(clips), len(hmm.chains_)))
        shares = (self.prior_scale * self.log_shares_).astype(np.float32)
        module.eval()
        with threads(self.threads_), torch.inference_mode():
            for some, rows in clip_blocks(lengths, BLOCK_FRAMES):
                frames = Spliced(X[rows], lengths[some], self.splice, self.device_)
                logits = module(frames.take(torch.arange(len(frames.frames), device=self.device_)))
                logs = logits.log_softmax(1).cpu().numpy() - shares
                found[some] = score_given(logs, lengths[some], hmm.chains_)
        return found + self.log_prior_

    def cost(self, clips: "Clips") -> Cost:
        """Weights of the network and of the chains; multiply-adds of both for a mean clip."""
        hmm, module = self._fitted()
        arcs = sum(chain.n_arcs for chain in hmm.chains_)
        products = sum(p.numel() for p in module.parameters() if p.ndim > 1)
        params = sum(p.numel() for p in module.parameters()) + len(self.log_shares_) + arcs
        return Cost(params=params, macs=round(float(np.mean(clips.lengths)) * (products + arcs)))

    def save(self, folder: Path) -> None:
        """Write ``hmm.npz``, ``shares.npz``, ``weights.safetensors`` and ``settings.json``."""
        from safetensors.torch import save_file

        hmm, module = self._fitted()
        folder.mkdir(parents=True, exist_ok=True)
        hmm.save(folder / "hmm.npz")
        np.savez(folder / "shares.npz", shares=self.log_shares_, prior=self.log_prior_, scale=np.array(self.scale_))
        weights = {name: tensor.cpu().contiguous() for name, tensor in module.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        settings = {name: getattr(self, name) for name in settings_of(type(self)).parameters}
        (folder / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote, settings included, onto the CPU."""
        from safetensors.torch import load_file

        from kwsbench.hmm import GMMHMM

        settings = json.loads((folder / "settings.json").read_text())
        self.__init__(**{name: tuple(x) if isinstance(x, list) else x for name, x in settings.items()})  # type: ignore[misc]
        self.hmm_ = GMMHMM.load(folder / "hmm.npz")
        with np.load(folder / "shares.npz") as arrays:
            self.log_shares_, self.log_prior_ = arrays["shares"], arrays["prior"]
            self.scale_ = float(arrays["scale"])
        self.module_ = self._network()
        self.module_.load_state_dict(load_file(folder / "weights.safetensors"))

    def _aligner(self) -> WordHMM:
        shared = set(settings_of(WordHMM).parameters) & set(settings_of(type(self)).parameters) - {"splice"}
        own: dict[str, Any] = {name: getattr(self, name) for name in shared}
        return WordHMM(**own)

    def _schedule(self) -> Schedule:
        names = ("epochs", "batch_size", "learning_rate", "precision")
        return Schedule(**{name: getattr(self, name) for name in names})

    def _network(self) -> "FramesDNN":
        from kwsbench.networks.frames_dnn import FramesDNN

        hmm: Any = self.hmm_
        sizes = 2 * self.splice + 1, hmm.n_features_in_, len(self.log_shares_), self.layers, self.width
        return FramesDNN(*sizes, self.dropout, hmm.mean_, hmm.scale_)

    def _fitted(self) -> "tuple[GMMHMM, FramesDNN]":
        if self.hmm_ is None or self.module_ is None:
            raise UserError("hybrid_dnn_hmm has learned nothing yet", todo="call fit or load first")
        return self.hmm_, self.module_
