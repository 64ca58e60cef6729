"""Rate control: how a training meets a size or a PSNR.

Three things act, one after the other. While symbols move freely, lambda follows the target at every validation; what
the file will be is told from the validation by a calibration, for which the networks are quantised for real in the
middle of the main phase and at its end. Large errors that are left then are corrected by short rounds at a small
learning rate, in which latents drift by a few percent of their bits for a large factor of lambda, next to J's optimum;
if the file misses by much after the last phase, more such rounds follow. What is missing in the end is made up for by a
choice of symbols, see `inr.coders.latent.dial`. All of it depends on nothing but the training, and can stop and go on
after any iteration.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from inr.coders.latent.engine import Measured
from inr.coders.latent.plan import LEAST_RESERVE, PARAMETER_BYTES, RESERVE
from inr.coders.latent.training import LatentTraining

SETTLED = 0.1
"""Share of the main phase from which validations tell where it will end."""
FOLLOWED = 0.9
"""Share of the main phase up to which lambda follows; later latents hardly move."""
CALIBRATED = 0.5
"""Share of the main phase at which the first calibration is made."""
LARGEST_LEAD = 5.0
"""Factor by which lambda may be ahead of the one that the symbols have settled to, at most."""
FIRST = 1e-3
"""The lambda of the warm-up, at least. One that is too low while the networks are still random lets the symbols run
away, and they do not come back in time; one that is too high costs little."""
LOWEST, HIGHEST, HIGHEST_FOR_PSNR = 1 / 2, 30.0, 4.0
"""Factors of the lambda that was planned, between which it stays at first; it may always go down to `SAFE`."""
SAFE = 3e-4
SECURE, FARTHEST = 0.4, 1 / 20
"""Share of the main phase after which it may go lower, and the factor down to which."""
USUAL = 300
"""Iterations for which the fall of levels is told below; it goes with one over the square root."""
LARGEST_ROUND = 10.0
"""Factor of lambda in a round, at most."""
ROUND_RATES = (6e-4, 1.5e-3, 5e-3)
"""Learning rates of rounds for small, large and very large errors; higher ones move more and cost more quality."""
ROUND_SHARE, SHORTEST_ROUND, LONGEST_ROUND = 0.04, 20, 60
"""Iterations of a round: a share of the plan's, within limits."""
BEFORE_LAST = 0.5
"""Share of the reserve that rounds before the last phase may take."""


SIZE_LEAST, SIZE_AIM = 0.97, 0.985
"""Shares of a size: how much of it is used at least, and about."""
PSNR_MORE, PSNR_AIM = 0.13, 0.06
"""By how many dB a PSNR is exceeded at most, and about."""


@dataclass(frozen=True)
class Goal:
    """A level that the file has to reach, and how levels answer to lambda; levels are logarithms of bytes, or dB.

    Attributes:
        size: True for bytes of all payloads, False for a PSNR.
        lowest: the lowest level that is allowed.
        highest: the highest one.
        aim: within these.
        follows: by how much the level falls for a factor e of lambda, if the symbols can go as far as they like; if
            they can go d at most, the share 1 - e^-d of that.
        falls: by how much the level will still change from the beginning of the main phase to the end, about.
        dial: by how much the level falls for a factor e of lambda, if symbols are chosen by it.
        near: an error that is left to such a choice.
        far: an error from which rounds have the higher rate.
    """

    size: bool
    lowest: float
    highest: float
    aim: float
    follows: float
    falls: float
    dial: float
    near: float
    far: float

    @classmethod
    def of_size(cls, payload: int) -> "Goal":
        """Payloads of at most so many bytes, and nearly as many."""
        low, high, aim = (math.log(payload * share) for share in (SIZE_LEAST, 1.0, SIZE_AIM))
        return cls(True, low, high, aim, follows=0.55, falls=-0.45, dial=0.08, near=0.03, far=0.05)

    @classmethod
    def of_psnr(cls, psnr: float) -> "Goal":
        """A PSNR in dB of at least so much, and hardly more."""
        high, aim = psnr + PSNR_MORE, psnr + PSNR_AIM
        return cls(False, psnr, high, aim, follows=2.5, falls=3.5, dial=0.5, near=0.15, far=0.3)

    def miss(self, level: float) -> float:
        """By how much a level is out of the range that is allowed; 0 within."""
        return max(self.lowest - level, level - self.highest, 0.0)

    def badness(self, level: float) -> tuple[bool, float]:
        """What orders files by their levels: whether one is too large, or too bad, and by how much it misses."""
        return (level > self.highest if self.size else level < self.lowest), self.miss(level)

    def met(self, level: float) -> bool:
        """True if a file of this level is near enough to what was asked for."""
        return self.miss(level) <= self.near


@dataclass
class _State:
    """All that changes, beside the training: numbers only."""

    lmbda: float
    settled: float
    ratio: float = 1.0
    network_bytes: float = 0.0
    offset: float = 0.0
    calibrations: int = 0
    gated: bool = False
    finished: bool = False
    soft: int = 0
    hard: int = 0
    length: int = 0
    pace: int = 0
    spent: int = 0
    ahead: float = 0.0
    before: float = 0.0
    factor: float = 1.0
    response: float = 1.0


@final
class RateControl:
    """Drives a training to a goal, one iteration at a time.

    Args:
        training: before its first iteration.
        goal: what the file has to reach; None to keep lambda as it is.
        level: the level of the file that the training's best model makes, with the networks quantised, measured for
            real; and bytes of its networks, estimated.
    """

    def __init__(self, training: LatentTraining, goal: Goal | None, level: Callable[[], tuple[float, float]]) -> None:
        self._training, self._goal, self._level = training, goal, level
        iterations = training.settings.iterations
        self._planned = training.settings.lmbda
        if goal is not None:
            training.change_lmbda(max(self._planned, FIRST))
        self._reserve = 0 if goal is None else reserve(iterations)
        self._length = max(SHORTEST_ROUND, min(round(ROUND_SHARE * iterations), LONGEST_ROUND))
        self._state = _State(
            training.settings.lmbda,
            training.settings.lmbda,
            ahead=self._travel(0.0),
            network_bytes=PARAMETER_BYTES * training.spec.parameters,
        )

    @property
    def finished(self) -> bool:
        """True if nothing is left to do."""
        return self._state.finished

    @property
    def left(self) -> int:
        """Iterations to come, as far as is known."""
        settings, state = self._training.settings, self._state
        return settings.iterations - self._training.done + state.soft + state.hard

    @property
    def bits(self) -> float:
        """Bits a pixel of the payloads as they are now, about."""
        soft, engine = self._training.soft, self._training.engine
        latents = 0.0 if soft is None else soft.bpp * self._state.ratio
        return latents + 8 * self._state.network_bytes / (engine.height * engine.width)

    def step(self) -> None:
        """One iteration, and what has to be decided after it."""
        training, state = self._training, self._state
        if state.soft + state.hard > 0:
            self._advance_round()
            return
        measured = training.step()
        if self._goal is None:
            state.finished = training.finished
            return
        if measured is not None and SETTLED <= training.share <= FOLLOWED:
            self._follow(self._goal, measured)
        if training.share == 1 and not state.gated and not training.finished:
            state.lmbda = state.settled
            training.change_lmbda(state.lmbda)
            training.choose()
            training.adopt()
            self._leave_main(self._goal, self._calibrate())
        if training.finished:
            self._end(self._goal)

    def state(self) -> dict[str, Any]:
        """A copy of all that changes, that of the training aside."""
        return dataclasses.asdict(self._state)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned; the training is restored by itself."""
        self._state = _State(**state)

    def _estimate(self, goal: Goal, measured: Measured) -> float:
        """The level that the present model would have, quantised."""
        state, engine = self._state, self._training.engine
        if not goal.size:
            return measured.psnr + state.offset
        latents = measured.bpp * engine.height * engine.width / 8 * state.ratio
        return math.log(max(latents + state.network_bytes, 1.0))

    def _calibrate(self) -> float:
        """Learn what quantised networks and the range coder make of what the training measures; the level."""
        training, state = self._training, self._state
        level, network_bytes = self._level()
        measured = training.result().measured
        state.calibrations += 1
        if self._goal is not None and self._goal.size:
            latents = measured.bpp * training.engine.height * training.engine.width / 8
            state.network_bytes = network_bytes
            state.ratio = min(max((math.exp(level) - network_bytes) / max(latents, 1.0), 0.5), 3.0)
        else:
            state.offset = level - measured.psnr
        return level

    def _follow(self, goal: Goal, measured: Measured) -> None:
        """Correct lambda by where the main phase will end, while the symbols still move."""
        training, state = self._training, self._state
        if state.calibrations == 0 and training.share >= CALIBRATED:
            self._calibrate()
        ahead = self._travel(training.share)
        state.settled *= (state.lmbda / state.settled) ** (1 - math.exp(ahead - state.ahead))
        state.ahead = ahead
        rest = (1 - training.share) ** 2 * math.sqrt(USUAL / max(training.settings.iterations, USUAL / 2))
        falls = math.log1p(goal.falls * rest) if goal.size else goal.falls * rest
        error = self._estimate(goal, measured) + falls - goal.aim
        wanted = state.settled * _power(error / goal.follows / (1 - math.exp(-ahead)), LARGEST_LEAD)
        lowest = min(LOWEST, SAFE / self._planned) if training.share < SECURE else FARTHEST
        highest = HIGHEST if goal.size else HIGHEST_FOR_PSNR
        state.lmbda = self._planned * min(max(wanted / self._planned, lowest), max(highest, FIRST / self._planned))
        training.change_lmbda(state.lmbda)

    def _leave_main(self, goal: Goal, level: float) -> None:
        """Begin the last phase, after a round if the level is too far off."""
        error, before = abs(level - goal.aim), abs(self._state.before - goal.aim)
        stuck = self._state.length > 0 and error > 0.9 * before
        if error > goal.near and not stuck and self._may_tune(goal, level):
            self._begin_round(goal, level, hard=False)
            return
        self._state.gated = True

    def _end(self, goal: Goal) -> None:
        """The last phase is over: done, unless the file misses and there is time for a round."""
        level, _ = self._level()
        self._state.gated = True
        if goal.met(level) or not self._may_tune(goal, level):
            self._state.finished = True
            return
        self._begin_round(goal, level, hard=True)

    def _may_tune(self, goal: Goal, level: float) -> bool:
        """True if there are iterations for a round; without a level below for a size, which is worth less."""
        state = self._state
        if not state.gated:
            return state.spent + self._length <= BEFORE_LAST * self._reserve
        stuck = goal.size and level < goal.lowest and state.lmbda <= self._planned * FARTHEST
        return state.spent + self._length + self._length // 2 <= self._reserve and not stuck

    def _begin_round(self, goal: Goal, level: float, hard: bool) -> None:
        state = self._state
        state.before = level
        far = abs(level - goal.aim) / goal.far
        state.pace = 0 if far <= 1 else 1 if far <= 3 else 2
        state.factor = _power((level - goal.aim) / (self._drift(goal) * state.response), LARGEST_ROUND)
        state.soft = state.length = self._length
        state.hard = self._length // 2 if hard else 0
        state.spent += state.soft + state.hard
        self._training.change_lmbda(state.lmbda * state.factor)

    def _advance_round(self) -> None:
        """One iteration of a round; at its end see what it brought."""
        training, state, goal = self._training, self._state, self._goal
        if goal is None:
            return
        if state.soft > 0:
            done = 1 - state.soft / state.length
            training.tune(0.5 * ROUND_RATES[state.pace] * (1 + math.cos(math.pi * done)))
            state.soft -= 1
            if state.soft == 0:
                training.change_lmbda(state.lmbda)
            if state.soft + state.hard == 0:
                training.choose()
        else:
            length = state.length // 2
            training.settle(length - state.hard, length)
            state.hard -= 1
        if state.soft + state.hard > 0:
            return
        level = self._estimate(goal, training.adopt())
        self._learn(goal, level)
        if state.gated:
            self._end(goal)
        else:
            self._leave_main(goal, level)

    def _learn(self, goal: Goal, level: float) -> None:
        """How far a round moved the level, for the next one."""
        state, moved = self._state, math.log(self._state.factor)
        if abs(moved) > 0.1:
            found = (state.before - level) / moved / self._drift(goal)
            state.response = min(max(found, 0.25), 2.0)

    def _drift(self, goal: Goal) -> float:
        """How far the level falls in a round for a factor e of lambda, about."""
        travel = self._training.settings.gain * ROUND_RATES[self._state.pace] / 2 * self._length
        return goal.follows * (1 - math.exp(-travel))

    def _travel(self, share: float) -> float:
        """How far symbols can still go after a share of the main phase: the sum of the learning rates of a cosine."""
        settings = self._training.settings
        length = settings.iterations - settings.warm_iterations - settings.last_iterations
        rest = (1 - share) / 2 - math.sin(math.pi * share) / (2 * math.pi)
        return settings.gain * settings.rate * length * max(rest, 1e-6)


def reserve(iterations: int) -> int:
    """Iterations that rounds may take, beside those that were planned."""
    return max(round(RESERVE * iterations), LEAST_RESERVE)


def _power(exponent: float, largest: float) -> float:
    """A power of e, within 1 / largest and largest."""
    most = math.log(largest)
    return math.exp(min(max(exponent, -most), most))
