"""The vocabulary of layers: every model is a graph of these, and backends lower these and nothing else."""

from inr.models.layers.activations import Finer, GatedTanh, Gaussian, LeakyReLU, ReLU, Sine, Tanh
from inr.models.layers.base import Activation, Layer, normal_, uniform_
from inr.models.layers.complex import ComplexGabor, ComplexLinear, RealGabor, RealPart, complex_default_
from inr.models.layers.contraction import CpContraction, TtContraction, TuckerContraction
from inr.models.layers.denoising import Blend, Columns, Constant, CoordinateNoise, NoisyTarget
from inr.models.layers.features import Chebyshev, Fourier, SineFilter
from inr.models.layers.features_fourier import FourierSeries
from inr.models.layers.grids import DenseGrid, HashGrid
from inr.models.layers.linear import Linear, Matrix, fan_in_bound
from inr.models.layers.normalisation import LayerNorm
from inr.models.layers.products import Add, Axis, Concat, Contraction, Multiply

__all__ = [
    "Activation",
    "Add",
    "Axis",
    "Blend",
    "Chebyshev",
    "Columns",
    "ComplexGabor",
    "ComplexLinear",
    "Concat",
    "Constant",
    "Contraction",
    "CoordinateNoise",
    "CpContraction",
    "DenseGrid",
    "Finer",
    "Fourier",
    "FourierSeries",
    "GatedTanh",
    "Gaussian",
    "HashGrid",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Matrix",
    "Multiply",
    "NoisyTarget",
    "ReLU",
    "RealGabor",
    "RealPart",
    "Sine",
    "SineFilter",
    "Tanh",
    "TtContraction",
    "TuckerContraction",
    "complex_default_",
    "fan_in_bound",
    "normal_",
    "uniform_",
]
