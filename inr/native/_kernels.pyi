"""Types of the compiled module."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Moments = tuple[Floats, Floats]
AdamSettings = tuple[float, tuple[float, float], float, float, Sequence[int], int]
"""Learning rate, betas, epsilon, weight decay, places of the tensors that decay, number of the step from 1 on."""

Limits = tuple[int, int | None]
"""Least and most of a number of things; None: there may be any number."""

class Operation:
    """An operation of a program, which reads the values with the numbers `inputs`.

    Value 0 is the input of the network, value i + 1 the output of operation i. `params` are places in the flat
    parameters; a negative one, where the kind allows it, stands for a tensor that is not there. What else a kind takes
    is told by `operation_kinds`, and checked when an engine is made of it. Raises `ValueError` for an unknown kind.
    """

    def __init__(
        self,
        kind: str,
        inputs: Sequence[int],
        *,
        ints: Sequence[int] = (),
        reals: Sequence[float] = (),
        constants: Sequence[float] = (),
        params: Sequence[int] = (),
    ) -> None: ...
    @property
    def kind(self) -> str: ...
    @property
    def inputs(self) -> list[int]: ...
    @property
    def ints(self) -> list[int]: ...
    @property
    def reals(self) -> list[float]: ...
    @property
    def constants(self) -> list[float]: ...
    @property
    def params(self) -> list[int]: ...

class OperationKind:
    """A row of the table of operations: its name, its nature, and how much of everything it takes."""

    @property
    def name(self) -> str: ...
    @property
    def elementwise(self) -> bool: ...
    @property
    def given(self) -> bool:
        """True if it passes no gradient to what it reads."""
    @property
    def inputs(self) -> Limits: ...
    @property
    def ints(self) -> Limits: ...
    @property
    def reals(self) -> Limits: ...
    @property
    def constants(self) -> Limits: ...
    @property
    def params(self) -> Limits: ...

class Grid:
    def __init__(self, axes: Sequence[Floats], cells: Sequence[float]) -> None: ...

class Source:
    def __init__(
        self, samples: npt.NDArray[Any], dtype: str, table: Floats | None, low: float, factor: float
    ) -> None: ...

class Engine:
    def __init__(
        self,
        ops: Sequence[Operation],
        d_in: int,
        heads: Sequence[int],
        n_params: int,
        tile: int,
        training: bool,
        input_gradient: bool,
        threads: int,
        bf16: bool = False,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def bf16(self) -> bool: ...
    @property
    def threads(self) -> int: ...
    @property
    def d_out(self) -> int: ...
    @property
    def memory(self) -> int: ...
    def forward(self, params: Floats, coordinates: Floats, values: Floats) -> None: ...
    def forward_grid(self, params: Floats, grid: Grid, values: Floats) -> None: ...
    def forward_samples(
        self, params: Floats, grid: Grid, samples: npt.NDArray[Any], dtype: str, low: float, high: float
    ) -> None: ...
    def train_points(
        self,
        params: Floats,
        coordinates: Floats,
        targets: Floats | None = None,
        weights: Floats | None = None,
        residuals: Floats | None = None,
        input_gradients: Floats | None = None,
        gradients: Floats | None = None,
        moments: Moments | None = None,
        adam: AdamSettings | None = None,
        output_gradients: Floats | None = None,
    ) -> float:
        """Gradients of a batch, or a step of Adam; returns the loss before it.

        With `targets` the loss is the squared error, its mean over points, channels and outputs, each point with its
        weight. With `output_gradients` in their place it is the caller's, who has evaluated the points by `forward`
        and says what it makes of the values: the way back starts from these numbers, and 0 is returned.

        Args:
            params: all parameters, which a step of Adam moves.
            coordinates: (n, d_in), n at least 1.
            targets: (n, d_out).
            weights: (n,), of the points; 1 if there are none. Only with targets.
            residuals: (n, d_out), written: last output - target. Only with targets.
            input_gradients: (n, d_in), written: with targets the gradients of each point's own loss (the mean over
                channels and outputs, times its weight), with `output_gradients` those of the caller's loss.
            gradients: of all parameters, written; then no step is taken.
            moments: of Adam, moved.
            adam: settings of the step.
            output_gradients: (n, d_out), the gradients of a loss by the last output of the network; other outputs
                have none.

        Raises:
            ValueError: a shape is another, both or none of `targets` and `output_gradients` are given, an engine was
                not built for what is asked, or neither gradients nor a step are.
            TypeError: an array has another type.
        """
    def profile(self, params: Floats, coordinates: Floats, targets: Floats) -> list[tuple[str, float, float]]: ...
    def train_samples(
        self,
        params: Floats,
        grid: Grid,
        source: Source,
        index: npt.NDArray[np.int64] | None = None,
        offsets: Floats | None = None,
        weights: Floats | None = None,
        residuals: Floats | None = None,
        input_gradients: Floats | None = None,
        gradients: Floats | None = None,
        moments: Moments | None = None,
        adam: AdamSettings | None = None,
    ) -> float: ...

class RangeEncoder:
    def __init__(self) -> None: ...
    def encode_integers(self, values: npt.NDArray[np.int64]) -> None: ...
    def encode_refinements(self, coarse: npt.NDArray[np.int64], fine: npt.NDArray[np.int64]) -> None: ...
    def finish(self) -> bytes: ...

class RangeDecoder:
    def __init__(self, data: bytes) -> None: ...
    def decode_integers(self, count: int) -> npt.NDArray[np.int64]: ...
    def decode_refinements(self, coarse: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]: ...
    def finish(self) -> None: ...

LatentLayer = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Weights `(outputs, inputs)` and biases over 2^16, at most 2^23."""
LatentParents = Sequence[tuple[npt.NDArray[np.int64], int]]
"""Coarser grids, and how many times more than the features each is halved."""
LatentAxis = tuple[npt.NDArray[np.int64], Floats | None, Sequence[npt.NDArray[np.int64]]]
"""Sources `(n, 1)`, or `(n, 4)` with weights; for each layer, where its arms stand in what it reads, `(3, n)`."""

