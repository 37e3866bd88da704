"""A support vector machine on clips of one length (Cortes and Vapnik, Machine Learning 20, 1995), from scikit-learn.

Time is cut into equal stretches, each clip is one point: what a strong classifier does without any alignment.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from kwsbench.models import Cost, FitContext, FitLog, check_least
from kwsbench.models.calibration import fitted_scale
from kwsbench.models.gaussians import log_posteriors, log_prior
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from kwsbench.clips import Clips

BLOCK = 256  # clips whose kernel values are held at a time


class SVM:
    """scikit-learn's ``SVC`` on means of stretches of a clip.

    Parameters
    ----------
    segments : equal stretches of a clip, each with the mean of its frames.
    kernel : Gaussian, or none.
    C : what an error costs, against a wide margin.
    gamma : of the Gaussian kernel, over the number of dimensions, which are standardised.
    max_clips_per_word : a budget, since the fit grows with the square of the clips: so many drawn at random; 0: all.
    """

    frontend: ClassVar[Mapping[str, object]] = {
        "kind": "kaldi_mfcc",
        "energy": False,
        "deltas": 1,
        "normalise": "utterance",
        "fit": "none",
    }

    def __init__(
        self,
        *,
        segments: int = 8,
        kernel: Literal["rbf", "linear"] = "rbf",
        C: float = 10.0,
        gamma: float = 1.0,
        max_clips_per_word: int = 800,
    ) -> None:
        self.segments, self.C, self.gamma, self.max_clips_per_word = segments, C, gamma, max_clips_per_word
        self.kernel: Literal["rbf", "linear"] = kernel
        check_least(self, segments=1, C=1e-9, gamma=1e-9, max_clips_per_word=0)
        self.mean_ = self.deviation_ = self.vectors_ = self.counts_ = np.empty(0)
        self.dual_ = self.intercept_ = np.empty(0)
        self.scale_ = 1.0

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return {"segments": 4}

    def warm_up(self, train: "Clips", context: FitContext) -> None:
        """Import what ``fit`` needs."""
        import sklearn.svm  # noqa: F401

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Find the margins; validation clips say how sure they are."""
        from sklearn.svm import SVC

        log_prior(train.labels, train.targets, "uniform", train.lengths)  # says which word has no clip
        chosen = []
        for word, label in enumerate(train.labels):
            own = np.flatnonzero((train.targets == word) & (train.lengths > 0))
            if 0 < self.max_clips_per_word < len(own):
                rng = np.random.default_rng(derive_seed(context.seed, "clips", label))
                own = rng.choice(own, self.max_clips_per_word, replace=False)
            chosen.append(own)
        part = train.take(np.sort(np.concatenate(chosen)))
        points = self._points(part)
        self.mean_, self.deviation_ = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-6)
        machine = SVC(C=self.C, kernel=self.kernel, gamma=self.gamma / points.shape[1], cache_size=1000)
        machine.fit((points - self.mean_) / self.deviation_, part.targets)
        self.vectors_, self.counts_ = machine.support_vectors_, machine.n_support_.astype(np.int64)
        self.dual_, self.intercept_ = machine.dual_coef_, machine.intercept_
        if train.n_labels == 2:  # scikit-learn turns the sign of the only pair
            self.dual_, self.intercept_ = -self.dual_, -self.intercept_
        margins = self.margins(validation)
        self.scale_ = fitted_scale(margins, validation.targets)
        right = float((margins.argmax(axis=1) == validation.targets).mean())
        return FitLog(notes=[f"{len(self.vectors_):,} support vectors of {len(part):,} clips, {100 * right:.1f} %"])

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): log softmax of the margins, scaled to be right on the validation clips."""
        return log_posteriors(self.scale_ * self.margins(clips), np.zeros(len(self.counts_)))

    def margins(self, clips: "Clips") -> np.ndarray:
        """float64 (n, n_labels): votes of all pairs of words, and, below one vote, by how much they were won.

        The same as ``SVC.decision_function`` with "ovr".
        """
        points = (self._points(clips) - self.mean_) / self.deviation_
        labels, ends = len(self.counts_), np.cumsum(self.counts_)
        own = [slice(end - count, end) for end, count in zip(ends, self.counts_, strict=True)]
        votes, confidence = np.zeros((2, len(points), labels))
        for begin in range(0, len(points), BLOCK):
            rows = slice(begin, begin + BLOCK)
            kernel, pair = self._kernel(points[rows]), 0
            for a in range(labels):
                for b in range(a + 1, labels):
                    won = kernel[:, own[a]] @ self.dual_[b - 1, own[a]] + kernel[:, own[b]] @ self.dual_[a, own[b]]
                    won += self.intercept_[pair]
                    confidence[rows, a] += won
                    confidence[rows, b] -= won
                    votes[rows, a] += won > 0
                    votes[rows, b] += won <= 0
                    pair += 1
        return votes + confidence / (3 * (np.abs(confidence) + 1))

    def cost(self, clips: "Clips") -> Cost:
        """Support vectors, their weights; multiply-adds of the kernel and of all pairs."""
        return Cost(
            params=self.vectors_.size + self.dual_.size + self.intercept_.size,
            macs=self.vectors_.size + self.dual_.size,
        )

    def save(self, folder: Path) -> None:
        """Write ``vectors.npz``."""
        folder.mkdir(parents=True, exist_ok=True)
        names = ("mean", "deviation", "vectors", "counts", "dual", "intercept")
        arrays = {name: getattr(self, f"{name}_") for name in names}
        np.savez(folder / "vectors.npz", **arrays, scale=np.array(self.scale_))

    def load(self, folder: Path) -> None:
        """Read ``vectors.npz``."""
        with np.load(folder / "vectors.npz") as arrays:
            for name in ("mean", "deviation", "vectors", "counts", "dual", "intercept"):
                setattr(self, f"{name}_", arrays[name])
            self.scale_ = float(arrays["scale"])

    def _points(self, clips: "Clips") -> np.ndarray:
        """float64 (n, segments · dims): means of equal stretches; a stretch within one frame has that frame."""
        frames, lengths = clips.stacked()
        begins = np.cumsum(lengths) - lengths
        # the empty sum in front makes every stretch a difference of two sums
        sums = np.vstack([np.zeros((1, frames.shape[1])), np.cumsum(frames, axis=0, dtype=np.float64)])
        borders = lengths[:, None] * np.arange(self.segments + 1) // self.segments
        first = borders[:, :-1]
        last = np.minimum(np.maximum(borders[:, 1:], first + 1), lengths[:, None])
        first = np.minimum(first, np.maximum(last - 1, 0))
        count = np.maximum(last - first, 1)[:, :, None]
        points = (sums[begins[:, None] + last] - sums[begins[:, None] + first]) / count
        return points.reshape(len(lengths), -1)

    def _kernel(self, points: np.ndarray) -> np.ndarray:
        """float64 (n, support vectors)."""
        found = points @ self.vectors_.T
        if self.kernel == "linear":
            return found
        squares = np.square(points).sum(axis=1)[:, None] + np.square(self.vectors_).sum(axis=1) - 2 * found
        return np.exp(-self.gamma / points.shape[1] * np.maximum(squares, 0))
