"""The vocabulary of layers: every model is a graph of these, and backends lower these and nothing else."""

from inr.models.layers.activations import ReLU, Sine
from inr.models.layers.base import Activation, Layer, normal_, uniform_
from inr.models.layers.grids import HashGrid
from inr.models.layers.linear import Linear, Matrix, fan_in_bound
from inr.models.layers.products import Add, Axis, Concat, Contraction, Multiply

__all__ = [
    "Activation",
    "Add",
    "Axis",
    "Concat",
    "Contraction",
    "HashGrid",
    "Layer",
    "Linear",
    "Matrix",
    "Multiply",
    "ReLU",
    "Sine",
    "fan_in_bound",
    "normal_",
    "uniform_",
]
