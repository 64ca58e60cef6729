"""Overfitting a pyramid and its networks to one picture, from random weights, with explicit state.

Schedule: Ladune et al. 2023-2026 (Cool-Chic 5): a warm-up that keeps the best of several random starts, a main phase of
soft rounding with noise, and a last phase of hard rounding, in which here symbols are chosen while the networks follow.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.coders.latent.engine import Engine, Floats, Measured, Moments, Optimiser, Softness, hard_round
from inr.coders.latent.kernels import engine_of
from inr.coders.latent.network_bits import Quantised, quantise
from inr.coders.latent.rdoq import Trial, improve, passes_of, trials
from inr.coders.latent.schedule import TrainingSpec
from inr.coders.latent.shipped import OWN
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.start import random_start
from inr.rng import generator

SOAP_EVERY = 10
"""Steps between two renewals of the eigenbases of the networks' gradients; in the warm-up it is every step."""
A_CHOICE = 2
"""Passes of a choice of symbols outside the last phase."""


@dataclass(eq=False)
class Candidate:
    """One pyramid with its networks while they are trained.

    Attributes:
        number: of its random stream.
        latents: what Adam moves, all grids in coding order; symbols are `gain` times these, rounded.
        networks: all tensors, one after the other.
        moments: of Adam for the latents.
        soap: of the networks.
        steps: iterations in all phases.
    """

    number: int
    latents: Floats
    networks: Floats
    moments: Moments
    soap: Optimiser
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
    values: Floats
    networks: dict[str, npt.NDArray[np.float32]]
    measured: Measured


Best = tuple[Measured, Floats, Floats]
"""What was measured of the best model so far, its latents and its networks."""

Report = Callable[[int, Measured], None]
"""Called after a validation with the iterations so far and what was measured."""


