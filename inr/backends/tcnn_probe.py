"""Whether tiny-cuda-nn is there, and what of it can be trusted here."""

import functools
import importlib
import importlib.util
from typing import Any

import torch
from torch import Tensor

from inr.errors import BackendUnavailableError

INSTALL = (
    'pip install --no-build-isolation "git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch"'
    " (needs nvcc, and torch installed before it)"
)
PACKAGE = "tinycudann"

_STEP = 2.0**-8
"""Of the finite differences. Parameters are multiples of it below 1/2, so 16-bit floats hold both of its ends."""
_POINTS, _WIDTH = 1024, 32
_TOLERANCE = 0.1
"""Curvature and 16-bit sums take 0.005 from a true derivative; the wrong one of a sine is off by a third."""


@functools.cache
def found() -> tuple[Any, str]:
    """The package and "", or None and why it is not there; asked once, and nothing is imported before.

    The import of the real package raises `OSError` where there is no GPU or none that it was built for, `ImportError`
    where it was built for another torch, and may raise `RuntimeError` from below.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        return None, f"package {PACKAGE} is not installed"
    try:
        return importlib.import_module(PACKAGE), ""
    except (ImportError, OSError, RuntimeError) as error:
        lines = str(error).strip().splitlines()
        return None, f"package {PACKAGE} cannot be imported: {lines[0] if lines else type(error).__name__}"


def package() -> Any:
    """The package; raises `BackendUnavailableError`."""
    module, reason = found()
    if module is None:
        raise BackendUnavailableError(f"backend tcnn: {reason}; install it with: {INSTALL}")
    return module


def jit_runs() -> bool:
    """True if kernels can be compiled for a network as a whole; they can since version 2.0 of the package."""
    supported = getattr(package(), "supports_jit_fusion", None)  # older versions have no such function
    return supported is not None and bool(supported())


@functools.cache
def jit_trains(activation: str, device: torch.device) -> bool:
    """True if derivatives of compiled networks with this activation agree with finite differences on this device.

    By its source, the compiled backward of version 2.0 sees the values after an activation where the derivative of a
    sine needs those before it; so this is measured and not assumed. Asked once for each activation and device.
    """
    if not jit_runs():
        return False
    try:
        return derivatives_hold(package(), activation, device)
    except RuntimeError:  # it does not compile, or the device has too little shared memory
        return False


def derivatives_hold(tcnn: Any, activation: str, device: torch.device) -> bool:
    """Compare the derivatives of a small compiled network with central differences, along one way for each matrix.

    The function is half the mean square of the output, and a way is the signs of the derivatives that were found: if
    they are right the change along it is large, and if not it is smaller than they say.
    """
    config = {
        "otype": "CutlassMLP",
        "activation": activation,
        "output_activation": "None",
        "n_neurons": _WIDTH,
        "n_hidden_layers": 2,
    }
    network = tcnn.Network(3, 1, config)
    network.jit_fusion = True
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(_POINTS, 3, generator=generator) * 2 - 1).to(device)
    sizes = (16 * _WIDTH, _WIDTH * _WIDTH, 16 * _WIDTH)
    bound = round(0.5 / _STEP)
    start = (_STEP * torch.randint(1 - bound, bound, (sum(sizes),), generator=generator)).to(device)

    def value(parameters: Tensor) -> Tensor:
        output: Tensor = torch.func.functional_call(network, {"params": parameters}, (x,))
        return output.float().square().mean() / 2

    parameters = start.clone().requires_grad_()
    (slope,) = torch.autograd.grad(value(parameters), parameters)
    first = 0
    for size in sizes:
        way = torch.zeros_like(start)
        way[first : first + size] = _STEP * slope[first : first + size].sign()
        first += size
        with torch.no_grad():
            change = ((value(start + way) - value(start - way)) / 2).item()
        predicted = (slope * way).sum().item()
        if not abs(change - predicted) <= _TOLERANCE * abs(predicted):  # also where one is not a number
            return False
    return bool(network.jit_fusion)  # it switches itself off where it fails, and what was measured is something else
