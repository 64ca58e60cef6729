"""Fields as torch modules, in the units of their samples."""

from typing import final

import torch
from torch import Tensor, nn

from inr.meta import SignalMeta
from inr.signals.units import in_units


@final
class FieldModule(nn.Module):
    """What a field does, as a module: coordinates in, values in the units of the samples out.

    Args:
        inner: maps coordinates `(n, axes)` to values `(n, channels)` in about [-1, 1].
        meta: of the signal.
    """

    def __init__(self, inner: nn.Module, meta: SignalMeta) -> None:
        super().__init__()
        self.inner, self.meta = inner, meta

    def forward(self, coordinates: Tensor) -> Tensor:
        """`(..., axes)` -> `(..., channels)`; differentiable in coordinates and parameters."""
        shape = coordinates.shape
        values: Tensor = self.inner(coordinates.reshape(-1, shape[-1]))
        return in_units(values, self.meta).reshape(*shape[:-1], -1)

    def extra_repr(self) -> str:
        """What the values are."""
        low, high = self.meta.value_range
        return f"values about {low:g} to {high:g}"


@final
class TilesModule(nn.Module):
    """The modules of tiles as one: each point goes to the tile that it lies in, or to the nearest.

    Args:
        tiles: modules of coordinates of their own, in C order.
        counts: tiles along each axis.
        borders: for each axis the coordinates at which its tiles meet.
        scales: for each tile the factor and the shift that make coordinates of the whole its own, `(2, axes)`.
    """

    scales: Tensor

    def __init__(
        self,
        tiles: list[nn.Module],
        counts: tuple[int, ...],
        borders: list[list[float]],
        scales: list[list[list[float]]],
    ) -> None:
        super().__init__()
        self.tiles, self.counts, self.borders = nn.ModuleList(tiles), counts, borders
        self.register_buffer("scales", torch.tensor(scales, dtype=torch.float64), persistent=False)

    def forward(self, coordinates: Tensor) -> Tensor:
        """`(n, axes)` -> `(n, channels)`; differentiable in coordinates and parameters."""
        number = torch.zeros(len(coordinates), dtype=torch.int64, device=coordinates.device)
        for axis, (count, borders) in enumerate(zip(self.counts, self.borders, strict=True)):
            own = torch.tensor(borders, dtype=torch.float64, device=coordinates.device)
            column = coordinates[:, axis].detach().to(torch.float64).contiguous()
            number = number * count + torch.searchsorted(own, column, right=True)
        parts, places = [], []
        for tile, module in enumerate(self.tiles):
            chosen = torch.nonzero(number == tile)[:, 0]
            factor, shift = self.scales[tile]
            local = (coordinates[chosen].to(torch.float64) * factor + shift).to(coordinates.dtype)
            parts.append(module(local))
            places.append(chosen)
        joined: Tensor = torch.cat(parts)[torch.argsort(torch.cat(places))]
        return joined
