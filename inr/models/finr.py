"""F-INR: one network for each axis, joined by a tensor decomposition.

Vemuri, Buechner, Denzler, "F-INR: Functional Tensor Decomposition for Implicit Neural Representations", WACV 2026,
arXiv 2503.21507.

    cp      y_c = sum_r u_1[r] ... u_{d-1}[r] u_d[c, r]
    tt      y_c = u_1 U_2 ... U_{d-1} u_d[c],  a row of R, matrices R x R, a column of R
    tucker  y_c = sum_{r_1 ... r_d} core[r_1, ..., r_d, c] u_1[r_1] ... u_d[r_d]

with u_a = axis_model(x_a), R = `rank` and d axes. A grid of n_1 x ... x n_d samples takes n_1 + ... + n_d evaluations
of networks and matrix products. On two axes every channel of such a grid is a matrix of rank R, so PSNR is at most that
of the truncated singular value decomposition, which needs R channels (n_1 + n_2) numbers.

Init: the axis network's own, with three changes, measured on 16 frames of a video after 200 steps. Its last layer, if
linear, is scaled so that the factors have equal spread and the field starts with a deviation of about 0.03; from the
ordinary 0.4 a fit ends 0.9 dB lower. Its first layer, if a sine layer follows, gets frequencies spread evenly over 0 to
`band` (radians in a unit of length; at most pi/2 times the width, which is what so many sines can tell apart) and
phases over the circle: 0.4 dB more than at random. And omega_0 is small, so that training moves frequencies slowly:
0.8 dB more.
Parameters: the networks', with R outputs (tt: R^2 between the first and the last axis), channels R on the last axis for
cp and tt; tucker: R outputs each (fewer on a short first axis) and channels R^d for the core. 198,400 for 2 -> 3.
Where we deviate: cp as released has factors of its own for each channel on every axis; we share all but the last one
between channels, as tt does: on a photo R = 192 gives the PSNR of R = 128 as released with half the parameters. One
sine layer instead of three: with more, a fit takes more steps. Frequencies end at the Nyquist frequency of the samples;
the released positional encoding goes on to 2^49, where it is noise between the samples.
"""

import math
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self, final

import numpy as np
from pydantic import Field, model_validator

from inr.container.limits import MAX_PARAMETERS
from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import (
    Axis,
    Contraction,
    CpContraction,
    Fixed,
    Ladder,
    Linear,
    Normal,
    Sine,
    TtContraction,
    TuckerContraction,
    Uniform,
)
from inr.layers.graph import Graph
from inr.layers.layout import FloatTensor
from inr.layers.network import COORDINATES, Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.models.siren import Siren
from inr.spec import Wire

FORMATS = ("cp", "tt", "tucker")
MAX_BAND = 2**26
MAX_FACTOR = 2**14
"""Values of an axis network at a coordinate."""
START = 0.03
"""Deviation of the untrained field."""
USUAL_WIDTH = 256
"""Of the axis networks that `learning_rate` was found for."""
LARGEST_GAIN = 16.0
"""How much the last layer of an axis network is scaled up at most; a grid that starts near zero stays there."""


