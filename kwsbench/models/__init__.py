"""The recognisers: arrays in, scores out, one file a model, one registry, one small protocol.

A model never sees a path, a corpus name or a results folder: it is given the ``Clips`` of a side of a task. A new one
is a class with the methods of ``Model``, named in ``MODELS``, or kept anywhere and named ``package.module:Class``.
"""

import difflib
import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from kwsbench.errors import UserError
from kwsbench.neural import NOT_ASKED, SETTING_VERSIONS
from kwsbench.progress import Progress, silent
from kwsbench.seeds import fingerprint

if TYPE_CHECKING:
    from kwsbench.clips import Clips

MODELS: dict[str, str] = {
    "majority": "kwsbench.models.majority:Majority",
    "dtw": "kwsbench.models.dtw:DTW",
    "svm": "kwsbench.models.svm:SVM",
    "gmm": "kwsbench.models.gmm:GMM",
    "gmm_hmm": "kwsbench.models.gmm_hmm:WordHMM",
    "hybrid_dnn_hmm": "kwsbench.models.hybrid_dnn_hmm:HybridDnnHmm",
    "light_cnn": "kwsbench.models.light_cnn:LightCNN",
    "ctc_rnn": "kwsbench.models.ctc_rnn:CtcRnn",
    "las": "kwsbench.models.las:LAS",
    "wavception": "kwsbench.models.wavception:WavCeption",
    "ozerin_cnn": "kwsbench.models.ozerin_cnn:OzerinCNN",
    "vgg_deep": "kwsbench.models.vgg_deep:VGGDeep",
    "res8": "kwsbench.models.res:Res8",
    "res15": "kwsbench.models.res:Res15",
    "ds_cnn": "kwsbench.models.ds_cnn:DSCNN",
    "tc_resnet8": "kwsbench.models.tc_resnet:TCResNet8",
    "tc_resnet14": "kwsbench.models.tc_resnet:TCResNet14",
    "bc_resnet": "kwsbench.models.bc_resnet:BCResNet",
    "matchboxnet": "kwsbench.models.matchboxnet:MatchboxNet",
    "mhatt_rnn": "kwsbench.models.mhatt_rnn:MHAttRNN",
    "kwt": "kwsbench.models.kwt:KWT",
    "xception1d": "kwsbench.models.xception1d:Xception1d",
}


@dataclass(frozen=True)
class FitLog:
    """What happened while fitting.

    Attributes
    ----------
    history : one mapping an epoch or iteration, name → value.
    best : index into ``history`` of the state that was kept; -1 where there is no history.
    notes : sentences a reader of the table should know, e.g. "zero: stopped at 20 iterations, not converged".
    earlier_s : seconds that a fit spent in processes that were stopped, where it went on from their checkpoint.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: int = -1
    notes: list[str] = field(default_factory=list)
    earlier_s: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What a fitted model weighs.

    Attributes
    ----------
    params : learned numbers (trainable, for a network).
    macs : multiply-adds to score one clip.
    bytes : of what was learned; 0: of the files it is kept in.
    """

    params: int
    macs: int
    bytes: int = 0


@dataclass(frozen=True)
class FitContext:
    """What surrounds a fit and is no setting of the model.

    Attributes
    ----------
    seed : every random draw of the fit derives from it.
    device : "cpu" or "cuda".
    threads : how many CPU cores may be busy at once.
    progress : told how far the fit is.
    folder : where a fit may keep checkpoints to resume from; need not exist yet; None: keep none.
    scalars : folder for the course of the fit as TensorBoard reads it; None: it is not written.
    teacher : a fitted network whose posteriors are learned from too; None: there is none.
    """

    seed: int
    device: str = "cpu"
    threads: int = 1
    progress: Progress = silent
    folder: Path | None = None
    scalars: Path | None = None
    teacher: "Teacher | None" = None


@dataclass(frozen=True)
class Teacher:
    """A fitted network that another learns from.

    Attributes
    ----------
    model : it, fitted on the same targets.
    clips : the training side through its own frontend.
    name : what it is, for messages. fingerprint : names this very fit.
    """

    model: "Model"
    clips: "Clips"
    name: str
    fingerprint: str


