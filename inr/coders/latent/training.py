"""Overfitting a pyramid and its networks to one picture, from random weights, with explicit state.

Schedule: Ladune et al. 2023-2026 (Cool-Chic 5): a warm-up that keeps the best of several random starts, a main phase of
soft rounding with noise, and a last phase of hard rounding in which only the networks move.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from inr.coders.latent.network_bits import Quantised, quantise
from inr.coders.latent.soap import EPSILON, Soap, SoapSpec
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.twin import Measured, Twin, hard_round, soft_round, start_networks
from inr.rng import generator
from inr.spec import Spec


class TrainingSpec(Spec):
    """A schedule. With a picture and a `LatentSpec` it fixes every bit of the result on one machine."""

    lmbda: float = Field(default=1e-3, gt=0)
    """Mean squared error (of values in [0, 1]) that a bit a pixel may cost."""
    iterations: int = Field(default=2000, ge=1)
    """All of them: warm-up, main phase and last phase."""
    seed: int = 0
    warm_up: tuple[tuple[int, int], ...] = ((5, 50), (2, 50))
    """Rounds of (starts that go on, iterations of each); after each round the best go on."""
    last_share: float = Field(default=0.2, ge=0, lt=1)
    """Share of the iterations with hard rounding."""
    gain: float = 16.0
    """Symbols a unit of what Adam moves."""
    rate: float = 1e-2
    """Learning rate of latents and networks; a cosine leads to `final_rate` over the main phase."""
    final_rate: float = 1e-5
    last_rate: float = 1e-4
    """Learning rate of the networks in the last phase."""
    sigma: tuple[float, float] = (0.22, 0.15)
    """Standard deviation of the noise, from the begin to the end of the main phase."""
    temperature: tuple[float, float] = (0.35, 0.08)
    """Temperature of the soft rounding, likewise."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam for the latents in the main phase."""
    warm_betas: tuple[float, float] = (0.725, 0.97)
    """Of Adam for the latents in the warm-up."""
    clip: float = 0.1
    """Largest norm of the networks' gradient."""
    validate_every: int = Field(default=50, ge=1)
    """Iterations between two hard-rounded measurements."""

    @property
    def warm_iterations(self) -> int:
        """Iterations of the warm-up, all starts together."""
        return sum(starts * count for starts, count in self.warm_up)

    @property
    def last_iterations(self) -> int:
        """Iterations of the last phase."""
        return round(self.last_share * self.iterations)


@dataclass(eq=False)
class Adam:
    """The moments of Adam (Kingma, Ba 2015) for one tensor."""

    betas: tuple[float, float]
    mean: Tensor
    square: Tensor
    steps: int = 0

    @torch.no_grad()
    def step(self, tensor: Tensor, grad: Tensor, rate: float) -> None:
        """Move a tensor against its gradient, in place."""
        first, second = self.betas
        self.steps += 1
        self.mean.lerp_(grad, 1 - first)
        self.square.mul_(second).addcmul_(grad, grad, value=1 - second)
        correction = (1 - second**self.steps) ** 0.5 / (1 - first**self.steps)
        tensor.addcdiv_(self.mean, self.square.sqrt().add_(EPSILON), value=-rate * correction)


@dataclass(eq=False)
class Candidate:
    """One pyramid with its networks while they are trained.

    Attributes:
        number: of its random stream.
        latents: what Adam moves, all grids in coding order; symbols are `gain` times these, rounded.
        networks: by name.
        adam: of the latents.
        soap: of the networks.
        steps: iterations in all phases.
    """

    number: int
    latents: Tensor
    networks: dict[str, Tensor]
    adam: Adam
    soap: Soap
    steps: int = 0


@dataclass(frozen=True, eq=False)
class Trained:
    """A result.

    Attributes:
        symbols: all grids in coding order, int8.
        values: the same before they were rounded, float32.
        networks: by name, float32.
        measured: of these, hard-rounded.
    """

    symbols: npt.NDArray[np.int8]
    values: npt.NDArray[np.float32]
    networks: dict[str, npt.NDArray[np.float32]]
    measured: Measured


Best = tuple[Measured, Tensor, dict[str, Tensor]]
"""What was measured of the best model so far, its latents and its networks."""

Report = Callable[[int, Measured], None]
"""Called after a validation with the iterations so far and what was measured."""


class LatentTraining:
    """A training that can be advanced one iteration at a time."""

    def __init__(self, picture: npt.NDArray[np.float32], spec: LatentSpec, settings: TrainingSpec) -> None:
        """Prepare the first iteration.

        Args:
            picture: ``(channels, height, width)``, values in [0, 1].
            spec: the pyramid and its networks.
            settings: the schedule.
        """
        self.spec, self.settings = spec, settings
        self.twin = Twin(spec, *picture.shape[1:])
        self.target = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float32))
        self.done = 0
        self.soft: Measured | None = None
        """Of the last iteration: of its noisy pyramid, before it moved anything."""
        self.best: Best | None = None
        starts = settings.warm_up[0][0] if settings.warm_up else 1
        self.candidates = [self._start(number) for number in range(starts)]
        self._turns = self._warm_turns()

    @property
    def finished(self) -> bool:
        """True after the last iteration."""
        return self.done >= self.settings.iterations

    @property
    def share(self) -> float:
        """How much of the main phase is done: 0 during the warm-up, 1 from its end on."""
        first = len(self._turns)
        length = max(1, self.settings.iterations - first - self.settings.last_iterations)
        return min(max((self.done - first) / length, 0.0), 1.0)

    def step(self) -> Measured | None:
        """One iteration; what was measured after it, if it was time to."""
        settings, at = self.settings, self.done
        self.done += 1
        if at < len(self._turns):
            self._warm_step(at)
            return None
        main = at - len(self._turns)
        if main == 0:
            self._begin_main()
        length = max(1, settings.iterations - len(self._turns) - settings.last_iterations)
        share = main / length
        if main < length:
            low, high = settings.final_rate, settings.rate
            rate = low + (high - low) * 0.5 * (1 + math.cos(math.pi * share))
            self._soft_step(
                self.candidates[0], rate, _between(settings.sigma, share), _between(settings.temperature, share)
            )
        else:
            if main == length:
                self._begin_last()
            self._hard_step(self.candidates[0], settings.last_rate)
        if (main + 1) % settings.validate_every == 0 or main + 1 == length or self.finished:
            return self._validate()
        return None

    def run(self, report: Report | None = None) -> Trained:
        """All remaining iterations."""
        while not self.finished:
            measured = self.step()
            if measured is not None and report is not None:
                report(self.done, measured)
        return self.result()

    def result(self) -> Trained:
        """The best validated model so far."""
        return self._trained(*(self.best or self._record(self._measure(self.candidates[0]))))

    def present(self) -> Trained:
        """The model as it is now, without the measurement of a validation: the cost is that of the last iteration."""
        winner = self.candidates[0]
        return self._trained(self.soft or Measured(0.0, 0.0, self.settings.lmbda), winner.latents, winner.networks)

    def quantised(self) -> Quantised:
        """The networks of `result` in integers, by the search of `quantise` at the present lambda."""
        _, latents, networks = self.best or self._record(self._measure(self.candidates[0]))
        symbols = hard_round(latents * self.settings.gain)
        return quantise(self.twin, symbols, networks, self.target, self.settings.lmbda)

    def change_lmbda(self, lmbda: float) -> None:
        """Go on with another lambda. Costs by two of them do not compare, so the best is forgotten."""
        self.settings = self.settings.replace(lmbda=lmbda)
        self.best = None

    def adopt(self) -> Measured:
        """Measure the present model, and make it the best whatever it costs."""
        return self._record(self._measure(self.candidates[0]))[0]

    def tune(self, rate: float, hard: bool = False) -> None:
        """One iteration outside the schedule, after the main phase; it does not count as `done`.

        Args:
            rate: of latents and networks.
            hard: with hard rounding, where only networks move; otherwise with the noise and the temperature that the
                main phase ends with.
        """
        if hard:
            self._hard_step(self.candidates[0], rate)
        else:
            self._soft_step(self.candidates[0], rate, self.settings.sigma[1], self.settings.temperature[1])

    def state(self) -> dict[str, Any]:
        """A copy of all that changes, as arrays, numbers, lists and dicts."""
        best = None
        if self.best is not None:
            measured, latents, networks = self.best
            best = [dataclasses.asdict(measured), _plain(latents), _plain(networks)]
        return {
            "done": self.done,
            "lmbda": self.settings.lmbda,
            "soft": None if self.soft is None else dataclasses.asdict(self.soft),
            "best": best,
            "candidates": _plain(self.candidates),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` of a training of the same picture and settings returned."""
        self.done = int(state["done"])
        self.settings = self.settings.replace(lmbda=float(state["lmbda"]))
        self.soft = None if state["soft"] is None else Measured(**state["soft"])
        template = self._start(0)  # the only one that knows how to make a candidate
        self.candidates = [_filled(template, one) for one in state["candidates"]]
        self.best = None
        if state["best"] is not None:
            measured, latents, networks = state["best"]
            self.best = Measured(**measured), _filled(template.latents, latents), _filled(template.networks, networks)

    def _start(self, number: int) -> Candidate:
        settings = self.settings
        networks = start_networks(self.spec, generator(settings.seed, "latent networks", number))
        latents = torch.zeros(self.twin.size)
        warm = bool(settings.warm_up)
        soap = Soap(SoapSpec(every=1) if warm else SoapSpec(), networks)
        return Candidate(number, latents, networks, self._adam(settings.warm_betas), soap)

    def _adam(self, betas: tuple[float, float]) -> Adam:
        return Adam(betas, torch.zeros(self.twin.size), torch.zeros(self.twin.size))

    def _warm_turns(self) -> list[tuple[int, int, bool]]:
        """For every iteration of the warm-up: the place of a candidate, how many survive, whether a round ends."""
        rounds = self.settings.warm_up
        turns = []
        for i, (starts, count) in enumerate(rounds):
            survivors = rounds[i + 1][0] if i + 1 < len(rounds) else 1
            turns += [(place, survivors, False) for place in range(starts) for _ in range(count)]
            turns[-1] = (*turns[-1][:2], True)
        return turns[: self.settings.iterations]

    def _warm_step(self, at: int) -> None:
        place, survivors, ends = self._turns[at]
        sigma = (-0.432 * math.log10(self.settings.lmbda) + 0.747) / 10
        self._soft_step(self.candidates[place], self.settings.rate, max(sigma, 0.0), self.settings.temperature[0])
        if ends:
            costs = [self._measure(candidate).cost for candidate in self.candidates]
            order = sorted(range(len(costs)), key=costs.__getitem__)
            self.candidates = [self.candidates[i] for i in order[:survivors]]

    def _begin_main(self) -> None:
        winner = self.candidates[0]
        self.candidates = [winner]
        winner.adam = self._adam(self.settings.betas)
        winner.soap = Soap(SoapSpec(), winner.networks)

    def _begin_last(self) -> None:
        _, latents, networks = self.best or self._record(self._measure(self.candidates[0]))
        winner = self.candidates[0]
        winner.latents = latents.clone()
        winner.networks = {name: value.clone() for name, value in networks.items()}
        winner.soap = Soap(SoapSpec(), winner.networks)

    def _soft_step(self, candidate: Candidate, rate: float, sigma: float, temperature: float) -> None:
        random = generator(self.settings.seed, "latent noise", candidate.number, candidate.steps)
        noise = torch.from_numpy(random.standard_normal(self.twin.size, dtype=np.float32)) * sigma
        latents = candidate.latents.detach().requires_grad_(True)
        soft = soft_round(latents * self.settings.gain, temperature)
        pyramid = soft_round(soft + noise, temperature)
        grads = self._move_networks(candidate, pyramid, rate, latents)
        candidate.adam.step(candidate.latents, grads, rate)

    def _hard_step(self, candidate: Candidate, rate: float) -> None:
        pyramid = hard_round(candidate.latents * self.settings.gain)
        self._move_networks(candidate, pyramid, rate, None)

    def _move_networks(self, candidate: Candidate, pyramid: Tensor, rate: float, latents: Tensor | None) -> Tensor:
        """One step of the networks; the gradient of the latents, or an empty tensor if there are none to move."""
        leaves = {name: value.detach().requires_grad_(True) for name, value in candidate.networks.items()}
        lmbda = self.settings.lmbda
        mse, bpp = self.twin.costs(pyramid, leaves, self.target)
        self.soft = Measured(bpp.item(), mse.item(), lmbda)
        loss = mse + lmbda * bpp
        inputs = [*leaves.values(), *([] if latents is None else [latents])]
        found = torch.autograd.grad(loss, inputs)
        grads = dict(zip(leaves, found[: len(leaves)], strict=True))
        norm = float(torch.stack([g.square().sum() for g in grads.values()]).sum().sqrt())
        if norm > self.settings.clip:
            grads = {name: g * (self.settings.clip / norm) for name, g in grads.items()}
        candidate.soap.step(candidate.networks, grads, rate)
        candidate.steps += 1
        return torch.empty(0) if latents is None else found[-1]

    def _measure(self, candidate: Candidate) -> Measured:
        pyramid = candidate.latents * self.settings.gain
        return self.twin.measure(pyramid, candidate.networks, self.target, self.settings.lmbda)

    def _validate(self) -> Measured:
        measured = self._measure(self.candidates[0])
        if self.best is None or measured.cost < self.best[0].cost:
            self._record(measured)
        return measured

    def _record(self, measured: Measured) -> Best:
        candidate = self.candidates[0]
        networks = {name: value.detach().clone() for name, value in candidate.networks.items()}
        self.best = measured, candidate.latents.detach().clone(), networks
        return self.best

    def _trained(self, measured: Measured, latents: Tensor, networks: Mapping[str, Tensor]) -> Trained:
        arrays = {name: value.numpy().astype(np.float32) for name, value in networks.items()}
        values = latents * self.settings.gain
        return Trained(hard_round(values).numpy().astype(np.int8), values.numpy(), arrays, measured)


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])


def _plain(value: Any) -> Any:
    """Candidates and optimisers as arrays, numbers, lists and dicts."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy().copy()
    if isinstance(value, Spec):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return _plain(vars(value)) if hasattr(value, "__dict__") else value


def _filled(template: Any, plain: Any) -> Any:
    """What `_plain` was made of, shaped like a template."""
    if isinstance(template, torch.Tensor):
        return torch.from_numpy(np.array(plain)).clone()  # in memory that torch aligned: rounding depends on it
    if isinstance(template, Spec):
        return type(template).model_validate(plain)
    if isinstance(template, dict):
        return {name: _filled(one, plain[name]) for name, one in template.items()}  # sums go in this order
    if isinstance(template, list | tuple):
        return type(template)(_filled(one, value) for one, value in zip(template, plain, strict=True))
    if hasattr(template, "__dict__"):
        made = object.__new__(type(template))
        vars(made).update({name: _filled(vars(template)[name], one) for name, one in plain.items()})
        return made
    return type(template)(plain)
