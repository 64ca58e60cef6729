"""The steps of a coordinate network: it knows samples and learning rates, and leaves the arithmetic to a backend."""

import copy
from typing import final

from inr.backends.base import AbstractTrainer, Field, Resources, Values, lesson_refusal
from inr.backends.select import select
from inr.container.limits import MAX_PARAMETERS
from inr.errors import SpecError
from inr.fitting.run import Hooks, train
from inr.fitting.spec import FitSpec
from inr.fitting.trained import FitReport, TrainedNetwork
from inr.fitting.training import State, Training
from inr.models.base import ModelSpec
from inr.rng import derive_seed, generator
from inr.samplers.base import FlatIndex, Moment
from inr.signals.signal import Signal


def fit(signal: Signal, spec: FitSpec, hooks: Hooks | None = None) -> TrainedNetwork:
    """Fit a network to a signal.

    Args:
        signal: what to fit.
        spec: all settings.
        hooks: events, cancellation, checkpoints.

    Returns:
        The parameters after the last step and the report.

    Raises:
        SpecError: settings that contradict each other or the signal.
        BackendUnavailableError: the backend cannot run here, or not this model.
        DivergenceError: the loss became infinite or not a number.
        FitCancelledError: `hooks.cancelled` said so; a checkpoint was written if wanted.
        CheckpointError: the checkpoint to resume from belongs to another fit.
    """
    return train(lambda: NetworkTraining(signal, spec), hooks)


@final
class NetworkTraining(Training[TrainedNetwork]):
    """A coordinate network, its optimiser and its sampler.

    Args:
        signal: what to fit.
        spec: all settings.

    Raises:
        SpecError: settings that contradict each other or the signal.
        BackendUnavailableError: the backend cannot run here, or not this model.
    """

    def __init__(self, signal: Signal, spec: FitSpec) -> None:
        self.signal, self.budget, self.seed = signal, spec.budget, spec.seed
        self.identity = spec.model_dump_json(exclude={"budget"})
        self.remedy = f"use a learning rate below {spec.learning_rate:g}"
        self._spec = spec
        spec.model.check(signal.domain, signal.channels)
        _check_parameters(spec.model, signal)
        _check_pulled(spec, signal)
        self._task = spec.task.start(signal, spec.loss)
        self._model, self.search = spec.init.prepare(spec.model, signal, derive_seed(spec.seed, "search"))
        network = self._model.build(signal.domain, signal.channels)
        tensors = spec.init.apply(self._model, network, signal, generator(spec.seed, "init"))
        spec.reparam.check(self._model, network)
        backend = select(spec.backend, network, spec.device, spec.loss, spec.pulls)
        self.backend = backend.kind
        self._trainer: AbstractTrainer = backend.trainer(
            network,
            tensors,
            spec.loss,
            spec.optimiser,
            spec.device,
            derive_seed(spec.seed, "training"),
            Resources(spec.threads, spec.bf16),
            spec.reparam,
        )
        self._sampler = spec.sampler.start(signal, derive_seed(spec.seed, "sampler"), self._residuals)
        if spec.pulls and self._sampler.wants == "gradients":
            raise SpecError(f"sampler {spec.sampler.kind}: {_asking(spec)} gives no gradients by coordinates")
        self.on_grids = network.contraction is not None

    def step(self, moment: Moment) -> float:
        """See `Training`: sample, evaluate, move the parameters, and tell the sampler what came out."""
        spec = self._spec
        selection = self._sampler.select(moment)
        rate = spec.learning_rate * spec.schedule.factor(moment.progress)
        result = self._trainer.step(self._task.batch(selection, moment), rate, self._sampler.wants)
        if result.residuals is not None:
            self._sampler.observe(moment, selection, result.residuals, result.gradients)
        return result.loss

    def field(self) -> Field:
        """See `Training`."""
        return self._trainer.field()

    def seen(self) -> Field:
        """See `Training`."""
        return self._task.seen(self.field())

    def trained(self, report: FitReport) -> TrainedNetwork:
        """See `Training`."""
        signal = self.signal
        return TrainedNetwork(
            model=self._model,
            tensors=self._trainer.tensors(),
            channels=signal.channels,
            domain=signal.domain,
            meta=signal.meta,
            report=report,
        )

    def state(self) -> State:
        """See `Training`."""
        apart = {"sampler": self._sampler.state(), "task": self._task.state()}
        return {"trainer": self._trainer.state(), **copy.deepcopy(apart)}

    def restore(self, state: State) -> None:
        """See `Training`."""
        self._trainer.restore(state["trainer"])
        self._sampler.restore(copy.deepcopy(state["sampler"]))
        self._task.restore(copy.deepcopy(state.get("task", {})))

    def _residuals(self, index: FlatIndex) -> Values:
        """Output minus target at samples, by a forward pass over them."""
        values = self._trainer.field()(self.signal.domain.coordinates(index))
        return values - self.signal.targets(index)


def _check_parameters(model: ModelSpec, signal: Signal) -> None:
    """Raise `SpecError` for a network that no file could hold, before it is allocated."""
    parameters = model.parameters(signal.domain, signal.channels)
    if parameters > MAX_PARAMETERS:
        raise SpecError(
            f"{model.kind}: these settings give {parameters} parameters; a file holds at most {MAX_PARAMETERS}"
        )


def _check_pulled(spec: FitSpec, signal: Signal) -> None:
    """Raise `SpecError` for a network that cannot be trained for the task or the loss, before anything is searched."""
    problem = lesson_refusal(spec.model.build(signal.domain, signal.channels)) if spec.pulls else None
    if problem is not None:
        raise SpecError(f"{_asking(spec)}, model {spec.model.kind}: {problem}")


def _asking(spec: FitSpec) -> str:
    """What steps have a pull-back for."""
    return f"task {spec.task.kind}" if spec.task.pulls else f"loss {spec.loss.kind}"
