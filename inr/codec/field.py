"""A signal as a function: what users hold in their hands after opening, fitting or compressing."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, Unpack, final

import numpy as np
import numpy.typing as npt

from inr.backends.base import DEFAULT_RESOURCES, Field, ModuleField, Resources
from inr.backends.derivative import jacobian
from inr.backends.render import render, render_blocks
from inr.cached import cached
from inr.codec.points import points_of
from inr.codec.show import html_of, line_of, picture_of
from inr.domain import Domain
from inr.errors import SpecError
from inr.meta import SignalMeta
from inr.signals.kind import kind_for
from inr.signals.signal import Samples, Signal
from inr.signals.target import Sampling, Target, TargetOptions
from inr.signals.units import in_units, unit_slope

if TYPE_CHECKING:
    from torch import nn

Floats = npt.NDArray[np.float32]

DIFFERENCE = 0.1
"""Of a cell: the step of derivatives by differences, for fields that do not know their own."""


class SignalField(ABC):
    """A continuous signal: callable, differentiable, picklable, and an array to numpy.

    **Coordinates** are in array order: (row, column) of a picture, (frame, row, column) of a video. Samples sit at the
    centres of their cells: sample i of n along an axis that spans [lo, hi] is at ``lo + (hi - lo)(i + 1/2)/n``. The
    longest axis spans [-1, 1] and the others keep the proportions, time spans [-1, 1] by itself (`inr.Domain`).
    **Positions** are in samples: whole numbers are the samples themselves, and 0.5 lies half-way between the first two.
    Both may lie outside, where a field says something that nobody has checked.

    **Values** are in the units of the original samples (0 to 255 for 8 bits) as float32, neither rounded nor clamped to
    their range: a field may overshoot a little. `decode` rounds and clamps.

    Nothing of it loads torch but `module`, unless the field itself is evaluated by torch.
    """

    @abstractmethod
    def _open(self) -> "DecodedField":
        """Open what `opened` returns."""

    @cached
    def _opened(self) -> "DecodedField":
        return self._open()

    def opened(self) -> "DecodedField":
        """The field that does the work; opened once."""
        return self._opened

    def __call__(self, coordinates: npt.ArrayLike) -> Floats:
        """Values at coordinates.

        Args:
            coordinates: `(..., axes)`, real numbers.

        Returns:
            `(..., channels)`, in the units of the samples.

        Raises:
            SpecError: another shape or type, or numbers that are not finite.
        """
        opened = self.opened()
        rows, shape = points_of(coordinates, opened.domain.axes, "coordinates")
        return opened.values(rows).reshape(*shape, opened.channels)

    def at(self, positions: npt.ArrayLike) -> Floats:
        """Values at positions in samples, also between them.

        Args:
            positions: `(..., axes)`; 0 to n - 1 are the centres of the samples, and -0.5 and n - 0.5 the borders.

        Returns:
            `(..., channels)`, in the units of the samples; at whole numbers what `decode` gives before it rounds.

        Raises:
            SpecError: as `__call__`.
        """
        return self(self.coordinates(positions))

    def coordinates(self, positions: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
        """Coordinates of positions in samples.

        Args:
            positions: `(..., axes)`, see `at`; None for all samples.

        Returns:
            `(..., axes)`; of all samples `(*axes, axes)`, for a picture `(height, width, 2)`.

        Raises:
            SpecError: as `__call__`.
        """
        domain = self.opened().domain
        if positions is None:
            positions = np.moveaxis(np.indices(domain.shape), 0, -1)
        rows, shape = points_of(positions, domain.axes, "positions")
        return domain.at(rows).reshape(*shape, domain.ndim)

    def gradient(self, coordinates: npt.ArrayLike) -> Floats:
        """The Jacobian: derivatives of all channels by all coordinates.

        Exact up to rounding where a network is evaluated by the kernels or by torch; by central differences over a
        tenth of a sample for the fields of coders that do not know better. A grid of features has one-sided
        derivatives at its nodes.

        Args:
            coordinates: `(..., axes)`, see `__call__`. A derivative by positions is this times the width of a cell,
                ``(hi - lo)/n`` of each axis.

        Returns:
            `(..., channels, axes)`, in units of the samples for a step of 1 in the coordinates.

        Raises:
            SpecError: as `__call__`.
        """
        opened = self.opened()
        rows, shape = points_of(coordinates, opened.domain.axes, "coordinates")
        return opened.slopes(rows).reshape(*shape, opened.channels, opened.domain.ndim)

    def module(self) -> "nn.Module":
        """A copy as a `torch.nn.Module` on the CPU: same coordinates and values, differentiable and trainable.

        Its ``forward`` maps a tensor `(..., axes)` to `(..., channels)`; the parameters are the weights as decoded, in
        float32. Training it changes nothing here.

        Raises:
            SpecError: the field is no network, but that of a coder which has no form in torch.
            ImportError: torch is not installed.
        """
        from inr.backends.torch import FieldModule

        opened = self.opened()
        function = opened.on("torch", "cpu").function
        if not isinstance(function, ModuleField):
            raise SpecError("module: the coder of this field has no form in torch")
        return FieldModule(function.module(), opened.meta)

    def decode(self, **target: Unpack[TargetOptions]) -> Samples:
        """Samples of the signal, or of a region of it, at any size.

        What becomes smaller is box-filtered (or is a band-limited output, where the model has one); what becomes larger
        is evaluated between the original samples; neither shifts it. Frames of a video are never mixed: another frame
        rate gives other moments.

        Args:
            **target: scale, size, region, time, frame_rate: see `Target`.

        Returns:
            `(height, width, channels)`, `(frames, height, width, channels)` or `(*axes, channels)` of the original
            sample type.

        Raises:
            SpecError: scale and size both given, not positive, a region outside the signal, or an option that does
                not go with this kind of signal.
            LimitExceededError: more than `MAX_OUTPUT_SAMPLES` samples.
        """
        opened, asked = self.opened(), Target(**target)
        samples = opened.rendered(asked)
        shape = kind_for(opened.meta).outward(samples.shape[:-1], opened.meta)
        return samples.reshape(*shape, opened.channels)

    def signal(self) -> Signal:
        """The signal at its original size."""
        opened = self.opened()
        return Signal(opened.rendered(Target()), opened.domain, opened.meta)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the samples: `(*axes, channels)`."""
        opened = self.opened()
        return (*kind_for(opened.meta).outward(opened.domain.shape, opened.meta), opened.channels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return np.dtype(self.opened().meta.dtype)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The samples at their original size, as `decode`; raises `ValueError` for ``copy=False``, as numpy wants."""
        if copy is False:
            raise ValueError("a field has no array to share: it is decoded into a new one")
        samples = self.decode()
        return samples if dtype is None else samples.astype(dtype, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        """For pickles and copies: what was opened is opened again."""
        return {name: value for name, value in vars(self).items() if name != "_opened"}

    def __repr__(self) -> str:
        opened = self.opened()
        facts = {**opened.facts(), **self.facts()}
        return f"<{type(self).__name__}: {line_of(facts)}>"

    def _repr_html_(self) -> str:
        """For notebooks: a small picture (a frame, a slice) and what is known."""
        opened = self.opened()
        picture = picture_of(opened.function, opened.domain, opened.meta, opened.channels)
        return html_of(picture, {**opened.facts(), **self.facts()})

    def facts(self) -> dict[str, str]:
        """What is known of it beside the signal, by name, for whoever looks at it."""
        return {}


@dataclass(frozen=True)
class Running:
    """What a field is evaluated by: the name of a backend and a device, or "auto"; threads and precision."""

    backend: str = "auto"
    device: str = "auto"
    resources: Resources = DEFAULT_RESOURCES


@dataclass(frozen=True, eq=False)
class Origin(ABC):
    """What a field was opened from, which can be pickled.

    Attributes:
        running: what evaluates the field.
    """

    running: Running = field(default=Running(), kw_only=True)

    @abstractmethod
    def open(self) -> "DecodedField":
        """The field once more."""

    def on(self, backend: str, device: str) -> Self:
        """The same for another backend or device."""
        return replace(self, running=replace(self.running, backend=backend, device=device))

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Model, size and quality, by name, as far as they are known."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class DecodedField(SignalField):
    """A file as a continuous signal: it can be asked for any region at any size.

    A pickle holds what it was opened from, and opens it again, on the backend that was asked for.

    Attributes:
        function: coordinates to values in about [-1, 1].
        domain: grid of the original.
        meta: meaning of the samples.
        channels: values a sample.
        limited: band-limited fields, coarse to fine, with their highest frequencies in cycles per unit; may be empty.
        origin: what it was opened from; None for a field that lives in this process only.
    """

    function: Field
    domain: Domain
    meta: SignalMeta
    channels: int
    limited: tuple[tuple[float, Field], ...] = ()
    origin: Origin | None = None

    def _open(self) -> "DecodedField":
        return self

    def on(self, backend: str, device: str) -> "DecodedField":
        """The same field evaluated by another backend; raises `SpecError` if nobody knows what it was opened from."""
        if self.origin is None:
            raise SpecError("a field that was made of a function cannot be opened again")
        return self.origin.on(backend, device).open()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            return super().__reduce__()  # type: ignore[return-value]
        return _opened, (self.origin,)

    def values(self, rows: npt.NDArray[np.float64]) -> Floats:
        """Values `(n, channels)` in the units of the samples at coordinates `(n, axes)`."""
        if not len(rows):
            return np.empty((0, self.channels), dtype=np.float32)
        found = in_units(self.function(rows).astype(np.float64), self.meta)
        return found.astype(np.float32)

    def slopes(self, rows: npt.NDArray[np.float64]) -> Floats:
        """Derivatives `(n, channels, axes)` of the values by the coordinates `(n, axes)`."""
        domain = self.domain
        if not len(rows):
            return np.empty((0, self.channels, domain.ndim), dtype=np.float32)
        steps = [DIFFERENCE * (high - low) / n for n, (low, high) in zip(domain.shape, domain.box, strict=True)]
        own = jacobian(self.function, rows, steps)
        outer = unit_slope(self.function(rows).astype(np.float64), self.meta)
        return (own * outer[..., np.newaxis]).astype(np.float32)

    def rendered(self, target: Target) -> Samples:
        """See `decode`."""
        return render(*self._work(self.sampling(target)))

    def blocks(self, target: Target) -> Iterator[Samples]:
        """As `decode`, in consecutive blocks of rows or frames."""
        return self.sampled(self.sampling(target))

    def sampling(self, target: Target) -> Sampling:
        """What a target comes to; raises `SpecError` or `LimitExceededError` before any work is done."""
        return kind_for(self.meta).sampling(target, self.domain, self.meta, self.channels)

    def sampled(self, sampling: Sampling) -> Iterator[Samples]:
        """The samples that `sampling` gave, in consecutive blocks of rows or frames."""
        return render_blocks(*self._work(sampling))

    def _work(self, sampling: Sampling) -> tuple[Field, Domain, SignalMeta, int, tuple[int, ...]]:
        grid, fineness = sampling.grid, sampling.means
        nyquist = min(n / (2 * (high - low)) for n, (low, high) in zip(grid.shape, grid.box, strict=True))
        resolved = [function for band, function in self.limited if band <= nyquist]
        if resolved and max(fineness) > 1:  # the finest output that the grid holds needs no filter
            return resolved[-1], grid, self.meta, self.channels, (1,) * grid.ndim
        return self.function, grid, self.meta, self.channels, fineness

    def facts(self) -> dict[str, str]:
        """As `SignalField.facts`."""
        kind, low_high = kind_for(self.meta), self.meta.value_range
        channels = f"{self.channels} channel{'s' if self.channels > 1 else ''} of {self.meta.dtype}"
        own = {
            "signal": f"{kind.noun} of {kind.size_text(self.domain.shape)}, {channels}",
            "range": " to ".join(f"{x:g}" for x in low_high),
        }
        return own if self.origin is None else {**own, **self.origin.facts()}


def _opened(origin: Origin) -> DecodedField:
    """For pickles."""
    return origin.open()
