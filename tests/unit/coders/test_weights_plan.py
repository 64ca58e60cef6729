"""Plans of the coder `weights`: what a user asked for, and what suits the signal where nothing was asked."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import inr
from inr.codec.candidates import Candidates
from inr.coders.request import CompressSpec
from inr.coders.weights.header import part_of
from inr.coders.weights.plan import WeightsPlan, again, fixes_size
from inr.coders.weights.plan import plan as plan_weights
from inr.container.file import parse
from inr.domain import Domain
from inr.meta import SignalMeta
from inr.models.base import MODELS
from inr.signals.image.attributes import ImageAttributes
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal
from inr.signals.video.attributes import VideoAttributes
from tests.support.small_fits import photo


def plan(signal: Signal, request: CompressSpec) -> WeightsPlan:
    return plan_weights(SignalInfo.of(signal), request, Candidates(signal))


def test_uniform_batches_stray_as_the_model_wants_them() -> None:
    for sampler, jitter in (("uniform", 0.25), ("uniform:jitter=0", 0.0), ("uniform:batch=100", 0.25)):
        chosen = plan(inr.load(photo(16).copy()), CompressSpec(model="hashgrid", sampler=sampler)).fit.sampler
        assert chosen.model_dump()["jitter"] == jitter


@pytest.mark.parametrize(
    ("model", "settings", "expected"),
    [
        ("bacon", {"width": 16}, {"width": 16, "max_band": 48}),
        ("finr", {"rank": 7}, {"rank": 7, "band": 151}),
        ("hashgrid", {"width": 8}, {"width": 8, "finest_resolution": 96}),
        ("densegrid", {"width": 8}, {"width": 8, "nodes_0": 64, "nodes_1": 96}),
        ("iterative", {"backbone": "siren:width=9"}, {"cells": 96}),
        ("hashgrid", {"finest_resolution": 50}, {"finest_resolution": 50}),
    ],
)
def test_what_the_user_leaves_open_follows_the_grid(
    model: str, settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Also where the settings fix the size of the model."""
    signal = inr.load(np.zeros((64, 96, 3), dtype=np.uint8))
    chosen = plan(signal, CompressSpec(model=model, settings=settings)).fit.model
    assert {name: getattr(chosen, name) for name in expected} == expected


def test_plan_uses_what_the_user_asked_for() -> None:
    signal = inr.load(photo(64).copy())
    chosen = plan(signal, CompressSpec(model="siren", seconds=3.0, seed=4, learning_rate=0.02, batch=99))
    assert (chosen.fit.budget.steps, chosen.fit.budget.seconds) == (None, 3.0)
    assert (chosen.fit.seed, chosen.fit.learning_rate, chosen.named) == (4, 0.02, False)
    steps = [plan(signal, CompressSpec(preset=name)).fit.budget.steps for name in ("fast", "default", "best")]
    assert steps == sorted(steps, key=lambda n: n or math.inf)
    assert len(set(steps)) == 3


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(("model", "bits"), [("siren", None), ("hashgrid", 5), ("wire", 32)])
def test_framing_is_that_of_the_file(model: str, bits: int | None, layers: int) -> None:
    """Nothing is guessed: header, frames and PSNRs are those of the file that is written in the end."""
    layers = 1 if bits == 32 else layers
    result = inr.compress(photo(32).copy(), model=model, steps=2, bits=bits, size=1200, layers=layers)
    file, settings = parse(result.data), result.report.settings
    chosen = next(cls for cls in MODELS if isinstance(settings, cls))
    assert isinstance(settings, chosen)
    part = part_of(settings, "float32" if bits == 32 else "uniform")
    framing = Candidates(inr.load(photo(32).copy())).framing(part, layers)
    assert framing == len(result.data) - sum(len(payload) for payload in file.payloads)


@pytest.mark.parametrize(
    ("kind", "settings", "fixed"),
    [
        ("siren", {"width": 8}, True),
        ("siren", {"width": 256}, True),
        ("siren", {"depth": 2, "omega_0": 20.0}, False),
        ("hashgrid", {"log2_hashmap_size": 9}, True),
        ("siren", {}, False),
    ],
)
def test_settings_that_fix_the_size(kind: str, settings: dict[str, Any], fixed: bool) -> None:
    assert fixes_size(MODELS.get(kind), settings) == fixed


def test_a_quality_target_climbs_a_ladder_of_sizes() -> None:
    signal = inr.load(photo(64).copy())
    info, files = SignalInfo.of(signal), Candidates(signal)
    request = CompressSpec(model="siren", psnr=30.0)
    found: WeightsPlan | None = plan_weights(info, request, files)
    sizes, parameters = [], []
    while found is not None:
        assert found.fit.budget.psnr == 30.5
        sizes.append(found.size)
        parameters.append(found.parameters)
        found = again(info, request, found, files)
    assert sizes == [max(512, round(64 * 64 * bpp / 8)) for bpp in (0.5, 1, 2, 4, 8)]
    assert parameters == sorted(parameters)
    fixed = CompressSpec(model="siren", psnr=30.0, settings={"width": 9})
    assert again(info, fixed, plan_weights(info, fixed, files), files) is None


@pytest.mark.parametrize(
    ("shape", "model", "bpp"),
    [((32, 96, 128), "siren", 0.06), ((73, 320, 360), "finr", 0.06), ((256, 384), "hashgrid", 1.5)],
)
def test_what_suits_a_kind_of_signal(shape: tuple[int, ...], model: str, bpp: float) -> None:
    """Videos get few bits a sample, short ones the network that uses them best, long ones one that decodes fast."""
    moving = len(shape) == 3
    domain = Domain.of_shape(shape, ("t", "y", "x") if moving else ("y", "x"))
    meta = SignalMeta("uint8", (0.0, 255.0), VideoAttributes(Fraction(25)) if moving else ImageAttributes())
    info, files = SignalInfo(channels=3, domain=domain, meta=meta), Candidates(inr.load(photo(64).copy()))

    def size(rung: int = 0, **request: Any) -> int | None:
        return plan_weights(info, CompressSpec(**request), files, rung=rung).size

    assert plan_weights(info, CompressSpec(), files).fit.model.kind == model
    usual = domain.size * bpp / 8
    assert size() == int(usual)
    assert size(preset="fast") == int(usual / 2)
    assert size(model="hashgrid") == int(usual)
    assert [size(quality=quality) for quality in (61, 81)] == [int(0.8 / 1.5 * usual), int(1.6 / 1.5 * usual)]
    assert [size(psnr=30.0), size(psnr=30.0, rung=4)] == pytest.approx([usual / 3, domain.size], abs=1)
