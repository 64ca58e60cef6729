"""Multi-resolution hash grid with a small ReLU network.

Mueller, Evans, Schied, Keller, "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding",
SIGGRAPH 2022.

    e = concat over levels l of d-linear interpolation of table_l at x,  y = W_3 relu(W_2 relu(W_1 e + b_1) + b_2) + b_3

Resolutions grow geometrically from `base_resolution` to `finest_resolution`. Init: tables U(+-1e-4), weights
Xavier-uniform, biases zero. Parameters: n_features times the entries of all levels, plus the network.
Where we deviate: the network has biases (tiny-cuda-nn's has none), and see `HashGrid` for the indexing.
"""

from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field, model_validator

from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import HashGrid, Layer, ReLU
from inr.layers.hashing import grid_levels
from inr.layers.linear import xavier
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire


@final
@MODELS.register
class HashGridMlp(ModelSpec):
    """Settings of a hash grid with its network."""

    kind: Literal["hashgrid"] = "hashgrid"
    wire_id: ClassVar[int] = 2
    paper: ClassVar[str] = (
        "Mueller et al. 2022, Instant Neural Graphics Primitives with a Multiresolution Hash Encoding"
    )
    learning_rate: ClassVar[float] = 2e-2
    jitter: ClassVar[float] = 0.25
    bpp: ClassVar[float] = 1.5
    weight_bits: ClassVar[float] = 4.2

    log2_hashmap_size: Annotated[int, Field(ge=3, le=24), Wire(0)] = 14
    """Binary logarithm of the most rows a level may have."""
    finest_resolution: Annotated[int, Field(ge=2, le=2**16), Wire(1)] = 512
    """Nodes an axis of the last level."""
    n_levels: Annotated[int, Field(ge=1, le=32), Wire(2)] = 16
    n_features: Annotated[int, Field(ge=1, le=8), Wire(3)] = 2
    """Features a level."""
    base_resolution: Annotated[int, Field(ge=2, le=2**16), Wire(4)] = 16
    """Nodes an axis of the first level."""
    width: Annotated[int, Field(ge=1, le=1024), Wire(5)] = 64
    """Neurons of the hidden layers of the network."""
    depth: Annotated[int, Field(ge=1, le=8), Wire(6)] = 2
    """Hidden layers of the network."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.finest_resolution < self.base_resolution:
            raise SpecError(
                f"hashgrid: finest_resolution must be at least base_resolution {self.base_resolution}; "
                f"got {self.finest_resolution}"
            )
        return self

    def build(self, domain: Domain, channels: int) -> Network:
        """The encoding, then linear and ReLU layers."""
        grid = (self.n_levels, self.n_features, 2**self.log2_hashmap_size, self.base_resolution, self.finest_resolution)
        layers: list[Layer] = [HashGrid(domain.ndim, *grid)]
        width = self.n_levels * self.n_features
        for _ in range(self.depth):
            layers += [xavier(width, self.width), ReLU()]
            width = self.width
        return Network([*layers, xavier(width, channels)])

    def fitted_to(self, domain: Domain) -> Self:
        """Finest level: one node for each sample of the longest axis. A coarser one costs up to 1 dB on photos."""
        finest = min(max(*domain.shape, 2), 2**16)
        return self.replace(finest_resolution=finest, base_resolution=min(self.base_resolution, finest))

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the table size, the number of levels and, where tables cannot be small enough, a narrower network.

        Tables stay powers of two: with other sizes neighbouring nodes can fall on few rows, which was seen to cost
        up to 2 dB. The number of levels, of which 8 to 15 are about equally good, fills the octave between.
        """

        def network(levels: int, width: int) -> int:
            first = levels * self.n_features * width + width
            return first + (self.depth - 1) * (width * width + width) + channels * (width + 1)

        def total(log2_size: int, levels: int, width: int) -> int:
            grid = grid_levels(domain.ndim, levels, 2**log2_size, self.base_resolution, self.finest_resolution)
            return self.n_features * sum(level.entries for level in grid) + network(levels, width)

        width = max(1, min(self.width, largest_fitting(1, self.width, parameters // 4, lambda w: network(8, w))))
        sizes = [(total(k, levels, width), k, levels) for k in range(3, 25) for levels in range(8, 16)]
        smaller = [(total(3, levels, width), 3, levels) for levels in range(1, 8)]
        fitting = [size for size in smaller + sizes if size[0] <= parameters] or smaller[:1]
        _, log2_size, levels = max(fitting)
        return self.replace(width=width, log2_hashmap_size=log2_size, n_levels=levels)


HashGridMlp.EXAMPLES = (
    HashGridMlp(log2_hashmap_size=6, finest_resolution=24, n_levels=4, base_resolution=4, width=8, depth=1),
    HashGridMlp(log2_hashmap_size=5, finest_resolution=33, n_levels=3, n_features=1, base_resolution=3, width=4),
)
