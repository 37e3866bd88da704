"""A hidden Markov model with Gaussian mixtures for each word, in the Kaldi way (Rabiner, Proc. IEEE 77(2), 1989, VI).

A clip goes to the word of the highest likelihood times prior. The engine is ``kwsbench.hmm``; hmmlearn stands by as its
reference.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from kwsbench.errors import UserError
from kwsbench.models import Cost, FitContext, FitLog, check_least
from kwsbench.models.gaussians import log_posteriors, log_prior
from kwsbench.models.variants import best_warps, varied, warped
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from kwsbench.clips import Clips
    from kwsbench.hmm.adapted import AdaptedGMMHMM
    from kwsbench.models.reference_hmm import ReferenceHMM

VERSION = 2


class WordHMM:
    """A GMM-HMM per word, left to right, on frames such as MFCC + Δ + ΔΔ.

    Parameters
    ----------
    engine : "kwsbench", or "hmmlearn", the reference, which knows neither edge states, nor growth, nor transforms.
    states : states of a word's model; 0: one for every four frames of its median clip.
    mixtures : Gaussians of a state, on the average of its word.
    silence_states : states of a word whose training clips are all silence.
    unknown_mixtures : Gaussians of a state of the word ``unknown``, which has to cover many words.
    edge_states : states of a silence model, shared by all words, that may stand before and after each; 0: none.
    tied_states : densities that all words' states share, by clustering of those that sound alike; 0: each has its own.
    skips : whether a state may be jumped over.
    covariance : "diag", or "full" for few dimensions.
    training : "baum_welch": over all ways through the states; "viterbi": over the best.
    start : first alignment of hmmlearn's engine: equal parts of each clip, or k-means clusters in order of time.
    variance_floor : smallest variance of a Gaussian, as a share of the variance of all training frames.
    n_iter : iterations of EM, of every model that is fitted on the way.
    grow_iter : the first so many add Gaussians, by splitting.
    tol : stop once an iteration gains less than this log likelihood, in nats a frame.
    prior : share of the training clips, or the same for each word.
    calibrate : fit priors and a scale of log likelihoods on the validation clips, for the right words' posteriors.
    max_clips_per_word : a budget: train each word on so many clips drawn at random; 0: all.
    speeds, warps, snrs_db : variants of all training clips to train on too: so many times as fast; frequencies divided
        by so much; with noise at so many dB.
    vtln : warp of frequencies that makes what was heard likeliest, for all clips that are scored of a speaker together
        (transductive), or for each clip alone; in training likewise, under the right words.
    lda : dimensions that linear discriminant analysis makes of spliced static frames; 0: frames as they are.
    splice : frames either side that it sees.
    mllt_rounds : times that a maximum likelihood linear transform is estimated on top, and the model fitted again.
    fmllr_rounds : times that each speaker's own transform is estimated. In scoring this is done without labels from all
        clips of the speaker that are scored together: transductive. 0: no adaptation.
    mmi_iter : passes of boosted MMI at the end, at most; the validation clips say when to stop. 0: none.
    criterion : of those passes: "mmi", or "mce", minimum classification error.
    mmi_boost : nats that every wrong word is helped by. mmi_scale : of log likelihoods meanwhile. mmi_tau : frames that
        hold each Gaussian where maximum likelihood has it.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "kaldi_mfcc",
        "energy": False,
        "deltas": 2,
        "normalise": "utterance",
        "fit": "none",
    }

    def __init__(
        self,
        *,
        engine: Literal["kwsbench", "hmmlearn"] = "kwsbench",
        states: int = 16,
        mixtures: int = 8,
        silence_states: int = 3,
        unknown_mixtures: int = 32,
        edge_states: int = 3,
        tied_states: int = 0,
        skips: bool = False,
        covariance: Literal["diag", "full"] = "diag",
        training: Literal["baum_welch", "viterbi"] = "baum_welch",
        start: Literal["equal", "kmeans"] = "equal",
        variance_floor: float = 0.3,
        n_iter: int = 20,
        grow_iter: int = 12,
        tol: float = 0.0,
        prior: Literal["train", "uniform"] = "train",
        calibrate: bool = False,
        max_clips_per_word: int = 0,
        speeds: tuple[float, ...] = (),
        warps: tuple[float, ...] = (),
        snrs_db: tuple[float, ...] = (),
        vtln: Literal["none", "clip", "speaker"] = "none",
        lda: int = 0,
        splice: int = 4,
        mllt_rounds: int = 2,
        fmllr_rounds: int = 0,
        mmi_iter: int = 0,
        criterion: Literal["mmi", "mce"] = "mmi",
        mmi_boost: float = 1.0,
        mmi_scale: float = 0.05,
        mmi_tau: float = 100.0,
    ) -> None:
        self.engine, self.states, self.mixtures, self.silence_states = engine, states, mixtures, silence_states
        self.unknown_mixtures, self.edge_states, self.skips = unknown_mixtures, edge_states, skips
        self.tied_states = tied_states
        self.covariance, self.training, self.start, self.variance_floor = covariance, training, start, variance_floor
        self.n_iter, self.grow_iter, self.tol = n_iter, grow_iter, tol
        self.prior: Literal["train", "uniform"] = prior
        self.calibrate, self.max_clips_per_word = calibrate, max_clips_per_word
        self.speeds, self.warps, self.snrs_db, self.vtln = speeds, warps, snrs_db, vtln
        self.lda, self.splice, self.mllt_rounds, self.fmllr_rounds = lda, splice, mllt_rounds, fmllr_rounds
        check_least(self, states=0, mixtures=1, silence_states=1, unknown_mixtures=1, edge_states=0, variance_floor=0)
        check_least(self, tied_states=0, n_iter=1, grow_iter=0, tol=0, max_clips_per_word=0)
        self.criterion: Literal["mmi", "mce"] = criterion
        self.mmi_iter, self.mmi_boost, self.mmi_scale, self.mmi_tau = mmi_iter, mmi_boost, mmi_scale, mmi_tau
        check_least(self, mmi_iter=0, mmi_boost=0, mmi_scale=0, mmi_tau=0)
        check_least(self, lda=0, splice=0, mllt_rounds=0, fmllr_rounds=0)
        if engine == "hmmlearn":
            self._check_reference()
        elif start == "kmeans":
            raise UserError("start is kmeans", todo="only engine: hmmlearn knows it; leave it out")
        if covariance == "full" and ((lda and mllt_rounds) or fmllr_rounds or mmi_iter):
            raise UserError("covariance is full", todo="mllt_rounds, fmllr_rounds, mmi_iter are for diag: make them 0")
        if tied_states and (covariance == "full" or n_iter < 5):
            raise UserError(f"tied_states is {tied_states}", todo="it needs covariance: diag and n_iter of 5 or more")
        if vtln != "none" and (speeds or warps or snrs_db):
            raise UserError(f"vtln is {vtln}", todo="it goes without speeds, warps and snrs_db: leave them out")
        if mmi_iter and fmllr_rounds:
            raise UserError(f"mmi_iter is {mmi_iter}", todo="MMI goes without fmllr_rounds: make one of them 0")
        self.words_: AdaptedGMMHMM | ReferenceHMM | None = None
        self.log_prior_, self.scale_ = np.empty(0), 1.0

    def _check_reference(self) -> None:
        """hmmlearn's engine gets no setting that it would not heed."""
        ours = (
            "speeds",
            "warps",
            "snrs_db",
            "vtln",
            "tied_states",
            "covariance",
            "training",
            "lda",
            "fmllr_rounds",
            "mmi_iter",
            "criterion",
            "calibrate",
        )
        for name in ours:
            if getattr(self, name) != inspect.signature(WordHMM).parameters[name].default:
                raise UserError(
                    f"{name} is {getattr(self, name)}", todo="engine: hmmlearn does not know it; leave it out"
                )
        if self.states < 1:
            raise UserError("states is 0", todo="engine: hmmlearn needs a number of states")

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        small = {"states": 3, "mixtures": 2, "silence_states": 1, "unknown_mixtures": 2, "edge_states": 0}
        return {**small, "n_iter": 3, "grow_iter": 1}

    def warm_up(self, train: "Clips", context: FitContext) -> None:
        """Import and compile what ``fit`` and ``scores`` need."""
        if self.engine == "hmmlearn":
            self._reference().warm_up(train, context)
            return
        from kwsbench.hmm import GMMHMM

        rng = np.random.default_rng(0)
        frames, lengths = rng.standard_normal((24, 3)).astype(np.float32), np.full(4, 6)
        settings: Any = {"n_states": 2, "n_iter": 2, "training": self.training, "covariance": self.covariance}
        for device in dict.fromkeys(("cpu", context.device)):
            small = GMMHMM(n_mixtures=2, device=device, **settings)
            small.fit(frames, np.array([0, 0, 1, 1]), lengths).predict(frames, lengths)
        small.align(frames, lengths)

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Fit all words; validation clips are used by MMI alone, to know when to stop.

        On the context's device run Baum-Welch passes, and scores until the model is loaded anew; the rest on the CPU.

        The history holds, for each iteration of the last model that was fitted, the log likelihood a frame of each
        word under the estimates that the iteration started from.
        """
        if self.engine == "hmmlearn":
            self.words_ = reference = self._reference()
            return reference.fit(train, validation, context)
        self.log_prior_ = log_prior(train.labels, train.targets, self.prior, train.lengths)
        chosen = self._chosen(train, train.lengths, context.seed)
        part = train.take(chosen) if len(chosen) < len(train) else train
        self.words_ = words = self._words(train, context)
        times = 1 + (self.vtln != "none")

        def report(time: int) -> Callable[[float, int], None]:
            n = self.n_iter
            return lambda done, of: context.progress("fit", round((done + time * of) * n), times * of * n)

        frames, y, lengths, speakers = varied(part, self.speeds, self.warps, self.snrs_db, context.seed)
        words.fit(frames, y, lengths, speakers, report(0))
        if self.vtln != "none":
            frames, lengths = warped(part, self._warps(part, part.targets))
            words.fit(frames, y, lengths, speakers, report(1))
        log = self._log(train.labels, words)
        if self.mmi_iter:
            log.notes.append(self._discriminate(words, (frames, y, lengths), validation, context))
        if self.calibrate:
            from kwsbench.models.calibration import fit_scale_and_priors

            found = words.log_likelihood(*self._frames(validation), validation.speakers)
            self.scale_, self.log_prior_ = fit_scale_and_priors(found, validation.targets, self.log_prior_)
            log.notes.append(f"priors, and a scale of {self.scale_:.3g} for log likelihoods, from the validation clips")
        return log

    def _discriminate(
        self,
        words: "AdaptedGMMHMM",
        train: tuple[np.ndarray, np.ndarray, np.ndarray],
        validation: "Clips",
        context: FitContext,
    ) -> str:
        """Boosted MMI, or MCE, of the model that answers; says what it brought."""
        from kwsbench.hmm.discriminative import Discrimination, discriminate

        settings = Discrimination(
            self.criterion, self.mmi_iter, boost=self.mmi_boost, scale=self.mmi_scale, tau=self.mmi_tau
        )
        name = self.criterion.upper()
        X, lengths = self._frames(validation)
        sides = [(words.frames(X, n), y, n) for X, y, n in (train, (X, validation.targets, lengths))]
        report = lambda done, of: context.progress(f"boosted {name}", done, of)  # noqa: E731
        log = discriminate(words.hmm_, sides[0], sides[1], settings, report)
        first, kept = 100 * log.accuracy[0], 100 * log.accuracy[log.best]
        return f"{name}: pass {log.best} of {len(log.accuracy) - 1} kept, validation {first:.1f} → {kept:.1f} %"

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): log posterior of each word."""
        if self.engine == "hmmlearn":
            return self.words_.scores(clips)  # type: ignore[union-attr]
        found = self.words_.log_likelihood(*self._frames(clips), clips.speakers)  # type: ignore[union-attr]
        return log_posteriors(self.scale_ * found, self.log_prior_)

    def _frames(self, clips: "Clips") -> tuple[np.ndarray, np.ndarray]:
        """Frames and lengths as they are scored: with ``vtln``, through the warps that suit what is heard without."""
        if self.vtln == "none":
            return clips.stacked()
        words: Any = self.words_
        found = words.log_likelihood(*clips.stacked(), clips.speakers)
        return warped(clips, self._warps(clips, (self.scale_ * found + self.log_prior_).argmax(axis=1)))

    def _warps(self, clips: "Clips", heard: np.ndarray) -> np.ndarray:
        """float64 (n,): the warp of each clip, or of its speaker, given the words (n,)."""
        words: Any = self.words_
        path = lambda X, lengths: words.hmm_.align(words.frames(X, lengths), lengths, heard)[1]  # noqa: E731
        return best_warps(clips, path, together=self.vtln == "speaker")

    def cost(self, clips: "Clips") -> Cost:
        """Numbers learned; multiply-adds of transforms, densities and forward passes of a mean clip."""
        if self.engine == "hmmlearn":
            return self.words_.cost(clips)  # type: ignore[union-attr]
        words: Any = self.words_
        models = [words.hmm_] if not self.fmllr_rounds else [words.common_, *[words.hmm_] * self.fmllr_rounds]
        transform = 0 if words.transform_ is None else words.transform_.size
        own = models[-1].n_features_in_ ** 2 * self.fmllr_rounds
        each = sum(m.mixtures_.natural().size + sum(chain.n_arcs for chain in m.chains_) for m in models)
        params = transform + sum(m.n_params for m in ([words.hmm_] if not self.fmllr_rounds else models[:2]))
        return Cost(params=int(params), macs=round(float(np.mean(clips.lengths)) * (each + transform + own)))

    def save(self, folder: Path) -> None:
        """Write the words' models, and ``prior.npz``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.words_.save(folder)  # type: ignore[union-attr]
        np.savez(folder / "prior.npz", log_prior=self.log_prior_, scale=np.array(self.scale_))

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""
        self.words_ = self._reference() if self.engine == "hmmlearn" else self._words(None, FitContext(seed=0))
        self.words_.load(folder)
        with np.load(folder / "prior.npz") as arrays:
            self.log_prior_, self.scale_ = arrays["log_prior"], float(arrays["scale"])

    def _words(self, train: "Clips | None", context: FitContext) -> "AdaptedGMMHMM":
        """Our engine with this model's settings; sizes by word are those of the training clips."""
        from kwsbench.hmm import GMMHMM
        from kwsbench.hmm.adapted import AdaptedGMMHMM

        states: dict[object, Any] = {None: self.states or "auto"}
        mixtures: dict[object, float] = {None: float(self.mixtures)}
        for word, label in enumerate(train.labels if train is not None else ()):
            assert train is not None
            if np.all(train.is_silence[train.targets == word]):
                states[word] = self.silence_states
            if label == "unknown":
                mixtures[word] = float(self.unknown_mixtures)
        hmm = GMMHMM(
            n_states=states,
            n_mixtures=mixtures,
            silence_states=self.edge_states,
            tied_states=self.tied_states,
            skips=self.skips,
            covariance=self.covariance,
            training=self.training,
            n_iter=self.n_iter,
            grow_iter=min(self.grow_iter, self.n_iter - 1),
            tol=self.tol,
            variance_floor=self.variance_floor,
            n_jobs=max(context.threads, 1),
            device=context.device,
            random_state=derive_seed(context.seed, "hmm") % 2**32,
        )
        n_static = train.frontend.n_static if train is not None and self.lda else 0
        return AdaptedGMMHMM(
            hmm,
            n_static=n_static,
            splice=self.splice,
            n_dims=self.lda,
            mllt_rounds=self.mllt_rounds,
            fmllr_rounds=self.fmllr_rounds,
        )

    def _reference(self) -> "ReferenceHMM":
        from kwsbench.models.reference_hmm import ReferenceHMM

        names = set(inspect.signature(ReferenceHMM).parameters)
        return ReferenceHMM(**{name: getattr(self, name) for name in names})

    def _chosen(self, train: "Clips", lengths: np.ndarray, seed: int) -> np.ndarray:
        """Clips to train on: those with frames, of each word at most the budget, drawn at random."""
        chosen = []
        for word, label in enumerate(train.labels):
            own = np.flatnonzero((train.targets == word) & (lengths > 0))
            if 0 < self.max_clips_per_word < len(own):
                rng = np.random.default_rng(derive_seed(seed, "clips", label))
                own = rng.choice(own, self.max_clips_per_word, replace=False)
            chosen.append(own)
        return np.sort(np.concatenate(chosen))

    def _log(self, labels: Sequence[str], words: "AdaptedGMMHMM") -> FitLog:
        """The words' likelihoods by iteration, and what a reader of the table should know."""
        monitor = words.hmm_.monitor_
        rows = [
            {"iteration": float(i), **dict(zip(labels, map(float, values), strict=True))}
            for i, values in enumerate(monitor.likelihoods)
        ]
        adapted = ["adapted, without labels, to all clips that are scored of a speaker (transductive)"]
        notes = adapted if self.fmllr_rounds or self.vtln == "speaker" else []
        return FitLog(rows, best=len(rows) - 1, notes=notes)
