"""The training of a pyramid as the rest of the library drives it, and how it meets a size."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from inr.backends.base import Field
from inr.coders.latent.encoded import LatentField
from inr.coders.latent.network_bits import quantise
from inr.coders.latent.plan import PARAMETER_BYTES, LatentPlan, parameters_of
from inr.coders.latent.stream import Pyramid, encode
from inr.coders.latent.synthesis import Synthesis
from inr.coders.latent.training import LatentTraining, TrainingSpec
from inr.coders.latent.twin import Measured, Twin, hard_round
from inr.fitting.spec import Budget
from inr.fitting.trained import FitReport, Trained
from inr.fitting.training import State, Training
from inr.samplers.base import Moment
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal
from inr.spec import Spec

FILL = 0.985
"""Share of a size that the training aims at; what is left is for errors of the estimate."""
LARGEST_MOVE = 2.0
"""Factor by which one correction changes lambda, at most."""
FARTHEST = 100.0
"""Factor by which lambda may differ from what was planned while the schedule lasts."""
SETTLED = 0.3
"""Share of the main phase after which sizes say something."""
REPAIRS = 8
"""Corrections after the end, at most; after them the finest levels are left out one by one."""
REPAIR_STEPS = 20
"""Iterations of each."""
REPAIR_RATE = 1e-2


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedLatents(Trained):
    """A pyramid whose networks are quantised."""

    pyramid: Pyramid


@final
class LatentFit(Training[TrainedLatents]):
    """Iterations of `LatentTraining`, with a lambda that follows the size where there is one."""

    def __init__(self, signal: Signal, plan: LatentPlan) -> None:
        """Prepare the first step."""
        self.signal, self.seed, self.backend = signal, plan.seed, "torch"
        self.budget = Budget(steps=plan.iterations)
        self.identity, self.on_grids = f"latent {plan.to_json()}", True
        self._plan, self._spec = plan, plan.latents
        shape = signal.domain.shape
        values = signal.block_targets(tuple(np.arange(n) for n in shape)).reshape(*shape, -1)
        picture = np.ascontiguousarray(np.moveaxis((values + 1) / 2, -1, 0), dtype=np.float32)
        settings = TrainingSpec(
            lmbda=plan.lmbda,
            iterations=plan.iterations,
            seed=plan.seed,
            warm_up=_warm_up(plan.iterations),
            validate_every=max(1, min(50, plan.iterations // 20)),
        )
        self._training = LatentTraining(picture, self._spec, settings)
        self._loss = float(np.square(values).mean())

    def step(self, moment: Moment) -> float:
        """See `Training`."""
        del moment
        measured = self._training.step()
        if measured is not None:
            self._loss = 4 * measured.mse
            self._follow(measured)
        return self._loss

    def field(self) -> Field:
        """See `Training`: with hard-rounded symbols."""
        training = self._training
        winner = training.candidates[0]
        symbols = hard_round(winner.latents * training.settings.gain).numpy().astype(np.int64)
        values = {name: tensor.numpy().copy() for name, tensor in winner.networks.items()}
        synthesis = Synthesis(
            self._spec, training.twin.height, training.twin.width, values, _grids(training.twin, symbols)
        )
        return LatentField(self.signal.domain, synthesis)

    def trained(self, report: FitReport) -> TrainedLatents:
        """See `Training`; iterations with a higher lambda follow as long as the size is not met."""
        pyramid = self._quantised()
        for repair in range(REPAIRS + self._spec.levels):
            excess = self._excess(pyramid)
            if excess <= 1:
                break
            if repair < REPAIRS:
                self._change_lmbda(max(1.1, min(excess**2, 2.0)))
                for _ in range(REPAIR_STEPS):
                    self._training._soft_step(self._training.candidates[0], REPAIR_RATE, 0.15, 0.1)
            else:
                self._leave_out(repair - REPAIRS)
            pyramid = self._quantised()
        info = SignalInfo.of(self.signal)
        return TrainedLatents(
            pyramid=pyramid, channels=info.channels, domain=info.domain, meta=info.meta, report=report
        )

    def state(self) -> State:
        """See `Training`."""
        training = self._training
        best = None
        if training.best is not None:
            measured, symbols, networks = training.best
            best = [dataclasses.asdict(measured), _plain(symbols), _plain(networks)]
        return {
            "done": training.done,
            "lmbda": training.settings.lmbda,
            "loss": self._loss,
            "best": best,
            "candidates": _plain(training.candidates),
        }

    def restore(self, state: State) -> None:
        """See `Training`."""
        training = self._training
        training.done, self._loss = int(state["done"]), float(state["loss"])
        training.settings = training.settings.replace(lmbda=float(state["lmbda"]))
        template = training._start(0)  # the only one that knows how to make a candidate
        training.candidates = [_filled(template, one) for one in state["candidates"]]
        training.best = None
        if state["best"] is not None:
            measured, symbols, networks = state["best"]
            training.best = (
                Measured(**measured),
                _filled(template.latents, symbols),
                _filled(template.networks, networks),
            )

    def _follow(self, measured: Measured) -> None:
        """Correct lambda by what the file would take now, while the symbols still move."""
        payload, settings = self._plan.payload, self._training.settings
        main = settings.iterations - settings.last_iterations
        first = settings.warm_iterations + SETTLED * (main - settings.warm_iterations)
        if payload is None or not first <= self._training.done <= main - settings.validate_every:
            return
        networks = PARAMETER_BYTES * parameters_of(self._spec)
        aim = max(FILL * payload - networks, 0.1 * payload)
        ratio = max(measured.bpp * self.signal.domain.size / 8, 1.0) / aim
        factor = min(max(ratio**1.5, 1 / LARGEST_MOVE), LARGEST_MOVE)
        wanted = min(max(settings.lmbda * factor, self._plan.lmbda / FARTHEST), self._plan.lmbda * FARTHEST)
        self._change_lmbda(wanted / settings.lmbda)

    def _excess(self, pyramid: Pyramid) -> float:
        """What the payloads take, over what they may take."""
        if self._plan.payload is None:
            return 0.0
        return sum(map(len, encode(pyramid, self._plan.layers))) / self._plan.payload

    def _leave_out(self, level: int) -> None:
        """Clear the grids up to a level, and let the networks see what remains."""
        training = self._training
        winner = training.candidates[0]
        for grid, (a, b) in zip(training.twin.grids, training.twin.spans, strict=True):
            if grid.level <= level:
                winner.latents[a:b] = 0
        training.best = None
        for _ in range(REPAIR_STEPS):
            training._hard_step(winner)

    def _change_lmbda(self, factor: float) -> None:
        """Costs by another lambda do not compare, so the best is looked for anew."""
        training = self._training
        lmbda = min(max(training.settings.lmbda * factor, 1e-7), 1e3)
        training.settings = training.settings.replace(lmbda=lmbda)
        training.best = None

    def _quantised(self) -> Pyramid:
        training, twin = self._training, self._training.twin
        found = training.result()
        symbols = torch.from_numpy(found.symbols).float()
        networks = {name: torch.from_numpy(value) for name, value in found.networks.items()}
        quantised = quantise(twin, symbols, networks, training.target, training.settings.lmbda)
        grids = _grids(twin, found.symbols.astype(np.int64))
        return Pyramid(self._spec, twin.height, twin.width, quantised.networks, grids)


def _warm_up(iterations: int) -> tuple[tuple[int, int], ...]:
    """Rounds of the warm-up: a sixth of all iterations, none of very few."""
    if iterations < 120:
        return ()
    if iterations < 2000:
        return ((2, math.ceil(iterations / 20)), (1, math.ceil(iterations / 20)))
    return ((5, 50), (2, 50))


def _grids(twin: Twin, symbols: Any) -> dict[str, Any]:
    """The vector of all symbols as grids by their names."""
    return {
        grid.name: symbols[a:b].reshape(grid.height, grid.width)
        for grid, (a, b) in zip(twin.grids, twin.spans, strict=True)
    }


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