class LatentTraining:
    """A training that can be advanced one iteration at a time."""

    def __init__(
        self,
        picture: npt.NDArray[np.float32],
        spec: LatentSpec,
        settings: TrainingSpec,
        start: Floats | None = None,
        engine: Engine | None = None,
    ) -> None:
        """Prepare the first iteration.

        Args:
            picture: ``(channels, height, width)``, values in [0, 1].
            spec: the pyramid and its networks.
            settings: the schedule.
            start: networks to start from, and to decay to, ``(parameters,)``; None for random ones.
            engine: what computes; None for the best one.
        """
        self.spec, self.settings = spec, settings
        self.engine = engine_of(spec, picture) if engine is None else engine
        self.done = 0
        self.soft: Measured | None = None
        """Of the last iteration: of its noisy pyramid, before it moved anything."""
        self.best: Best | None = None
        self.origin = start
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
            self._soft_step(self.candidates[0], settings.rate_at(share), *settings.noise_at(share))
        else:
            if main == length:
                self._begin_last()
            self.settle(main - length, settings.iterations - len(self._turns) - length)
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
        return self._trained(*self.settled())

    def settled(self) -> Best:
        """The best validated model, or where there is none the present one, which is it then."""
        return self.best or self._record(self._measure(self.candidates[0]))

    def present(self) -> Trained:
        """The model as it is now, without the measurement of a validation: the cost is that of the last iteration."""
        winner = self.candidates[0]
        return self._trained(self.soft or Measured(0.0, 0.0, self.settings.lmbda), winner.latents, winner.networks)

    def quantised(self, number: int = OWN) -> Quantised:
        """The networks of `result` in integers, by the search of `quantise` at the present lambda.

        Args:
            number: of shipped networks, whose difference may be stored; 0 for none.
        """
        _, latents, networks = self.settled()
        symbols = hard_round(latents * np.float32(self.settings.gain))
        return quantise(self.engine, symbols, networks, self.settings.lmbda, number=number)

    def grids(self, values: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """A vector of all symbols, or of something about each, as grids by their names."""
        return self.spec.split_grids(values, self.engine.height, self.engine.width)

    def change_lmbda(self, lmbda: float) -> None:
        """Go on with another lambda. Costs by two of them do not compare, so the best is forgotten."""
        self.settings = self.settings.replace(lmbda=lmbda)
        self.best = None

    def adopt(self) -> Measured:
        """Measure the present model, and make it the best whatever it costs."""
        return self._record(self._measure(self.candidates[0]))[0]

    def tune(self, rate: float) -> None:
        """One iteration outside the schedule, after the main phase; it does not count as `done`.

        Noise and temperature are those that the main phase ends with.

        Args:
            rate: of latents and networks.
        """
        self._soft_step(self.candidates[0], rate, self.settings.sigma[1], self.settings.temperature[1])

    def choose(self) -> None:
        """Choose symbols as the last phase does, which will then change little."""
        self._choose(trials(A_CHOICE, self.spec.levels))

    def chosen(self, networks: Floats, factor: float) -> Floats:
        """Symbols of the best model, not rounded, ``(size,)``, as chosen with other networks and another lambda.

        Args:
            networks: ``(parameters,)``.
            factor: of lambda.
        """
        latents, settings = self.settled()[1].copy(), self.settings
        some = trials(A_CHOICE, self.spec.levels)
        improve(self.engine, latents, networks, settings.gain, factor * settings.lmbda, some)
        return latents * np.float32(settings.gain)

    def settle(self, at: int, length: int) -> None:
        """One iteration of a last phase: symbols are chosen, and networks follow. It does not count as `done`.

        Args:
            at: its number, 0 ...
            length: iterations of the phase.
        """
        winner, settings = self.candidates[0], self.settings
        every = trials(passes_of(length), self.spec.levels)
        self._choose(every[len(every) * at // length : len(every) * (at + 1) // length])
        self.soft, gradients = self.engine.hard_gradients(
            winner.latents, winner.networks, settings.gain, settings.lmbda
        )
        self._move_networks(winner, gradients, settings.last_rate)

    def state(self) -> dict[str, Any]:
        """A copy of all that changes, as arrays, numbers, lists and dicts."""
        best = None
        if self.best is not None:
            measured, latents, networks = self.best
            best = [dataclasses.asdict(measured), latents.copy(), networks.copy()]
        return {
            "done": self.done,
            "lmbda": self.settings.lmbda,
            "soft": None if self.soft is None else dataclasses.asdict(self.soft),
            "best": best,
            "candidates": [_plain(candidate) for candidate in self.candidates],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` of a training of the same picture and settings returned."""
        self.done = int(state["done"])
        self.settings = self.settings.replace(lmbda=float(state["lmbda"]))
        self.soft = None if state["soft"] is None else Measured(**state["soft"])
        self.candidates = [self._filled(one) for one in state["candidates"]]
        self.best = None
        if state["best"] is not None:
            measured, latents, networks = state["best"]
            self.best = Measured(**measured), _floats(latents), _floats(networks)

    def _start(self, number: int) -> Candidate:
        settings = self.settings
        networks = self.origin
        if networks is None:
            networks = random_start(self.spec, generator(settings.seed, "latent networks", number))
        latents = np.zeros(self.engine.size, dtype=np.float32)
        soap = self._soap(1 if settings.warm_up else SOAP_EVERY)
        return Candidate(number, latents, networks.copy(), self._moments(settings.warm_betas), soap)

    def _soap(self, every: int = SOAP_EVERY) -> Optimiser:
        return self.engine.optimiser(every, self.origin)

    def _moments(self, betas: tuple[float, float]) -> Moments:
        return Moments(np.zeros(self.engine.size, np.float32), np.zeros(self.engine.size, np.float32), betas)

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
        settings = self.settings
        self._soft_step(self.candidates[place], settings.rate, settings.warm_sigma, settings.temperature[0])
        if ends:
            costs = [self._measure(candidate).cost for candidate in self.candidates]
            order = sorted(range(len(costs)), key=costs.__getitem__)
            self.candidates = [self.candidates[i] for i in order[:survivors]]

    def _begin_main(self) -> None:
        winner = self.candidates[0]
        self.candidates = [winner]
        winner.moments = self._moments(self.settings.betas)
        winner.soap = self._soap()

    def _begin_last(self) -> None:
        _, latents, networks = self.settled()
        winner = self.candidates[0]
        winner.latents, winner.networks = latents.copy(), networks.copy()
        winner.soap = self._soap()

    def _soft_step(self, candidate: Candidate, rate: float, sigma: float, temperature: float) -> None:
        random = generator(self.settings.seed, "latent noise", candidate.number, candidate.steps)
        key = int(random.integers(1 << 63))
        softness = Softness(self.settings.gain, sigma, temperature, key)
        self.soft, gradients = self.engine.soft_step(
            candidate.latents, candidate.networks, softness, self.settings.lmbda, candidate.moments, rate
        )
        self._move_networks(candidate, gradients, rate)

    def _choose(self, some: Sequence[Trial]) -> None:
        winner, settings = self.candidates[0], self.settings
        improve(self.engine, winner.latents, winner.networks, settings.gain, settings.lmbda, some)

    def _move_networks(self, candidate: Candidate, gradients: Floats, rate: float) -> None:
        norm = float(np.sqrt(np.square(gradients, dtype=np.float64).sum()))
        if norm > self.settings.clip:
            gradients = gradients * np.float32(self.settings.clip / norm)
        candidate.soap.step(candidate.networks, gradients, rate)
        candidate.steps += 1

    def _measure(self, candidate: Candidate) -> Measured:
        return self.engine.measure(candidate.latents, candidate.networks, self.settings.gain, self.settings.lmbda)

    def _validate(self) -> Measured:
        measured = self._measure(self.candidates[0])
        if self.best is None or measured.cost < self.best[0].cost:
            self._record(measured)
        return measured

    def _record(self, measured: Measured) -> Best:
        candidate = self.candidates[0]
        self.best = measured, candidate.latents.copy(), candidate.networks.copy()
        return self.best

    def _trained(self, measured: Measured, latents: Floats, networks: Floats) -> Trained:
        values = latents * np.float32(self.settings.gain)
        return Trained(hard_round(values).astype(np.int8), values, self.spec.split(networks.copy()), measured)

    def _filled(self, state: dict[str, Any]) -> Candidate:
        """What `_plain` was made of."""
        moments = Moments(_floats(state["mean"]), _floats(state["square"]), tuple(state["betas"]), int(state["moved"]))
        soap = self._soap(int(state["every"]))
        soap.state = np.array(state["soap"], dtype=np.float64)
        latents, networks = _floats(state["latents"]), _floats(state["networks"])
        return Candidate(int(state["number"]), latents, networks, moments, soap, int(state["steps"]))


def _floats(values: Any) -> Floats:
    """A copy."""
    return np.array(values, dtype=np.float32)


def _plain(candidate: Candidate) -> dict[str, Any]:
    moments = candidate.moments
    return {
        "number": candidate.number,
        "latents": candidate.latents.copy(),
        "networks": candidate.networks.copy(),
        "mean": moments.mean.copy(),
        "square": moments.square.copy(),
        "betas": list(moments.betas),
        "moved": moments.steps,
        "soap": candidate.soap.state.copy(),
        "every": candidate.soap.every,
        "steps": candidate.steps,
    }
