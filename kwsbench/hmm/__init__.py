"""GMM-HMMs of whole words in the Kaldi way. Stands alone: imports nothing of the rest of kwsbench."""

from kwsbench.hmm.estimator import GMMHMM

__all__ = ["GMMHMM"]
