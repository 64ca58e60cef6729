"""Pictures as a kind of signal."""

import mmap
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, cast, final

import numpy as np

from inr.container import ids
from inr.container.attributes import FileAttributes
from inr.domain import Domain
from inr.errors import SignalError, SpecError
from inr.meta import Attributes, SignalMeta
from inr.metrics.base import Metric
from inr.metrics.psnr import Psnr
from inr.metrics.pu21 import Pu21Psnr, Pu21Ssim
from inr.metrics.ssim import Ssim
from inr.signals.image.attributes import ColourSpace, ImageAttributes, image_attributes
from inr.signals.image.channels import Channels, channels_of, light_survey
from inr.signals.image.frames import is_animated
from inr.signals.image.from_array import channel_axis, check_picture, colours_of, is_picture
from inr.signals.image.read import FORMATS, decode_image, image_from_array, is_image
from inr.signals.image.tiff import TIFF_SIGNATURES, TiffLayout, tiff_layout
from inr.signals.image.write import check_format, encode_image, format_of, save_image
from inr.signals.kind import KINDS, Kind, Pngs, whole
from inr.signals.light import LightSurvey, exposed, luminance_gain
from inr.signals.limits import MAX_SAMPLES
from inr.signals.npy import MAGIC, Layout, npy_header, read_npy
from inr.signals.parts import PartRule, gathered
from inr.signals.preview import eight_bits
from inr.signals.refusal import Refusal, damage_reported
from inr.signals.signal import Array, Samples, Signal
from inr.signals.source import Reading, Source
from inr.signals.target import Region, Shape, Target, joined, ratios
from inr.signals.uncompressed import StoredSignal, npy_file

AXES = ("y", "x")
MAX_BAND = 2**24
"""Pixels of a band unless more are asked for: what the coder of pictures takes at once."""
MIN_SIDE = 2
"""Pixels that a picture needs on each side to be a field of its coordinates."""


