"""The reference backend: eager PyTorch in float32. Importing this package imports torch."""

from inr.backends.torch.backend import TorchBackend, device_of
from inr.backends.torch.field import CHUNK, TorchField
from inr.backends.torch.module import FieldModule, TilesModule
from inr.backends.torch.network import TorchNetwork
from inr.backends.torch.optimisers import TorchOptimiser
from inr.backends.torch.trainer import TorchTrainer

__all__ = [
    "CHUNK",
    "FieldModule",
    "TilesModule",
    "TorchBackend",
    "TorchField",
    "TorchNetwork",
    "TorchOptimiser",
    "TorchTrainer",
    "device_of",
]