class Model(Protocol):
    """A recogniser of words.

    The constructor takes settings by keyword only, each typed and with a default (int, float, str, bool, ``Literal``,
    tuple); it stores them untouched under their own names and does no work: the schema of recipes is read off it.

    Five more things may be there. ``input``: "waveform" spares a model that reads only waveforms the features;
    "features" otherwise. ``warm_up(train, context)``: imports and compilation, done outside the clock.
    ``toy() -> dict``, a class method: settings for a fit of a second, which the contract test uses.
    ``open_vocabulary``: True where a label can be answered that has no training clips.
    ``int8_scores(validation, clips) -> (scores, bytes)``: what it would answer in eight bits, and how large it would be
    then.
    """

    frontend: ClassVar[Mapping[str, object]]
    """Settings of ``Frontend`` that this model wants where a recipe names none."""

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Learn ``train.labels`` from ``train``; ``validation`` may choose when to stop, never be trained on."""

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): log posteriors or log likelihoods, higher is better, columns as ``train.labels``."""

    def cost(self, clips: "Clips") -> Cost:
        """Numbers learned, and multiply-adds for one clip of the size of ``clips``."""

    def save(self, folder: Path) -> None:
        """Write what was learned into ``folder`` (safetensors, npz or JSON; no pickle)."""

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote; scores are then those of the saved model."""


def model_class(name: str) -> type:
    """The class of a registered model, or of ``package.module:Class`` from outside.

    Raises
    ------
    UserError : no such model, module or class, or one that lacks a method of ``Model``.
    """
    if name not in MODELS and ":" not in name:
        near = difflib.get_close_matches(name, MODELS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(
            f"no model named {name!r}",
            todo=f"{hint}Known: {', '.join(sorted(MODELS))}; one of your own is named package.module:Class",
        )
    found = _imported(name, MODELS.get(name, name))
    methods = ("fit", "scores", "cost", "save", "load")
    lacking = [method for method in methods if not callable(getattr(found, method, None))]
    if not isinstance(found, type) or lacking:
        what = f"lacks {', '.join(lacking)}" if isinstance(found, type) else "is no class"
        raise UserError(f"model {name!r} {what}", todo=f"a model is a class with {', '.join(methods)}")
    return found


def versions_of(name: str, settings: Mapping[str, object]) -> dict[str, int | str]:
    """The version of a model, and of those of its settings that have one; raised where results change.

    A model from outside that names no version is known by the text of its file.
    """
    own = importlib.import_module(model_class(name).__module__)
    version = getattr(own, "VERSION", 1 if name in MODELS else None)
    found = {setting: number for setting, number in SETTING_VERSIONS.items() if settings.get(setting) not in NOT_ASKED}
    return found | {"model": fingerprint(Path(own.__file__ or "").read_text()) if version is None else version}


def settings_of(cls: type) -> inspect.Signature:
    """A model's settings, read off its constructor: names, types (resolved) and defaults; no ``self``.

    Raises
    ------
    UserError : a setting is not keyword-only, has no type, or has no default.
    """
    signature = inspect.signature(cls, eval_str=True)
    for parameter in signature.parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            problem = "is not keyword-only"
        elif parameter.annotation is parameter.empty:
            problem = "has no type"
        elif parameter.default is parameter.empty:
            problem = "has no default"
        else:
            continue
        raise UserError(
            f"setting {parameter.name!r} {problem}",
            where=f"{cls.__module__}:{cls.__qualname__}",
            todo="write the constructor as def __init__(self, *, name: type = default, ...)",
        )
    return signature


def check_least(model: object, **least: float) -> None:
    """What a constructor may ask of its settings: each is at least so much.

    Raises
    ------
    UserError : the first that is less.
    """
    for name, value in least.items():
        if getattr(model, name) < value:
            raise UserError(f"{name} is {getattr(model, name)}", todo=f"it has to be at least {value:g}")


def _imported(name: str, target: str) -> object:
    """The object at ``module:attribute``."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise UserError(f"model {name!r} names no class", todo="write package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        lacking = error.name or ""
        if module_name == lacking or module_name.startswith(f"{lacking}."):
            todo = "is its folder on PYTHONPATH?"
        else:
            todo = f"install the package {lacking}"
        raise UserError(f"cannot import model {name!r}: {error}", todo=todo) from error
    if not hasattr(module, attribute):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        near = difflib.get_close_matches(attribute, classes, n=1) or classes
        raise UserError(f"{module_name} has no {attribute!r}", todo=f"did you mean {', '.join(near)}?" if near else "")
    return getattr(module, attribute)
