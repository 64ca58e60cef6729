"""The window that Gaussian and Gabor layers share."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_WINDOW = 1e-20


def window(exponent: "Tensor") -> "Tensor":
    """``exp(exponent)``, and zero where that is below 1e-20.

    Far out a Gaussian passes through the denormal numbers, which slow the matrix products of a CPU threefold.
    """
    from torch.nn.functional import threshold

    return threshold(exponent.exp(), SMALLEST_WINDOW, 0.0)
