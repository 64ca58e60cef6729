"""``python -m inr.coders.latent.learn DATA OUT``: learn starts on the pictures of a folder, to ``OUT/starts.npz``."""

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from inr.coders.latent.learn.reptile import LearnSpec, Progress, Reptile, read

SAVE_SECONDS = 45.0


def _tell(what: str, costs: Iterable[float]) -> None:
    sys.stdout.write(" ".join([what, *(f"{cost:.4f}" for cost in costs)]) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run, or go on from ``OUT/starts.npz``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of pictures, such as $INR_DATA/images/train")
    parser.add_argument("out", type=Path, help="folder of the result and of the state to go on from")
    parser.add_argument("--spec", default="{}", help="settings of LearnSpec as JSON")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tensor-cores", action="store_true", help="round products to TF32")
    parser.add_argument("--validate", default="100,300,600", help="iterations of the comparison at the end")
    given = parser.parse_args()
    spec = LearnSpec.model_validate_json(given.spec)
    learner = Reptile(spec, read(given.data), given.device, given.tensor_cores)
    state = given.out / "starts.npz"
    if state.exists():
        learner.progress = Progress.load(state, given.device)
    saved = time.perf_counter()
    while learner.share < 1:
        costs = learner.advance()
        progress = learner.progress
        _tell(f"{progress.done} {progress.seconds:.1f} s", costs)
        if time.perf_counter() - saved > SAVE_SECONDS:
            progress.save(state)
            saved = time.perf_counter()
    learner.progress.save(state)
    learner.validate(
        [int(n) for n in given.validate.split(",") if n],
        lambda name, length, costs: _tell(f"{name} {length}", costs),
    )


if __name__ == "__main__":
    main()
