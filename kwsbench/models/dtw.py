"""The nearest template by dynamic time warping (Sakoe and Chiba, IEEE Trans. ASSP 26(1), 1978).

Recognition before hidden Markov models: what a few recorded examples of a word are worth without any statistics.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from kwsbench.models import Cost, FitContext, FitLog, check_least
from kwsbench.models.calibration import fitted_scale
from kwsbench.models.gaussians import frames_of, log_posteriors, log_prior
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from kwsbench.clips import Clips

BLOCK = 32  # templates that run in step: their distances to a clip of a second stay in the cache


class DTW:
    """Templates of each word, and how far a clip is from them along the best warp of time.

    Parameters
    ----------
    templates_per_word : training clips that are kept of each word, drawn at random; 0: all.
    neighbours : templates of a word, the nearest ones, whose mean distance counts.
    distance : of two frames.
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
        templates_per_word: int = 100,
        neighbours: int = 3,
        distance: Literal["euclidean", "squared"] = "euclidean",
    ) -> None:
        self.templates_per_word, self.neighbours = templates_per_word, neighbours
        self.distance: Literal["euclidean", "squared"] = distance
        check_least(self, templates_per_word=0, neighbours=1)
        self.frames_: np.ndarray = np.empty((0, 0))  # of all templates, one after the other
        self.lengths_ = self.words_ = np.empty(0, np.int64)
        self.n_labels_, self.scale_, self.threads_ = 0, 1.0, 1

    @classmethod
    def toy(cls) -> dict[str, object]:
        """Settings for a fit of a second."""
        return {"templates_per_word": 4, "neighbours": 1}

    def warm_up(self, train: "Clips", context: FitContext) -> None:
        """Import and compile what ``scores`` needs."""
        from kwsbench.models.warping import warped_sums

        warped_sums(np.zeros((2, 2, 1), np.float32), np.ones(1, np.int64), np.zeros(1, np.float32))

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Draw the templates; validation clips say how sure distances are."""
        frames, lengths = train.stacked()
        log_prior(train.labels, train.targets, "uniform", lengths)  # says which word has no clip
        chosen = []
        for word, label in enumerate(train.labels):
            own = np.flatnonzero((train.targets == word) & (lengths > 0))
            if 0 < self.templates_per_word < len(own):
                rng = np.random.default_rng(derive_seed(context.seed, "templates", label))
                own = rng.choice(own, self.templates_per_word, replace=False)
            chosen.append(own)
        kept = np.concatenate(chosen)
        kept = kept[np.argsort(lengths[kept], kind="stable")]  # templates of a block are about as long
        self.frames_ = frames_of(frames, lengths, kept).astype(np.float32)
        self.lengths_, self.words_ = lengths[kept].astype(np.int64), train.targets[kept]
        self.n_labels_, self.threads_ = train.n_labels, max(context.threads, 1)
        distances = self._distances(validation, context)
        self.scale_ = fitted_scale(-distances, validation.targets)
        right = float((distances.argmin(axis=1) == validation.targets).mean())
        return FitLog(notes=[f"{len(kept):,} templates, validation {100 * right:.1f} %"])

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): log softmax of minus distances, scaled to be right on the validation clips."""
        distances = self._distances(clips, FitContext(seed=0, threads=self.threads_))
        return log_posteriors(-self.scale_ * distances, np.zeros(self.n_labels_))

    def cost(self, clips: "Clips") -> Cost:
        """Numbers kept; multiply-adds of the frames' distances of a mean clip to all templates."""
        return Cost(params=self.frames_.size, macs=round(float(np.mean(clips.lengths)) * self.frames_.size))

    def save(self, folder: Path) -> None:
        """Write ``templates.npz``."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / "templates.npz",
            frames=self.frames_,
            lengths=self.lengths_,
            words=self.words_,
            n_labels=np.array(self.n_labels_),
            scale=np.array(self.scale_),
        )

    def load(self, folder: Path) -> None:
        """Read ``templates.npz``."""
        with np.load(folder / "templates.npz") as arrays:
            self.frames_, self.lengths_, self.words_ = arrays["frames"], arrays["lengths"], arrays["words"]
            self.n_labels_, self.scale_ = int(arrays["n_labels"]), float(arrays["scale"])

    def _distances(self, clips: "Clips", context: FitContext) -> np.ndarray:
        """float64 (n, n_labels): mean distance to each word's nearest templates; 0 for a clip of no frames."""
        from threadpoolctl import threadpool_limits

        frames, lengths = clips.stacked()
        ends = np.cumsum(lengths)
        blocks = self._blocks()
        result, own = np.zeros((len(lengths), self.n_labels_)), [self.words_ == w for w in range(self.n_labels_)]

        def work(i: int) -> None:
            if not lengths[i]:
                return
            found = self._to_templates(np.asarray(frames[ends[i] - lengths[i] : ends[i]], np.float32), blocks)
            for word, mine in enumerate(own):
                result[i, word] = np.sort(found[mine])[: self.neighbours].mean()

        with threadpool_limits(limits=1), ThreadPoolExecutor(context.threads) as pool:
            for done, _ in enumerate(pool.map(work, range(len(lengths))), 1):
                if done % 64 == 0 or done == len(lengths):
                    context.progress("distances to templates", done, len(lengths))
        return result

    def _blocks(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Templates that run in step: frames (dims, time · templates), their squared norms, lengths (templates,)."""
        begins, blocks = np.cumsum(self.lengths_) - self.lengths_, []
        for first in range(0, len(self.lengths_), BLOCK):
            lengths = self.lengths_[first : first + BLOCK]
            padded = np.zeros((lengths.max(), len(lengths), self.frames_.shape[1]), np.float32)
            for k, length in enumerate(lengths):
                begin = begins[first + k]
                padded[:length, k] = self.frames_[begin : begin + length]
            flat = padded.reshape(-1, padded.shape[2])
            blocks.append((np.ascontiguousarray(flat.T), np.square(flat).sum(axis=1), lengths))
        return blocks

    def _to_templates(self, clip: np.ndarray, blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
        """float32 (templates,): distance of a clip (frames, dims) to each, over the sum of both lengths."""
        from kwsbench.models.warping import warped_sums

        norms, found = np.square(clip).sum(axis=1)[:, None], []
        for columns, squares, lengths in blocks:
            local = clip @ columns
            local *= -2
            local += norms
            local += squares
            np.maximum(local, 0, out=local)
            if self.distance == "euclidean":
                np.sqrt(local, out=local)
            sums = np.empty(len(lengths), np.float32)
            warped_sums(local.reshape(len(clip), -1, len(lengths)), lengths, sums)
            found.append(sums / (len(clip) + lengths))
        return np.concatenate(found)
