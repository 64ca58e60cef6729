"""The vocabulary of layers: every model is a graph of these, and backends lower these and nothing else."""

from inr.layers.activations import Finer, GatedTanh, Gaussian, LeakyReLU, ReLU, Sine, Tanh
from inr.layers.base import Activation, Layer, normal_, uniform_
from inr.layers.complex import ComplexGabor, ComplexLinear, RealGabor, RealPart, complex_default_
from inr.layers.contraction import CpContraction, TtContraction, TuckerContraction
from inr.layers.denoising import Blend, Columns, Constant, CoordinateNoise, NoisyTarget
from inr.layers.features import Chebyshev, Fourier, SineFilter
from inr.layers.features_fourier import FourierSeries
from inr.layers.grids import DenseGrid, HashGrid
from inr.layers.linear import Linear, Matrix, fan_in_bound
from inr.layers.normalisation import LayerNorm
from inr.layers.products import Add, Axis, Concat, Contraction, Multiply

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