@final
@MODELS.register
class FInr(ModelSpec):
    """Settings of an F-INR. Best fitted with the block sampler, to whole grids."""

    kind: Literal["finr"] = "finr"
    wire_id: ClassVar[int] = 10
    paper: ClassVar[str] = (
        "Vemuri et al. 2026, F-INR: Functional Tensor Decomposition for Implicit Neural Representations"
    )
    learning_rate: ClassVar[float] = 6e-3
    separable: ClassVar[bool] = True
    bpp: ClassVar[float] = 1.5
    weight_bits: ClassVar[float] = 6.5

    format: Annotated[Literal["cp", "tt", "tucker"], Wire(0, names=FORMATS)] = "cp"
    rank: Annotated[int, Field(ge=1, le=1024), Wire(1)] = 192
    """Terms of cp, size of the matrices of tt, side of the core of tucker."""
    axis_model: Annotated[ModelSpec, *MODELS.field(), Wire(2)] = Siren(width=256, depth=0, omega_0=10.0)
    """The network of every axis: any model of one input that is not made of models."""
    band: Annotated[int, Field(ge=0, le=MAX_BAND), Wire(3)] = 400
    """Highest initial frequency of a first sine layer, radians in a unit of length; 0: as the axis model has it."""
    first_band: Annotated[int, Field(ge=0, le=MAX_BAND), Wire(4)] = 0
    """The same for the first axis, such as time; 0: as the others."""

    first_rank: Annotated[int, Field(ge=0, le=1024), Wire(5)] = 0
    """Side of tucker's core along the first axis, such as time; 0: as along the others, and with cp and tt."""

    @model_validator(mode="after")
    def _of_one_piece(self) -> Self:
        model = self.axis_model
        if any(isinstance(getattr(model, name), ModelSpec) for name in type(model).model_fields):
            raise SpecError(f"finr: axis_model: must not be made of other models; got {model.kind}")
        if self.first_rank and self.format != "tucker":
            raise SpecError(f"finr: first_rank: only tucker has one for the first axis; got {self.first_rank}")
        return self

    def build(self, domain: Domain, channels: int) -> Network:
        """For each axis its coordinate and a network; then the contraction."""
        self._check_size(domain.ndim, channels)
        graph, factors, parts = Graph(), [], []
        for axis, width in enumerate(self._widths(domain.ndim, channels)):
            try:
                part = self.axis_model.build(_line(domain, axis), width)
            except SpecError as error:
                raise SpecError(f"finr: axis_model: must be a model that takes 1 input; got {error}") from None
            part = _with_even_frequencies(part, (axis == 0 and self.first_band) or self.band)
            factors.append(graph.splice(part, graph.add(Axis(axis), COORDINATES)))
            parts.append(part)
        graph.add(self._contraction(domain.ndim, channels), *factors)
        return graph.network(parts=tuple(parts))

    def _contraction(self, d_in: int, d_out: int) -> Contraction:
        if self.format == "tucker":
            return TuckerContraction(self._ranks(d_in), d_out, entries=Normal(self._spread(d_in)))
        return (CpContraction if self.format == "cp" else TtContraction)(self.rank, d_out)

    def _spread(self, d_in: int) -> float:
        """Deviation of the factors, and of the entries of a core, with which the field has that of `START`."""
        tucker = self.format == "tucker"
        paths = math.prod(self._ranks(d_in)) if tucker else self.rank ** {"cp": 1, "tt": d_in - 1}[self.format]
        power: float = (START**2 / paths) ** (1 / (2 * (d_in + tucker)))  # paths terms of d or d + 1 factors each
        return power

    def _widths(self, d_in: int, d_out: int) -> list[int]:
        """Outputs of the network of each axis."""
        if self.format == "tucker":
            return list(self._ranks(d_in))
        between = self.rank if self.format == "cp" else self.rank**2
        return [self.rank, *[between] * (d_in - 2), d_out * self.rank]

    def _ranks(self, d_in: int) -> tuple[int, ...]:
        """Sides of tucker's core."""
        return (self.first_rank or self.rank, *[self.rank] * (d_in - 1))

    def _core(self, d_in: int, d_out: int) -> int:
        return d_out * math.prod(self._ranks(d_in)) if self.format == "tucker" else 0

    def _check_size(self, d_in: int, d_out: int) -> None:
        """Before anything of that size is allocated."""
        if not 2 <= d_in <= 4:
            raise SpecError(f"finr: works on 2 to 4 axes; got {d_in}")
        if self.format == "tt" and d_in > 2 and self.rank**2 > MAX_FACTOR:
            raise SpecError(
                f"finr: rank: tt on more than two axes has at most {math.isqrt(MAX_FACTOR)}, as a factor has rank^2 "
                f"values a coordinate; got {self.rank}"
            )
        if self._core(d_in, d_out) > MAX_PARAMETERS:
            raise SpecError(
                f"finr: rank: a core of {d_out} x rank^{d_in} has at most {MAX_PARAMETERS} entries; got {self.rank}"
            )

    def initial(self, network: Network, generator: "np.random.Generator") -> dict[str, FloatTensor]:
        """The axis model's own and what the contraction says, then factors of equal spread.

        Imports torch to evaluate the networks of the axes.
        """
        tensors = network.initial(generator)  # of parts too, so that a seed goes on giving the same start
        for part in network.parts:
            own = self.axis_model.initial(part, generator)
            own = _scaled(part, own, self._spread(len(network.parts)), generator)
            tensors.update(network.renamed(part, own))
        return tensors

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the size of the axis model and a rank, at most the present one.

        For a budget P the networks together have about 2 sqrt(P) outputs, which makes them half as wide as that, and
        a core has at most half of the budget.
        """
        highest = self.rank
        lines = [_line(domain, axis) for axis in range(domain.ndim)]
        longest = max(lines, key=lambda line: line.size)

        def large(rank: int) -> int:
            """0 for a rank that leaves enough to the networks."""
            at = self.replace(rank=rank)
            outputs, core = sum(at._widths(domain.ndim, channels)), at._core(domain.ndim, channels)
            return int(outputs > 2 * math.sqrt(parameters) or 2 * core > parameters)

        def total(rank: int, part: ModelSpec) -> int:
            at = self.replace(rank=rank)
            widths = at._widths(domain.ndim, channels)
            counts = [part.parameters(line, width) for line, width in zip(lines, widths, strict=True)]
            return sum(counts) + at._core(domain.ndim, channels)

        def part_of(budget: int) -> ModelSpec:
            return self.axis_model.sized(budget, longest, 1)  # with few outputs, so that a grid gets its usual network

        smallest = part_of(1)
        rank = largest_fitting(1, largest_fitting(1, highest, 0, large), parameters, lambda r: total(r, smallest))
        budget = largest_fitting(1, max(1, parameters), parameters, lambda b: total(rank, part_of(b)))
        part = part_of(budget)
        rank = largest_fitting(rank, highest, parameters, lambda r: total(r, part))
        return self.replace(rank=rank, axis_model=part)

    def rate(self) -> float:
        """Falls with the width of the axis networks, whose outputs are sums over it.

        On 16 frames of 480 x 270 pixels, 955 wide, 500 steps end at 29.9 dB with 1.2e-3, at 29.1 with 6e-4; 200 steps
        at 25.7 with 1.2e-3, 23.5 with 2e-3, 9.6 with 6e-3, which suits 256.
        """
        width: int = getattr(self.axis_model, "width", USUAL_WIDTH)
        return self.learning_rate * math.pow(min(1.0, USUAL_WIDTH / width), 1.25)

    def fitted_to(self, domain: Domain) -> Self:
        """Frequencies up to the Nyquist frequency of the finest axis, and of time; a rank that the grid can use."""
        shape = domain.shape
        if len(shape) == 1:
            raise SpecError("finr: works on 2 to 4 axes; got 1")
        nyquist = [math.pi * n / (high - low) for n, (low, high) in zip(shape, domain.box, strict=True)]
        bands = [min(MAX_BAND, math.ceil(frequency)) for frequency in nyquist]
        longest = Domain((max(shape),), ((-1.0, 1.0),), axes=("x",))
        timed = domain.axes[0] == "t"
        # A core as short as the frames of a clip along all axes could not tell their rows and columns apart.
        few = len(shape) > 2 and shape[0] < min(self.rank, *shape[1:])
        short = self.format == "tucker" and bool(self.first_rank or few)
        return self.replace(
            rank=min(self.rank, largest_rank(self.format, shape[1:] if short else shape)),
            first_rank=self.first_rank or (shape[0] if short else 0),
            axis_model=self.axis_model.fitted_to(longest),
            band=max(bands[timed:] or bands),
            first_band=bands[0] if timed else 0,
        )

    def check(self, domain: Domain, channels: int) -> None:
        """Refuse a number of axes, a rank or an axis model that cannot be fitted to the grid."""
        self._check_size(domain.ndim, channels)
        shape = domain.shape
        if self.first_rank > shape[0]:
            raise SpecError(
                f"finr: first_rank: at most the {shape[0]} samples of the first axis; got {self.first_rank}"
            )
        limit = largest_rank(self.format, shape[1:] if self.first_rank else shape)
        if self.rank > limit:
            grid = "x".join(map(str, shape))
            raise SpecError(f"finr: rank: {self.format} can use at most {limit} on {grid} samples; got {self.rank}")
        self.layout(domain, channels)


def largest_rank(form: str, shape: tuple[int, ...]) -> int:
    """The largest rank that a grid can use; on two axes the samples of the shorter one, in every format.

    A tensor has a cp rank of at most the product of all axes but the longest. The matrices of a train have at most as
    many rows as there are samples on one side of the cut, and columns as on the other. A core is no longer than the
    shortest axis.
    """
    if form == "cp":
        return math.prod(shape) // max(shape)
    if form == "tt":
        return max(min(math.prod(shape[:cut]), math.prod(shape[cut:])) for cut in range(1, len(shape)))
    return min(shape)


def _line(domain: Domain, axis: int) -> Domain:
    """One axis of a grid as a grid of its own."""
    return Domain(domain.shape[axis : axis + 1], domain.box[axis : axis + 1], domain.alignment, ("x",))


def _with_even_frequencies(part: Network, band: int) -> Network:
    """A network that, if it begins with a sine layer, starts with sines of evenly spread frequencies."""
    first, function = (*part.layers, None, None)[:2]
    if not (band and isinstance(first, Linear) and isinstance(function, Sine)):
        return part
    highest = min(band, math.pi / 2 * first.d_out)
    weights, phases = Ladder(highest / first.d_out / function.omega), Uniform(math.pi / function.omega)
    even = replace(first, weights=weights, biases=phases)
    return Network([even, *part.layers[1:]], part.sources, part.heads, part.parts, part.training_graph)


def _scaled(
    part: Network, tensors: dict[str, FloatTensor], spread: float, generator: "np.random.Generator"
) -> dict[str, FloatTensor]:
    """Give the outputs of a network this root mean square, by its last layer; what that cannot give the bias does."""
    number = part.heads[-1] - 1
    if not isinstance(part.layers[number], Linear):
        return tensors
    import torch

    weight, bias = f"{number}.weight", f"{number}.bias"
    without = {**tensors, bias: np.zeros_like(tensors[bias])}
    with torch.no_grad():
        values = part.outputs(part.as_torch(without), torch.linspace(-1, 1, 257)[:, None])[-1]
    present = max(float(values.square().mean().sqrt()), 1e-12)
    gain = min(spread / present, LARGEST_GAIN)
    rest = spread**2 - (gain * present) ** 2
    more = Normal(math.sqrt(rest)) if rest > 1e-6 * spread**2 else Fixed(0.0)
    return {**tensors, weight: tensors[weight] * np.float32(gain), bias: more.draw(generator, tensors[bias].shape)}


_SMALL = Siren(width=12, depth=0, omega_0=10.0)
FInr.EXAMPLES = (
    FInr(rank=5, axis_model=_SMALL, band=20),
    FInr(format="tt", rank=3, axis_model=Siren(width=10, depth=1), band=0, first_band=7),
    FInr(format="tucker", rank=4, axis_model=_SMALL, band=20),
)
