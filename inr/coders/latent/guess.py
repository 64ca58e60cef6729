"""Which lambda will meet a target, and what it will make of details, told from the picture before any training.

A block transform stands in for the pyramid: with reverse water-filling (Cover, Thomas, "Elements of Information
Theory", section 10.3.3) over the coefficients c of an orthonormal DCT of principal colours, a water level t gives

    MSE = mean min(c^2, t),   bits a pixel = sum max(0, log2(c^2 / t)) / 2 / pixels,   lambda = 2 ln 2 t / channels.

For photographs the lambda that a training needs lies within a factor of two of this one.
"""

import math

import numpy as np
import numpy.typing as npt

SIDE = 8
"""Of a block, in pixels."""
BLOCKS = 4096
"""That are looked at, at most."""
SMALLEST, LARGEST = 1e-7, 1.0
"""Of a guess."""
_HALVINGS = 24
_BPP_BIAS, _PSNR_BIAS = 1.5, 1 / 2.5
"""Factors for trainings of usual length: they need more bits than this says at low rates, and end 1 or 2 dB below."""


def guessed_lmbda(picture: npt.NDArray[np.float32], bpp: float | None = None, psnr: float | None = None) -> float:
    """The lambda for so many bits a pixel of latents, or else for a PSNR.

    Args:
        picture: ``(channels, height, width)``, values in [0, 1].
        bpp: without the networks.
        psnr: in dB of a peak of 1.
    """
    energy = _energies(picture)
    low, high = math.log(SMALLEST), math.log(LARGEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        level = _level(math.exp(middle), len(picture))
        if bpp is not None:
            good = _bpp(energy, level) > bpp
        else:
            good = float(np.minimum(energy, level).mean()) <= 10 ** (-0.1 * (psnr or 0.0))
        low, high = (middle, high) if good else (low, middle)
    return max(math.exp(low) * (_PSNR_BIAS if bpp is None else _BPP_BIAS), SMALLEST)


def guessed_details(picture: npt.NDArray[np.float32], lmbda: float) -> float:
    """Bits a pixel, about, of what half as many rows or columns could not show.

    Args:
        picture: ``(channels, height, width)``, values in [0, 1].
        lmbda: mean squared error (of values in [0, 1]) that a bit a pixel may cost.
    """
    energy = _energies(picture).reshape(len(picture), -1, SIDE, SIDE).copy()
    energy[:, :, : SIDE // 2, : SIDE // 2] = 0
    return _bpp(energy.reshape(len(picture), -1), _level(lmbda, len(picture)))


def _level(lmbda: float, channels: int) -> float:
    """Of the water."""
    return lmbda * channels / (2 * math.log(2))


def _bpp(energy: npt.NDArray[np.float64], level: float) -> float:
    return float(np.log2(np.maximum(energy / level, 1)).sum()) / 2 / (energy.size / len(energy))


def _energies(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Squared coefficients of some blocks, ``(channels, blocks * SIDE * SIDE)``."""
    channels, height, width = picture.shape
    padded = np.pad(picture, ((0, 0), (0, -height % SIDE), (0, -width % SIDE)), mode="edge")
    blocks = padded.reshape(channels, padded.shape[1] // SIDE, SIDE, padded.shape[2] // SIDE, SIDE)
    blocks = blocks.transpose(0, 1, 3, 2, 4).reshape(channels, -1, SIDE, SIDE)
    some = blocks[:, :: -(-blocks.shape[1] // BLOCKS)].astype(np.float64)
    flat = some.reshape(channels, -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    _, colours = np.linalg.eigh(flat @ flat.T)
    transform = _dct(SIDE)
    found: npt.NDArray[np.float64] = transform @ (colours.T @ flat).reshape(some.shape) @ transform.T
    return np.square(found).reshape(channels, -1)


def _dct(size: int) -> npt.NDArray[np.float64]:
    """The orthonormal DCT-II."""
    k, n = np.mgrid[:size, :size]
    matrix: npt.NDArray[np.float64] = np.cos(np.pi * k * (2 * n + 1) / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix
