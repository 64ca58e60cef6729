"""The training of a pyramid as the rest of the library drives it."""

import dataclasses
import math
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from inr.backends.base import Field
from inr.coders.latent.coarse import BITS, HalfSize, detailed, steps_of_copy
from inr.coders.latent.dial import dialled
from inr.coders.latent.encoded import LatentField
from inr.coders.latent.engine import Floats, Measured, hard_round
from inr.coders.latent.guess import guessed_lmbda
from inr.coders.latent.kernels import engine_of
from inr.coders.latent.plan import PARAMETER_BYTES, LatentPlan, betas, warm_up
from inr.coders.latent.rate import Goal, RateControl, reserve
from inr.coders.latent.schedule import TrainingSpec
from inr.coders.latent.shipped import OWN, shipped
from inr.coders.latent.squeeze import squeezed
from inr.coders.latent.stream import Pyramid, encode
from inr.coders.latent.synthesis import Synthesis
from inr.coders.latent.training import Best, LatentTraining
from inr.fitting.observe import whole_psnr
from inr.fitting.spec import Budget
from inr.fitting.trained import FitReport, Trained
from inr.fitting.training import State, Training
from inr.samplers.base import Moment
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedLatents(Trained):
    """A pyramid whose networks are quantised."""

    pyramid: Pyramid


@final
class LatentFit(Training[TrainedLatents]):
    """Iterations of `LatentTraining` under `RateControl`, for larger pictures after those of a copy."""

    def __init__(self, signal: Signal, plan: LatentPlan) -> None:
        """Prepare the first step."""
        self.signal, self.seed = signal, plan.seed
        self.identity, self.on_grids = f"latent {plan.replace(threads=None).to_json()}", True
        self._plan = plan
        shape = signal.domain.shape
        values = signal.block_targets(tuple(np.arange(n) for n in shape)).reshape(*shape, -1)
        picture = np.ascontiguousarray(np.moveaxis((values + 1) / 2, -1, 0), dtype=np.float32)
        lmbda = _first_lmbda(picture, plan)
        copy_steps = steps_of_copy(shape, plan.latents.levels, plan.iterations)
        if copy_steps and detailed(picture, lmbda):
            copy_steps = 0
        settings = TrainingSpec(
            lmbda=lmbda,
            iterations=plan.iterations - copy_steps,
            seed=plan.seed,
            warm_up=() if copy_steps else warm_up(plan.iterations, plan.start),
            betas=betas(plan.iterations),
            last_share=0.05,
            validate_every=max(1, min(50, plan.iterations // 20)),
        )
        engine = engine_of(plan.latents, picture, plan.threads)
        start = None if plan.start == OWN else shipped(plan.start).values()
        self.backend = engine.name
        self._training = LatentTraining(picture, plan.latents, settings, start, engine)
        self._last: tuple[Best, Pyramid, float] | None = None
        self._goal = _goal_of(plan)
        fit = weakref.proxy(self)  # a cycle would keep gigabytes until they are found
        self._control = RateControl(self._training, self._goal, lambda: fit._level())  # noqa: PLW0108 (that would hold it)
        self._copy = None
        if copy_steps:
            self._copy = HalfSize(picture, self._training, copy_steps, plan.threads)
        self.budget = Budget(steps=plan.iterations + (0 if self._goal is None else reserve(plan.iterations)))

    @property
    def finished(self) -> bool:
        """See `Training`."""
        return self._control.finished

    @property
    def steps_left(self) -> int | None:
        """See `Training`."""
        return self._control.left + (0 if self._copy is None else self._copy.left)

    @property
    def psnr(self) -> float | None:
        """See `Training`: of the last iteration's noisy pyramid, be it that of the copy."""
        soft = self._soft
        return None if soft is None else soft.psnr

    @property
    def bits(self) -> float | None:
        """See `Training`."""
        framing = 0 if self._plan.size is None or self._plan.payload is None else self._plan.size - self._plan.payload
        of_copy = 0.0 if self._copy is None or self._copy.soft is None else BITS * self._copy.soft.bpp
        return of_copy + self._control.bits + 8 * framing / self.signal.domain.size

    def step(self, moment: Moment) -> float:
        """See `Training`."""
        del moment
        if self._copy is None:
            self._control.step()
        else:
            self._copy.step()
            if self._copy.left == 0:
                self._copy.begin()
                self._copy = None
        soft = self._soft
        return 0.0 if soft is None else 4 * soft.mse

    def field(self) -> Field:
        """See `Training`: with hard-rounded symbols."""
        if self._copy is not None:
            symbols, networks = self._copy.start()
            grids = self._training.grids(np.rint(symbols).astype(np.int64))
            return self._shown(self._plan.latents.split(networks), grids)
        found = self._training.present()
        return self._shown(found.networks, self._training.grids(found.symbols.astype(np.int64)))

    def trained(self, report: FitReport) -> TrainedLatents:
        """See `Training`; symbols are chosen to reach the goal, and what is still too large loses details."""
        pyramid, _ = self._quantised()
        if self._goal is not None:
            pyramid = self._chosen(pyramid, self._goal)
        info = SignalInfo.of(self.signal)
        return TrainedLatents(
            pyramid=pyramid, channels=info.channels, domain=info.domain, meta=info.meta, report=report
        )

    def state(self) -> State:
        """See `Training`."""
        return {
            "training": self._training.state(),
            "control": self._control.state(),
            "copy": None if self._copy is None else self._copy.state(),
        }

    def restore(self, state: State) -> None:
        """See `Training`."""
        self._training.restore(state["training"])
        self._control.restore(state["control"])
        if state["copy"] is None:
            self._copy = None
        elif self._copy is not None:
            self._copy.restore(state["copy"])

    @property
    def _soft(self) -> Measured | None:
        return self._training.soft if self._copy is None else self._copy.soft

    def _level(self) -> tuple[float, float]:
        """See `RateControl`."""
        pyramid, network_bytes = self._quantised()
        return self._level_of(pyramid), network_bytes

    def _chosen(self, pyramid: Pyramid, goal: Goal) -> Pyramid:
        """One that reaches a goal, with the same networks."""
        training, payload = self._training, self._plan.payload
        networks = training.spec.joined(pyramid.networks.values(training.spec))

        def choose(place: float) -> tuple[Pyramid, Floats]:
            values = training.chosen(networks, math.exp(place))
            symbols = training.grids(hard_round(values).astype(np.int64))
            return dataclasses.replace(pyramid, grids=symbols), values

        first = pyramid, training.result().values
        found, values = dialled(first, choose, lambda one: self._level_of(one[0]), goal)
        if payload is None:
            return found
        return squeezed(found, training.grids(values), lambda one: self._size(one) <= payload)

    def _level_of(self, pyramid: Pyramid) -> float:
        return self._psnr(pyramid) if self._plan.payload is None else math.log(self._size(pyramid))

    def _size(self, pyramid: Pyramid) -> int:
        """Bytes of all payloads."""
        return sum(map(len, encode(pyramid, self._plan.layers)))

    def _psnr(self, pyramid: Pyramid) -> float:
        """PSNR in dB of the decoded file."""
        return whole_psnr(self._shown(pyramid.networks.values(pyramid.spec), pyramid.grids), self.signal)

    def _quantised(self) -> tuple[Pyramid, float]:
        """The best model as a file holds it, and the bytes of its networks, about; found once for each model."""
        training, engine = self._training, self._training.engine
        best = training.settled()
        if self._last is None or self._last[0] is not best:
            quantised = training.quantised(self._plan.start)
            grids = training.grids(training.result().symbols.astype(np.int64))
            pyramid = Pyramid(training.spec, engine.height, engine.width, quantised.networks, grids)
            self._last = best, pyramid, quantised.bits / 8
        return self._last[1:]

    def _shown(
        self, networks: dict[str, npt.NDArray[np.float32]], grids: Mapping[str, npt.NDArray[np.int64]]
    ) -> LatentField:
        engine = self._training.engine
        synthesis = Synthesis(self._plan.latents, engine.height, engine.width, networks, grids)
        return LatentField(self.signal.domain, synthesis)


def _goal_of(plan: LatentPlan) -> Goal | None:
    if plan.payload is not None:
        return Goal.of_size(plan.payload)
    return None if plan.psnr is None else Goal.of_psnr(plan.psnr)


def _first_lmbda(picture: npt.NDArray[np.float32], plan: LatentPlan) -> float:
    """That of the plan, or what might meet its target for this picture."""
    if plan.payload is not None:
        networks = PARAMETER_BYTES * plan.latents.parameters
        latents = max(plan.payload - networks, 0.2 * plan.payload)
        return guessed_lmbda(picture, bpp=8 * latents / picture[0].size)
    return plan.lmbda if plan.psnr is None else guessed_lmbda(picture, psnr=plan.psnr)
