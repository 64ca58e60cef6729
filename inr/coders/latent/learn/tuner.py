"""The inner loop on the compiled engine, one picture after the other: for machines without a GPU."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from inr.coders.latent.learn.inner import Tuned
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.training import LatentTraining, TrainingSpec


class Tuner:
    """See `inr.coders.latent.learn.inner.Inner`, whose `run` it has."""

    def __init__(self, spec: LatentSpec, lmbda: Tensor, settings: TrainingSpec) -> None:
        """Take weights of a bit, ``(batch,)``, and the schedule."""
        self.spec, self.lmbda, self.settings = spec, lmbda, settings

    def run(self, target: Tensor, networks: Mapping[str, Tensor], iterations: int) -> Tuned:
        """See `inr.coders.latent.learn.inner.Inner`."""
        found, bpp, mse = [], [], []
        for i, (picture, lmbda) in enumerate(zip(target.numpy(), self.lmbda.tolist(), strict=True)):
            start = self.spec.joined({name: value[i].numpy() for name, value in networks.items()})
            settings = self.settings.replace(lmbda=lmbda, iterations=iterations, validate_every=iterations)
            training = LatentTraining(np.ascontiguousarray(picture), self.spec, settings, start)
            measured = training.run().measured
            found.append(training.candidates[0].networks)
            bpp.append(measured.bpp)
            mse.append(measured.mse)
        tensors = [self.spec.split(one) for one in found]
        return Tuned(
            {name: torch.from_numpy(np.stack([one[name] for one in tensors])) for name in networks},
            torch.tensor(bpp, dtype=torch.float64),
            torch.tensor(mse, dtype=torch.float64),
        )