@final
@KINDS.register
class Image(Kind):
    """A picture of 1 to 4 channels: rows and columns, sizes written as width and height."""

    kind: Literal["image"] = "image"
    wire_id: ClassVar[int] = 0
    noun: ClassVar[str] = "a picture"
    formats: ClassVar[str] = FORMATS
    attributes: ClassVar[type[Attributes]] = ImageAttributes
    parts_are: ClassVar[PartRule] = PartRule("rows of a band", MIN_SIDE, MAX_BAND)
    metrics: ClassVar[tuple[Metric, ...]] = (Psnr(), Ssim())
    default_coder: ClassVar[str | None] = "latent"
    suffix: ClassVar[str] = ".png"

    def examples(self) -> tuple[Signal, ...]:
        """As `Kind.examples`: 8-bit RGB, 16-bit gray, and gray by a gamma of its own."""
        y, x = np.mgrid[0:13, 0:21] / 4
        colours = np.stack([np.sin(x + c) * np.cos(y) for c in range(3)], axis=-1)
        gray = image_from_array(np.rint(20_000 * (colours[..., 0] + 2)).astype(np.uint16))
        return (
            image_from_array(np.rint(127.5 * (colours + 1)).astype(np.uint8)),
            gray,
            replace(gray, meta=replace(gray.meta, attributes=ImageAttributes(gamma=100_000))),
        )

    def sniff(self, source: Source) -> bool:
        """As `Kind.sniff`: an image file of one frame, and arrays of the shapes and types that pictures have."""
        if source.array is not None:
            return is_picture(source.array.shape, source.array.dtype)
        if source.head.startswith(MAGIC):
            try:
                layout = npy_header(source.head)
            except Refusal:
                return False
            return is_picture(layout.shape, layout.dtype)
        if not is_image(source.head):
            return False
        with source.open() as file:
            return not is_animated(file)

    def load(self, source: Source, reading: Reading) -> Signal:
        """As `Kind.load`."""
        if source.array is not None:
            return image_from_array(source.array, source.name)
        data = source.read()
        if data.startswith(MAGIC):
            return image_from_array(read_npy(data, source.name), source.name)
        return decode_image(data, source.name)

    def stored(self, source: Source, reading: Reading) -> StoredSignal | None:
        """As `Kind.stored`, for ``.npy`` files and uncompressed TIFF files."""
        path, layout = source.path, npy_file(source)
        found: TiffLayout | None = None
        if path is not None and source.head.startswith(TIFF_SIGNATURES):
            with (
                path.open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
                damage_reported(),
            ):
                found = tiff_layout(data)
        if path is not None and found is not None:
            attributes = ImageAttributes(found.colour_space, found.icc_profile, channels=found.channels.stored)
            survey = None if found.measured else self._survey(found.layout, found.channels, found.colour_space)
            shape, count = found.layout.shape[:2], found.channels.count
            return StoredSignal(path, found.layout, shape, count, AXES, attributes, MAX_SAMPLES, found.missing, survey)
        if path is None or layout is None:
            return None
        check_picture(layout.shape, layout.dtype)
        count = 1 if len(layout.shape) == 2 else layout.shape[2]
        attributes = ImageAttributes(colours_of(layout.dtype), channel_axis=channel_axis(layout.shape))
        survey = self._survey(layout, channels_of(None, count), attributes.colour_space)
        return StoredSignal(path, layout, layout.shape[:2], count, AXES, attributes, MAX_SAMPLES, survey=survey)

    def _survey(
        self, layout: Layout, channels: Channels, colour_space: ColourSpace
    ) -> Callable[[], LightSurvey] | None:
        """What makes the survey of a file whose samples may be light, or None."""
        plane = layout.shape[0] * layout.shape[1] if layout.fortran else 0
        return partial(light_survey, channels, colour_space, plane) if layout.dtype.kind == "f" else None

    def check(self, shape: Shape) -> None:
        """As `Kind.check`."""
        check_sides(*shape[-2:])

    def check_format(self, path: str | Path, shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.check_format`."""
        check_format(format_of(path), channels, meta.dtype, stored=image_attributes(meta).channels)

    def suffix_for(self, meta: SignalMeta) -> str:
        """As `Kind.suffix_for`: PNG holds no floats."""
        return ".png" if meta.dtype in ("uint8", "uint16") else ".tif"

    def check_npy(self, channels: int, meta: SignalMeta) -> None:
        """As `Kind.check_npy`."""
        check_format("npy", channels, meta.dtype, stored=image_attributes(meta).channels)

    def has_channel_axis(self, meta: SignalMeta) -> bool:
        """As `Kind.has_channel_axis`: if the array that it was had one."""
        return image_attributes(meta).channel_axis == 1

    def write(self, path: str | Path, blocks: Iterable[Samples], shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.write`."""
        save_image(path, gathered(blocks, shape, channels, meta), meta)

    def axes(self, count: int) -> tuple[str, ...]:
        """As `Kind.axes`."""
        if count != len(AXES):
            raise SpecError(f"image: has {len(AXES)} axes; got {count}")
        return AXES

    def to_file(self, meta: SignalMeta) -> FileAttributes:
        """As `Kind.to_file`."""
        own = image_attributes(meta)
        colours = ids.id_of(ids.COLOUR_SPACES, own.colour_space)
        return FileAttributes(
            own.orientation, colours, own=own.to_wire(), icc_profile=own.icc_profile, channels=own.channels
        )

    def from_file(self, found: FileAttributes) -> Attributes:
        """As `Kind.from_file`."""
        own = ImageAttributes.from_wire(found.own)
        colours = cast(ColourSpace, ids.COLOUR_SPACES[found.colour_space])
        return replace(
            own,
            colour_space=colours,
            icc_profile=found.icc_profile,
            orientation=found.orientation,
            channels=found.channels,
        )

    def region(self, target: Target, domain: Domain) -> Domain:
        """As `Kind.region`."""
        if target.region is None:
            return domain
        x, y, width, height = rectangle(target.region)
        return domain.cropped((y, x), (height, width))

    def grid_shape(self, target: Target, part: Shape) -> Shape:
        """As `Kind.grid_shape`."""
        return picture_shape(target, part)

    def means(self, part: Shape, grid: Shape) -> Shape:
        """As `Kind.means`: the same along both axes."""
        return (whole(max(ratios(part, grid))),) * 2

    def size_text(self, shape: Shape) -> str:
        """As `Kind.size_text`."""
        return f"{shape[1]}x{shape[0]} pixels"

    def sides(self, shape: Shape) -> tuple[int | None, int | None]:
        """As `Kind.sides`."""
        return shape[0], shape[1]

    def metrics_of(self, meta: SignalMeta) -> tuple[Metric, ...]:
        """As `Kind.metrics_of`: light of high dynamic range as a viewer sees it, and the PSNR of the numbers."""
        if meta.light is None:
            return self.metrics
        seen = luminance_gain(meta.light), meta.light.colours
        return Pu21Psnr(*seen), Psnr(), Pu21Ssim(*seen)

    def check_alike(self, meta: SignalMeta, other: SignalMeta, channels: int) -> None:
        """As `Kind.check_alike`: alpha is not compared with what is none."""
        mine, its = (channels_of(image_attributes(m).channels, channels) for m in (meta, other))
        if mine != its:
            raise SignalError(f"cannot compare {mine} with {its}")

    def preview(self, samples: Samples, meta: SignalMeta) -> Array | None:
        """As `Kind.preview`: of channels that are neither colour nor alpha nothing is seen."""
        channels = channels_of(image_attributes(meta).channels, samples.shape[-1])
        if channels.stored is not None:
            samples = samples[..., : channels.colours]
        return eight_bits(samples) if meta.light is None else exposed(samples, meta.light)

    def pngs(self, meta: SignalMeta) -> Pngs:
        """As `Kind.pngs`: a block of rows as one picture."""
        return lambda rows: iter([(len(rows), encode_image(rows, meta, "png"))])


def check_sides(height: int, width: int) -> None:
    """Raise `SignalError` for a picture that is too small to be a field of its coordinates."""
    if min(height, width) < MIN_SIDE:
        raise SignalError(f"a picture needs at least {MIN_SIDE} pixels on each side; got {width}x{height}")


def rectangle(region: Region) -> Region:
    """A region x, y, width, height; raises `SpecError` for another number of numbers."""
    if len(region) != 4:
        raise SpecError(f"region: needs x, y, width and height; got {joined(region, ',')}")
    return region


def picture_shape(target: Target, sides: Shape) -> Shape:
    """Rows and columns to make of `sides`; raises `SpecError` and `LimitExceededError`."""
    wanted = None if target.size is None else target.size[::-1]
    return target.scaled(sides, wanted, "width and height")
