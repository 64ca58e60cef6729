"""The inner loop: warm-up and main phase of a training, from given networks, for a batch of pictures at once."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.coders.latent.engine import EPSILON
from inr.coders.latent.learn.batch import BatchTwin
from inr.coders.latent.learn.soap import FIRST_ROUNDS, BatchSoap, Rates
from inr.coders.latent.shipped import WARM_UP
from inr.coders.latent.soap import SoapSpec
from inr.coders.latent.training import TrainingSpec
from inr.coders.latent.twin import soft_round

_COLUMNS = 8


@dataclass(frozen=True, eq=False)
class Tuned:
    """What an inner loop found.

    Attributes:
        networks: ``(batch, *shape)`` by name.
        bpp: bits of the latents a pixel, hard-rounded, ``(batch,)``.
        mse: mean squared error, ``(batch,)``.
    """

    networks: dict[str, Tensor]
    bpp: Tensor
    mse: Tensor


class Inner:
    """Latents and networks of a batch and their optimisers, kept in place, so that a step can be a captured graph."""

    def __init__(self, twin: BatchTwin, lmbda: Tensor, networks: Mapping[str, Tensor], settings: TrainingSpec) -> None:
        """Make room for pictures with these weights of a bit, ``(batch,)``, and networks like these."""
        device = lmbda.device
        self.twin, self.settings, self.lmbda = twin, settings, lmbda
        self.target = torch.zeros(len(lmbda), twin.spec.channels, twin.height, twin.width, device=device)
        self.latents = torch.zeros(len(lmbda), twin.size, device=device)
        self.networks = {name: value.clone() for name, value in networks.items()}
        self._mean, self._square = torch.zeros_like(self.latents), torch.zeros_like(self.latents)
        self._soap = BatchSoap(SoapSpec(), self.networks)
        sigmas = [settings.replace(lmbda=one).warm_sigma for one in lmbda.tolist()]
        self._warm_sigma = torch.tensor(sigmas, device=device)[:, None]
        self._row = torch.zeros(_COLUMNS, device=device)
        self._graphs: list[torch.cuda.CUDAGraph] = []
        self.tensor_cores = False
        """Whether products of the model, not those of the optimiser, are rounded to TF32 where the device can."""

    def run(self, target: Tensor, networks: Mapping[str, Tensor], iterations: int) -> Tuned:
        """Tune copies of networks and latents of zero to pictures.

        Args:
            target: ``(batch, channels, height, width)``, values in [0, 1].
            networks: where to start, ``(batch, *shape)`` by name.
            iterations: of the schedule.
        """
        self.target.copy_(target)
        for name, value in networks.items():
            self.networks[name].copy_(value)
        self.latents.zero_()
        schedule = schedule_of(self.settings, iterations).to(self.latents.device)
        for i in range(iterations):
            self._row.copy_(schedule[i])
            since, every = (i, 1) if i < WARM_UP else (i - WARM_UP, self._soap.spec.every)
            if since == 0:
                self._mean.zero_()
                self._square.zero_()
                self._soap.reset()
                self._step(first=True)
            elif self._graphs:
                self._graphs[0].replay()
            else:
                self._step()
            for _ in range(FIRST_ROUNDS if since == 0 else since % every == 0):
                if self._graphs:
                    self._graphs[1].replay()
                else:
                    self._soap.renew()
        bpp, mse = self.twin.measure(self.latents * self.settings.gain, self.networks, self.target)
        return Tuned(self.networks, bpp, mse)

    def capture(self) -> None:
        """Record a step and a renewal as graphs of the GPU, which cost no time of the host; after a `run`."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._step()
                self._soap.renew()
        torch.cuda.current_stream().wait_stream(stream)
        step, renewal = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(step):
            self._step()
        with torch.cuda.graph(renewal, pool=step.pool()):
            self._soap.renew()
        self._graphs = [step, renewal]

    def _step(self, first: bool = False) -> None:
        """One iteration by the schedule's row."""
        settings = self.settings
        adam, vector, matrix, decay, sigma, temperature, first_beta, second_beta = self._row.unbind()
        latents = self.latents.detach().requires_grad_(True)
        sigma = torch.where(sigma < 0, self._warm_sigma, sigma)
        soft = soft_round(latents * settings.gain, temperature)
        pyramid = soft_round(soft + torch.randn_like(soft) * sigma, temperature)
        leaves = {name: value.detach().requires_grad_(True) for name, value in self.networks.items()}
        with tensor_cores(self.tensor_cores):
            loss = self.twin.losses(pyramid, leaves, self.target, self.lmbda).sum()
            moved, *found = torch.autograd.grad(loss, [latents, *leaves.values()])
        norm = sum(g.flatten(1).square().sum(1) for g in found).sqrt()  # type: ignore[union-attr]
        scale = (settings.clip / norm.clamp_min(1e-30)).clamp_max(1)
        grads = {name: g * scale.view(-1, *[1] * (g.ndim - 1)) for name, g in zip(leaves, found, strict=True)}
        move = self._soap.first if first else self._soap.step
        move(self.networks, grads, Rates(vector, matrix, decay))
        self._mean.lerp_(moved, 1 - first_beta)
        self._square.lerp_(moved.square(), 1 - second_beta)
        self.latents.sub_(self._mean / (self._square.sqrt() + EPSILON) * adam)


@contextlib.contextmanager
def tensor_cores(use: bool) -> Iterator[None]:
    """Let matrix products within be rounded to TF32, or not."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = use
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def schedule_of(settings: TrainingSpec, iterations: int) -> Tensor:
    """A row for every iteration.

    Rates of Adam, of SOAP's vectors and matrices, what decay leaves, noise (-1: that of the warm-up), temperature and
    the decays of Adam's moments.
    """
    spec = SoapSpec()
    s1, s2 = spec.betas
    rows = []
    for i in range(iterations):
        warm = i < WARM_UP
        since = i if warm else i - WARM_UP
        share = 0.0 if warm else since / (iterations - WARM_UP)
        a1, a2 = settings.warm_betas if warm else settings.betas
        low, high = settings.final_rate, settings.rate
        rate = low + (high - low) * 0.5 * (1 + math.cos(math.pi * share))
        vector, matrix = (rate * (1 - s2**n) ** 0.5 / (1 - s1**n) if n else 0.0 for n in (since + 1, since))
        adam = rate * (1 - a2 ** (since + 1)) ** 0.5 / (1 - a1 ** (since + 1))
        sigma = -1.0 if warm else settings.sigma[0] + share * (settings.sigma[1] - settings.sigma[0])
        temperature = settings.temperature[0] + share * (settings.temperature[1] - settings.temperature[0])
        rows.append((adam, vector, matrix, 1 - rate * spec.weight_decay, sigma, temperature, a1, a2))
    return torch.tensor(rows, dtype=torch.float32)
