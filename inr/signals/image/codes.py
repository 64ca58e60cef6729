"""Colours that a picture's file gives in numbers: the chunks gAMA, cHRM and cICP of PNG, the nclx box of AVIF.

Samples are kept as they were stored, and the numbers with them, which PNG can hold. For any other format, samples are
brought to sRGB, or to linear light where a format has that, with the equations here.

Source: Rec. ITU-T H.273 (07/2021), tables 2 and 3; SMPTE ST 2084 and Rec. ITU-R BT.2100 for PQ and HLG, whose light
counts from the reference white of BT.2408, 203 cd/m2; the matrix between white points is Bradford's.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from inr.errors import SpecError
from inr.meta import INTEGER_MAX, SampleType, SignalMeta
from inr.signals.image.attributes import image_attributes
from inr.signals.signal import Array

Light = npt.NDArray[np.float64]
Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue."""

SRGB_GAMMA = 45455
"""1/2.2 in the unit of gAMA, 1/100000."""
SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
"""White, red, green and blue of sRGB in the unit of cHRM, 1/100000."""
PQ, HLG = 16, 18
REFERENCE_WHITE = 203.0
"""cd/m2 of what is 1 in linear light."""

_GAMMA_TOLERANCE = 500
_CHROMATICITY_TOLERANCE = 1000
_D65 = (0.3127, 0.3290)
_PRIMARIES: dict[int, Chromaticities] = {
    1: (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    4: (0.310, 0.316, 0.670, 0.330, 0.210, 0.710, 0.140, 0.080),
    5: (*_D65, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def plain_gamma(gamma: int) -> bool:
    """True for a gAMA that says no more than sRGB does; 0, which says nothing, among them."""
    return gamma == 0 or abs(gamma - SRGB_GAMMA) <= _GAMMA_TOLERANCE


def plain_chromaticities(chromaticities: tuple[int, ...]) -> bool:
    """True for the cHRM of sRGB, and for none."""
    pairs = zip(chromaticities, SRGB_CHROMATICITIES, strict=False)
    return all(abs(value - usual) <= _CHROMATICITY_TOLERANCE for value, usual in pairs)


def make_a_space(chromaticities: tuple[int, ...]) -> bool:
    """True for chromaticities of which no y is 0 and whose primaries span an area, and for none."""
    if not chromaticities:
        return True
    (rx, ry), (gx, gy), (bx, by) = (chromaticities[i : i + 2] for i in (2, 4, 6))
    area = (gx - rx) * (by - ry) - (bx - rx) * (gy - ry)
    return area != 0 and all(0 < y <= 100_000 for y in chromaticities[1::2])


def is_srgb(cicp: tuple[int, ...]) -> bool:
    """True for the code points of sRGB."""
    return cicp == (1, 13, 0, 1)


def decoded_colours(samples: Array, meta: SignalMeta, colours: int, linear: bool) -> tuple[Array, SignalMeta]:
    """Samples whose colours are by cICP, gAMA or cHRM as sRGB of the same type, or as linear light in floats.

    Args:
        samples: `(height, width, channels)` of an integer type, or floats in [0, 1].
        meta: of a picture.
        colours: how many of the channels are colours, the first ones; 1 or 3.
        linear: whether to make light.

    Raises:
        SpecError: colours that are not known here.
    """
    own = image_attributes(meta)
    top = INTEGER_MAX.get(samples.dtype.name, 1)
    unit = np.clip(samples.astype(np.float64) / top, 0, 1)
    stored = unit[..., :colours]
    light = light_of_cicp(stored, own.cicp) if own.cicp else light_of_gamma(stored, own.gamma, own.chromaticities)
    unit[..., :colours] = light if linear else light_to_srgb(light)
    plain = replace(own, cicp=(), gamma=0, chromaticities=(), icc_profile=None)
    found: Array
    if linear:
        found = unit.astype(np.float32)
        plain = replace(plain, colour_space="linear")
    else:
        found = (np.rint(unit * top) if top > 1 else unit).astype(samples.dtype)
    kind: SampleType = found.dtype.name  # type: ignore[assignment]
    return found, replace(meta, dtype=kind, value_range=(0.0, 1.0 if linear else float(top)), attributes=plain)


def light_of_gamma(values: Light, gamma: int, chromaticities: tuple[int, ...]) -> Light:
    """Linear light with the primaries of sRGB of samples in [0, 1], by gAMA and cHRM.

    Args:
        values: `(..., 1)` gray or `(..., 3)`.
        gamma: in 1/100000, of which 0 is that of sRGB.
        chromaticities: in 1/100000, or nothing.

    Raises:
        SpecError: chromaticities of no colour space.
    """
    if not make_a_space(chromaticities):
        raise SpecError(f"chromaticities: {chromaticities} are those of no colour space")
    light = srgb_to_light(values) if plain_gamma(gamma) else values ** (100_000 / gamma)
    if plain_chromaticities(chromaticities):
        return light
    return _with_srgb_primaries(light, tuple(value / 100_000 for value in chromaticities))


def light_of_cicp(values: Light, cicp: tuple[int, ...]) -> Light:
    """Linear light with the primaries of sRGB of samples in [0, 1], by cICP; 1 is `REFERENCE_WHITE`.

    Args:
        values: `(..., 1)` gray or `(..., 3)`.
        cicp: colour primaries, transfer characteristics, matrix coefficients, full range.

    Raises:
        SpecError: numbers that are not known here.
    """
    primaries, transfer, matrix, whole = cicp
    known = (primaries in _PRIMARIES or primaries == 2) and matrix == 0 and whole == 1
    light = _light(values, transfer) if known else None
    if light is None:
        raise SpecError(f"colours by the code points {'/'.join(map(str, cicp))} cannot be converted; PNG keeps them")
    return _with_srgb_primaries(light, _PRIMARIES.get(primaries, _PRIMARIES[1]))


def srgb_to_light(values: Light) -> Light:
    """The transfer curve of sRGB undone."""
    return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0) + 0.055) / 1.055) ** 2.4)


