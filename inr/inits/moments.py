"""Second moments of an activation under normal pre-activations, and the deviation that keeps a deep network stable."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from inr.layers import Activation, Gaussian, ReLU, Sine

if TYPE_CHECKING:
    from torch import Tensor

Function = Activation | Callable[["Tensor"], "Tensor"]
"""Elementwise and real; works on any shape and dtype. What has no closed form is differentiated by torch."""

NODES = 8192
"""Nodes of the quadrature."""
GRADING = 6.0
"""They are 17,000 a deviation at 0, where activations have their details, and 230 at three deviations."""
REACH = 8.0
"""Deviations that the quadrature covers on both sides; 1e-15 of the mass lies beyond."""
SCAN = tuple(10 ** (k / 10) for k in range(-40, 21))
"""Deviations among which a fixed point is looked for."""
FLAT = 1e-6
"""A ratio this close to its target cannot be told from it."""
BISECTIONS = 40


def second_moments(f: Function, sigma: float) -> tuple[float, float]:
    """``F = E[f(z)^2]`` and ``G = E[f'(z)^2]`` for z ~ N(0, sigma^2), in float64.

    Midpoint rule in u with z proportional to sinh(6 u): it converges faster than any power for smooth f, resolves an f
    much narrower than sigma, and puts no node on a kink at 0. The derivative is the one that training uses: where a
    layer counts a factor as constant (`Finer`), so does G.

    The functions that have closed forms get them: with q = (omega sigma)^2, sin(omega z) has (1 - e^-2q)/2 and
    omega^2 (1 + e^-2q)/2; with r = 2 (s sigma)^2, exp(-(s z)^2) has (1 + 2 r)^-1/2 and 2 s^2 r (1 + 2 r)^-3/2; ReLU has
    sigma^2/2 and 1/2.

    Args:
        f: the activation.
        sigma: deviation of the pre-activations, above 0.

    Returns:
        F and G.
    """
    if isinstance(f, Sine):
        q = (f.omega * sigma) ** 2
        return -math.expm1(-2 * q) / 2, f.omega**2 * (1 + math.exp(-2 * q)) / 2
    if isinstance(f, Gaussian):
        r = 2 * (f.sigma * sigma) ** 2
        return (1 + 2 * r) ** -0.5, 2 * f.sigma**2 * r * (1 + 2 * r) ** -1.5
    if isinstance(f, ReLU):
        return sigma**2 / 2, 0.5
    return quadrature(f, sigma)


def quadrature(f: Function, sigma: float) -> tuple[float, float]:
    """`second_moments` of any function, by integration."""
    import torch

    u = (torch.arange(NODES, dtype=torch.float64) + 0.5) * (2 / NODES) - 1
    node = torch.sinh(GRADING * u) * (REACH / math.sinh(GRADING))
    density = torch.exp(-node.square() / 2) * torch.cosh(GRADING * u)
    density /= density.sum()
    with torch.enable_grad():
        z = (sigma * node).requires_grad_()
        value = _at(f, z)
        (slope,) = torch.autograd.grad(value.sum(), z)
    return float(density @ value.detach().square()), float(density @ slope.square())


def _at(f: Function, z: "Tensor") -> "Tensor":
    value: Tensor = f.forward({}, z) if isinstance(f, Activation) else f(z)
    return value


def growth(f: Function, sigma: float) -> float:
    """``C = sigma^2 G / F``: what a layer multiplies the variance of gradients by if it keeps that of pre-activations.

    Source: Koneputugodage et al. 2025, for layers of equal width.
    """
    value, slope = second_moments(f, sigma)
    return sigma * sigma * slope / value if value > 0 else math.inf


def is_homogeneous(f: Function) -> bool:
    """True if C is 1 for every deviation, as for ReLU and the identity: no scale is better than another."""
    return all(abs(growth(f, sigma) - 1) <= FLAT for sigma in SCAN[::6])


def fixed_point(f: Function, target: float = 1.0) -> float | None:
    """The least deviation within 1e-4 .. 100 at which C crosses `target`, or None if there is none.

    That C tends to 1 as the deviation vanishes, as it does for every f that is linear around 0, does not count. A
    Gaussian has a closed form, ``r = t + sqrt(t^2 + t)`` with r as in `second_moments` and t the target.
    """
    if isinstance(f, Gaussian):
        return math.sqrt((target + math.sqrt(target**2 + target)) / 2) / f.sigma
    low, below = 0.0, False
    for sigma in SCAN:
        excess = growth(f, sigma) - target
        if math.isnan(excess) or abs(excess) <= FLAT:
            continue
        if low and below != (excess < 0):
            return _bisect(f, target, low, sigma, below)
        low, below = sigma, excess < 0
    return None


def _bisect(f: Function, target: float, low: float, high: float, below: bool) -> float:
    for _ in range(BISECTIONS):
        middle = math.sqrt(low * high)
        if (growth(f, middle) < target) == below:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def linear_width(f: Function) -> float:
    """``1 / |f'(0)|``, where the linear part of f reaches 1: 1/omega for ``sin(omega z)``; 1 if f is flat at 0."""
    import torch

    zero = torch.zeros((), dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(_at(f, zero), zero)
    steepness = abs(float(slope))
    return 1 / steepness if 0 < steepness < math.inf else 1.0
