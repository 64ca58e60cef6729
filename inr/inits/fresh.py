"""FreSh: the frequency setting at which the untrained model has the spectrum of the signal."""

import math
import time
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field, field_validator

from inr.errors import SpecError
from inr.inits.base import INITS, InitSpec, SearchReport
from inr.inits.default import DefaultInit
from inr.inits.spectrum import Array, distance, shrunk, spectrum
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec
from inr.registry import kind_of
from inr.rng import generator
from inr.signals.signal import Signal

STRIDE = 4
"""Every so many candidates are tried first, then those beside the best of them."""
FINALISTS = 3
"""Candidates that get more than one untrained network."""
CHUNK = 4096
"""Points that are evaluated at once: few enough for their features to stay in a core's cache."""
FLAT = 1e-9
"""Sum of the spectrum, over the number of points, below which there is nothing to compare."""


@final
@INITS.register
class FreshInit(InitSpec):
    """The candidate of the model's `frequency_search` with the least mean Wasserstein distance of spectra.

    Spectra are those of `inr.inits.spectrum`: of the signal, shrunk to a square, and of untrained networks on the same
    square of the same box. Their amplitudes do not matter. Of a signal with more than two axes they are those of
    planes of the last two axes, one for each network, at random places along the others.

    A signal that is flat, or has fewer than 5 samples on an axis of those planes, has no spectrum: the model keeps its
    own value.

    Deviations, all for the sake of time: the square has at most `side` samples an axis instead of 1024; the distance
    is taken to have one valley, so that every fourth candidate and the neighbours of the best are tried instead of all;
    each gets one network and the best three get `inits`, instead of 10 for each. Of 12 searches (4 models, 3 photos)
    six chose what a search of all candidates with 256 samples a side chooses, six one or two candidates lower. What it
    took is in the report. The networks start as `then` starts them, which is how they are trained.

    Settings: candidates are the released ones for SIREN (omega_0), FINER (first_bias) and Fourier features (sigma);
    those for Gauss, WIRE and CAFE are ours. The spectrum has 64 entries, as in all released configurations; the text
    beside them recommends 128 for every model but SIREN. The released SIREN does not multiply biases by omega, and
    feeds its last layer omega times the features; here it is the usual one. Photos that are not square are shrunk to
    a square in both, but coordinates keep the proportions here.
    """

    kind: Literal["fresh"] = "fresh"
    wire_id: ClassVar[int] = 3
    paper: ClassVar[str] = "Kania et al. 2025, FreSh: Frequency Shifting for Accelerated Neural Representation Learning"

    spectrum_size: Annotated[int, Field(ge=2, le=512)] = 64
    """Frequencies that are compared; at most (s - 1)/2 for a square of s samples an axis."""
    inits: Annotated[int, Field(ge=1, le=100)] = 3
    """Untrained networks of the best candidates."""
    side: Annotated[int, Field(ge=5, le=1024)] = 160
    """Largest number of samples an axis of the square; frequencies above half of it would count as lower ones."""
    then: Annotated[InitSpec, *INITS.field()] = DefaultInit()
    """The initialiser proper."""

    @field_validator("then")
    @classmethod
    def _not_itself(cls, then: InitSpec) -> InitSpec:
        if isinstance(then, cls):
            raise SpecError("fresh: then: must be an initialiser other than fresh")
        return then

    def prepare(self, model: ModelSpec, signal: Signal, seed: int) -> tuple[ModelSpec, SearchReport | None]:
        """Search; raises `SpecError` if the model has no setting that shifts its spectrum."""
        search = model.frequency_search
        if search is None:
            fitting = ", ".join(kind_of(cls) for cls in MODELS if cls.frequency_search is not None)
            raise SpecError(f"fresh: model {model.kind} has no setting that shifts its spectrum; it fits {fitting}")
        began = time.perf_counter()
        trials = _Trials(self, signal, seed)
        if not trials.targets:
            return model, None
        candidates = [model.replace(**{search.setting: value}) for value in search.values]
        found = self._screened(trials, candidates)
        finalists = sorted(found, key=lambda i: found[i][0])[:FINALISTS]
        for i in finalists:
            found[i] += [trials.distance(candidates[i], trial) for trial in range(1, self.inits)]
        means = {i: float(np.mean(found[i])) for i in sorted(found)}
        best = min(finalists, key=means.__getitem__)
        pairs = tuple((search.values[i], mean) for i, mean in means.items())
        report = SearchReport(search.setting, search.values[best], pairs, time.perf_counter() - began)
        return candidates[best], report

    @staticmethod
    def _screened(trials: "_Trials", candidates: list[ModelSpec]) -> dict[int, list[float]]:
        """Distances of one untrained network of every candidate that was tried, by its place."""
        found: dict[int, list[float]] = {}

        def look(places: Iterable[int]) -> None:
            for i in places:
                if 0 <= i < len(candidates) and i not in found:
                    found[i] = [trials.distance(candidates[i], 0)]

        look(range(0, len(candidates), STRIDE))
        best = min(found, key=lambda i: found[i][0])
        look(range(best - STRIDE + 1, best + STRIDE))
        return found

    def settled(self) -> InitSpec:
        """No second search."""
        return self.then

    def apply(
        self, model: ModelSpec, network: Network, signal: Signal, generator: np.random.Generator
    ) -> dict[str, FloatTensor]:
        """As `then` does."""
        return self.then.apply(model, network, signal, generator)


class _Trials:
    """Untrained networks against one signal."""

    def __init__(self, spec: FreshInit, signal: Signal, seed: int) -> None:
        self._spec, self._signal, self._seed = spec, signal, seed
        shape = signal.domain.shape
        self._side = min(*shape[-2:], spec.side)
        self._size = min(spec.spectrum_size, (self._side - 1) // 2)
        self._lead = shape[:-2]
        self._domain = signal.domain.centred().resized((*self._lead, *[self._side] * len(shape[-2:])))
        planes = math.prod(self._lead)
        chosen = generator(seed, "planes").integers(0, planes, spec.inits) if planes > 1 else [0]
        flat = FLAT * self._side ** len(shape[-2:])
        spectra = {int(plane): self._target(int(plane)) for plane in chosen} if self._size >= 2 else {}
        self.targets = [(plane, found) for plane, found in spectra.items() if found.sum() > flat]
        """Planes with something in them, by flat index over the leading axes, and their spectra."""

    def _target(self, plane: int) -> Array:
        samples = self._signal.samples[np.unravel_index(plane, self._lead)] if self._lead else self._signal.samples
        return spectrum(shrunk(samples, self._signal.meta, self._side), self._size)

    def distance(self, model: ModelSpec, trial: int) -> float:
        """Of the spectrum of one untrained network; the same plane and seed for every candidate."""
        import torch

        plane, target = self.targets[trial % len(self.targets)]
        network = model.build(self._signal.domain, self._signal.channels)
        start = generator(self._seed, "network", trial)
        held = network.as_torch(self._spec.then.apply(model, network, self._signal, start))
        inner = self._domain.shape[len(self._lead) :]
        n = math.prod(inner)
        values = np.empty((n, self._signal.channels))
        with torch.inference_mode():
            for first in range(0, n, CHUNK):
                index = plane * n + np.arange(first, min(n, first + CHUNK), dtype=np.int64)
                points = torch.from_numpy(self._domain.coordinates(index))
                values[first : first + CHUNK] = network.outputs(held, points)[-1].numpy()
        if not np.isfinite(values).all():
            return float(self._size)
        return distance(spectrum(values.reshape(*inner, -1), self._size), target)
