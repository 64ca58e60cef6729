"""The vocabulary of layers: every model is a graph of these, and backends lower these and nothing else.

None of it needs torch, but to be evaluated by the reference.
"""

from inr.layers.add import Add
from inr.layers.axis import Axis
from inr.layers.base import LAYERS, Activation, Layer
from inr.layers.blend import Blend
from inr.layers.chebyshev import Chebyshev
from inr.layers.columns import Columns
from inr.layers.complex_linear import ComplexLinear
from inr.layers.concat import Concat
from inr.layers.constant import Constant
from inr.layers.contraction import Contraction
from inr.layers.coordinate_noise import CoordinateNoise
from inr.layers.cp import CpContraction
from inr.layers.dense_grid import DenseGrid
from inr.layers.finer import Finer
from inr.layers.fourier import Fourier
from inr.layers.fourier_series import FourierSeries
from inr.layers.gabor import ComplexGabor, RealGabor
from inr.layers.gated_tanh import GatedTanh
from inr.layers.gaussian import Gaussian
from inr.layers.hash_grid import HashGrid
from inr.layers.initial import Distribution, Fixed, Halves, Ladder, Normal, Uniform
from inr.layers.layer_norm import LayerNorm
from inr.layers.leaky_relu import LeakyReLU
from inr.layers.linear import Linear, Matrix, fan_in_bound
from inr.layers.multiply import Multiply
from inr.layers.noisy_target import NoisyTarget
from inr.layers.real_part import RealPart
from inr.layers.relu import ReLU
from inr.layers.sine import Sine
from inr.layers.sine_filter import SineFilter
from inr.layers.tanh import Tanh
from inr.layers.tt import TtContraction
from inr.layers.tucker import TuckerContraction

__all__ = [
    "LAYERS",
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
    "Distribution",
    "Finer",
    "Fixed",
    "Fourier",
    "FourierSeries",
    "GatedTanh",
    "Gaussian",
    "Halves",
    "HashGrid",
    "Ladder",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Matrix",
    "Multiply",
    "NoisyTarget",
    "Normal",
    "ReLU",
    "RealGabor",
    "RealPart",
    "Sine",
    "SineFilter",
    "Tanh",
    "TtContraction",
    "TuckerContraction",
    "Uniform",
    "fan_in_bound",
]
