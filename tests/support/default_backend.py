"""The backend that "auto" means on this machine, without a GPU, for an ordinary network."""

from inr.native import load

AUTO = "torch" if load() is None else "native"