def light_to_srgb(light: Light) -> Light:
    """The transfer curve of sRGB, of light clamped to [0, 1]."""
    unit = np.clip(light, 0, 1)
    return np.where(unit <= 0.0031308, 12.92 * unit, 1.055 * unit ** (1 / 2.4) - 0.055)


def srgb_light_of_xyz(xyz: Light, white: Chromaticities) -> Light:
    """Linear light with the primaries of sRGB of colours relative to a white, whose x and y are given.

    Args:
        xyz: `(..., 3)`, 1 in each for the white.
        white: its x and y.
    """
    matrix = np.linalg.inv(_to_xyz(_PRIMARIES[1])) @ _white_to_white(white, _D65) @ np.diag(_xyz(*white))
    return xyz @ matrix.T


def _light(values: Light, transfer: int) -> Light | None:
    """Light, with the primaries of the file, of samples in [0, 1]; None for characteristics that are not known."""
    match transfer:
        case 1 | 6 | 14 | 15:
            return np.where(values < 0.081, values / 4.5, ((values + 0.099) / 1.099) ** (1 / 0.45))
        case 2 | 13:
            return srgb_to_light(values)
        case 4 | 5:
            return values ** (2.2 if transfer == 4 else 2.8)
        case 8:
            return values
        case 16:
            return _pq(values)
        case 17:
            return 52.37 / 48 * values**2.6
        case 18:
            return _hlg(values)
        case _:
            return None


def _pq(values: Light) -> Light:
    """SMPTE ST 2084."""
    root = values ** (32 / 2523)
    return (10_000 / REFERENCE_WHITE) * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (
        8192 / 1305
    )


def _hlg(values: Light) -> Light:
    """BT.2100: the scene's light, and what a display of 1,000 cd/m2 shows of it."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593]) if scene.shape[-1] == 3 else scene[..., 0]
    return (1000 / REFERENCE_WHITE) * scene * luminance[..., np.newaxis] ** 0.2


def _with_srgb_primaries(light: Light, chromaticities: Chromaticities) -> Light:
    """Light by other primaries and another white; gray stays gray."""
    if light.shape[-1] != 3 or chromaticities == _PRIMARIES[1]:
        return light
    adapted = _white_to_white(chromaticities[:2], _D65)
    matrix = np.linalg.inv(_to_xyz(_PRIMARIES[1])) @ adapted @ _to_xyz(chromaticities)
    return light @ matrix.T


def _xyz(x: float, y: float) -> Light:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(chromaticities: Chromaticities) -> Light:
    """The matrix from light by three primaries to XYZ."""
    white, *columns = [_xyz(*chromaticities[i : i + 2]) for i in (0, 2, 4, 6)]
    matrix = np.stack(columns, axis=1)
    return matrix * np.linalg.solve(matrix, white)


def _white_to_white(source: Chromaticities, target: Chromaticities) -> Light:
    """The matrix that adapts XYZ from one white to another."""
    ratio = (_BRADFORD @ _xyz(*target)) / (_BRADFORD @ _xyz(*source))
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(ratio) @ _BRADFORD)