class LatentContext:
    """Predicts and codes the symbols of grids. Raises `ValueError` for what does not fit together."""

    def __init__(
        self,
        neighbours: Sequence[tuple[int, int]],
        features: int,
        hidden: Sequence[LatentLayer],
        out: npt.NDArray[np.int64],
        out_bias: npt.NDArray[np.int64],
        bypass: npt.NDArray[np.int64],
        tables: tuple[npt.NDArray[np.uint16], ...],
    ) -> None: ...
    def decode(
        self,
        decoder: RangeDecoder,
        name: str,
        height: int,
        width: int,
        parents: LatentParents,
        weights: npt.NDArray[np.int64] | None,
    ) -> npt.NDArray[np.int64]:
        """The symbols of a grid, `(height, width)`; raises `CorruptStreamError`."""
    def decisions(
        self,
        name: str,
        symbols: npt.NDArray[np.int64],
        parents: LatentParents,
        weights: npt.NDArray[np.int64] | None,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
        """Bits and the probabilities of ones, in coding order; raises `SpecError` for symbols out of range."""

class LatentSynthesis:
    """The 1x1 and 3x3 layers of a synthesis: weights and biases of each, in numbers."""

    def __init__(
        self,
        mix0: tuple[Floats, Floats],
        mix1: tuple[Floats, Floats],
        residuals: Sequence[tuple[Floats, Floats]],
        bypass: Floats,
    ) -> None: ...
    def show(self, maps: Floats, rows: LatentAxis, columns: LatentAxis, threads: int) -> Floats:
        """Values where rows and columns cross, `(m, n, channels)`, the same for any number of threads."""
    def show_points(
        self,
        maps: Floats,
        rows: tuple[npt.NDArray[np.int64], Floats],
        columns: tuple[npt.NDArray[np.int64], Floats],
        threads: int,
    ) -> Floats:
        """Values at single places whose arms are not clamped, `(n, channels)`; sources before them, and weights."""

def latent_level(
    maps: Floats,
    up: Floats,
    symbols: npt.NDArray[np.int64] | None,
    pre: Floats,
    height: int,
    width: int,
    threads: int,
) -> Floats:
    """Maps of a level, from those of the one below and its own symbols, `(1 + n, height, width)`."""

def instruction_sets() -> list[str]: ...
def available_cores() -> int: ...
def operation_kinds() -> list[OperationKind]: ...
def elementwise(operation: Operation, x: Floats, y: Floats, slope: Floats, bf16: bool = False) -> None: ...
def ceilings(seconds: float) -> dict[str, float]: ...

class LatentTrainer:
    """Losses and gradients of one picture's pyramid; see `inr.coders.latent.engine`.

    `counts` are channels, levels, contexts, features, parent_levels, hidden, width and residuals of a `LatentSpec`,
    `target` is `(channels, height, width)`. Raises `ValueError` for counts out of range.
    """

    def __init__(self, counts: Sequence[int], hyper: Sequence[int], target: Floats) -> None: ...
    @property
    def entries(self) -> int: ...
    @property
    def parameters(self) -> int: ...
    def run(
        self,
        latents: Floats,
        params: Floats,
        *,
        rounding: str,
        gain: float = 1.0,
        sigma: float = 0.0,
        temperature: float = 1.0,
        key: int = 0,
        bit: float = 0.0,
        gradients: Floats | None = None,
        moments: Moments | None = None,
        adam: tuple[float, float, float, float, float, float] = ...,
        clamp: bool = False,
        rate: bool = True,
        distortion: bool = True,
        threads: int = 1,
    ) -> tuple[float, float]:
        """Bits and mean squared error; gradients of `MSE + bit * bits` by the networks, and a step of the latents.

        `adam` is the factor of gradients, the learning rate, both betas, the correction, epsilon. Rounding is "soft"
        or "hard".
        """

    def features(
        self,
        symbols: Floats,
        params: Floats,
        *,
        rows: npt.NDArray[np.int64],
        columns: npt.NDArray[np.int64],
        out: Floats,
        threads: int = 1,
    ) -> None:
        """All levels at some pixels, `(levels, count)`: see `inr.coders.latent.engine.Engine.features`."""

    def costs(
        self, symbols: Floats, params: Floats, *, lmbda: float, level: int, out: Floats, threads: int = 1
    ) -> None:
        """What every pixel costs in bits, `(height, width)`: see `inr.coders.latent.engine.Engine.costs`."""

class LatentSoap:
    """See `inr.coders.latent.soap`."""

    def __init__(
        self,
        shapes: Sequence[Sequence[int]],
        beta1: float,
        beta2: float,
        decay: float,
        epsilon: float,
        every: int,
        largest: int,
    ) -> None: ...
    @property
    def size(self) -> int:
        """Of the state."""
    def step(
        self, state: npt.NDArray[np.float64], params: Floats, gradients: Floats, anchor: Floats | None, rate: float
    ) -> None: ...

def latent_noise(key: int, first: int, out: Floats) -> None:
    """Standard normal numbers of the entries from `first` on."""
