"""The coder `weights`: a coordinate network is trained, and its weights are quantised and coded."""

from inr.coders.weights.coder import Weights

__all__ = ["Weights"]
