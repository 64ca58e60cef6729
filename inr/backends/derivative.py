"""The derivative of a field by its coordinates."""

from collections.abc import Sequence

import numpy as np

from inr.backends.base import DifferentiableField, Field, Positions, Values


def jacobian(field: Field, coordinates: Positions, steps: Sequence[float]) -> Values:
    """Derivatives of all outputs by all coordinates.

    A field that knows its derivative (`DifferentiableField`) is asked for it; of any other it is the central difference
    ``(f(x + h) - f(x - h)) / 2h`` along each axis, whose error falls with h^2.

    Args:
        field: what to differentiate.
        coordinates: `(n, d_in)`.
        steps: h of each axis, where differences are needed.

    Returns:
        `(n, d_out, d_in)`, float32.
    """
    if isinstance(field, DifferentiableField):
        return field.jacobian(coordinates)
    columns = []
    for axis, step in enumerate(steps):
        shift = np.zeros(coordinates.shape[1])
        shift[axis] = step
        low, high = (coordinates.astype(np.float64) + sign * shift for sign in (-1, 1))
        columns.append((field(high).astype(np.float64) - field(low)) / (2 * step))
    slopes: Values = np.stack(columns, axis=-1).astype(np.float32)
    return slopes
