"""The vocabulary of layers: every model is a graph of these, and backends lower these and nothing else.

None of it needs torch, but to be evaluated by the reference. Each is loaded on first use, as decoding a file needs few.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Add": "add",
    "Axis": "axis",
    "LAYERS": "base",
    "Activation": "base",
    "Layer": "base",
    "Blend": "blend",
    "Chebyshev": "chebyshev",
    "Columns": "columns",
    "ComplexLinear": "complex_linear",
    "Concat": "concat",
    "Constant": "constant",
    "Contraction": "contraction",
    "CoordinateNoise": "coordinate_noise",
    "CpContraction": "cp",
    "DenseGrid": "dense_grid",
    "Finer": "finer",
    "Fourier": "fourier",
    "FourierSeries": "fourier_series",
    "ComplexGabor": "gabor",
    "RealGabor": "gabor",
    "GatedTanh": "gated_tanh",
    "Gaussian": "gaussian",
    "HashGrid": "hash_grid",
    "Distribution": "initial",
    "Fixed": "initial",
    "Halves": "initial",
    "Ladder": "initial",
    "Normal": "initial",
    "Uniform": "initial",
    "LayerNorm": "layer_norm",
    "LeakyReLU": "leaky_relu",
    "Linear": "linear",
    "Matrix": "linear",
    "fan_in_bound": "linear",
    "Multiply": "multiply",
    "NoisyTarget": "noisy_target",
    "RealPart": "real_part",
    "ReLU": "relu",
    "Sine": "sine",
    "SineFilter": "sine_filter",
    "Tanh": "tanh",
    "TtContraction": "tt",
    "TuckerContraction": "tucker",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inr.layers' has no attribute {name!r}")
    return getattr(importlib.import_module(f"inr.layers.{_HOMES[name]}"), name)
