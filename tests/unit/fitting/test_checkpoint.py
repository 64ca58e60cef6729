"""A fit that stops and goes on ends where an uninterrupted one does; a wrong checkpoint is refused."""

import hashlib
import io
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest
import torch

from inr.errors import CheckpointError, FileAccessError, FitCancelledError
from inr.fitting import run
from inr.fitting.checkpoint import Checkpoint, CheckpointPolicy, load, save
from inr.fitting.events import CheckpointSaved, Event, Progress
from inr.fitting.run import Hooks
from inr.fitting.schedules.constant import ConstantSchedule
from inr.fitting.spec import Budget
from inr.fitting.steps import fit
from inr.fitting.trained import CurvePoint, TrainedNetwork
from inr.models.base import ModelSpec
from inr.signals.power import symmetric_power, with_power
from tests.support.small_fits import GRID, SIREN, STEPS_OF_AN_EPOCH, course, photo, same_bits, signal_of, spec
from tests.unit.fitting.test_fit import Clock, both_models

STEPS = 40


def after(steps: int) -> Callable[[], bool]:
    """A request to stop that comes when `steps` more steps are done."""
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked >= steps

    return cancelled


def check_same_course(one: TrainedNetwork, other: TrainedNetwork) -> None:
    assert same_bits(one, other)
    assert one.report.steps == other.report.steps
    assert course(one) == course(other)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The checkpoint of SIREN on the photo of 16 x 16 after 3 of 6 steps."""
    path = tmp_path / "fit.ckpt"
    with pytest.raises(FitCancelledError):
        fit(signal_of(photo(16)), spec(SIREN, 6), Hooks(cancelled=after(3), checkpoint=CheckpointPolicy(path)))
    return path


@both_models
@pytest.mark.parametrize("stop", [1, 2 * STEPS_OF_AN_EPOCH, 2 * STEPS_OF_AN_EPOCH + 4, STEPS - 1])
def test_resumed_is_uninterrupted(model: ModelSpec, stop: int, tmp_path: Path) -> None:
    signal, wanted = signal_of(photo()), spec(model, STEPS)
    policy = CheckpointPolicy(tmp_path / "fit.ckpt")
    with pytest.raises(FitCancelledError, match=f"cancelled after {stop} steps"):
        fit(signal, wanted, Hooks(cancelled=after(stop), checkpoint=policy))
    resumed = fit(signal, wanted, Hooks(checkpoint=policy))
    check_same_course(fit(signal, wanted), resumed)
    assert [path.name for path in tmp_path.iterdir()] == ["fit.ckpt"]


@pytest.mark.parametrize("steps", [STEPS, 100])
def test_resumed_many_times_is_uninterrupted(steps: int, tmp_path: Path) -> None:
    """With 100 steps the curve has a point every second step, so stops fall between points."""
    signal, wanted = signal_of(photo()), spec(GRID, steps)
    hooks = Hooks(cancelled=after(1), checkpoint=CheckpointPolicy(tmp_path / "fit.ckpt"))
    for stop in (3, 6, STEPS_OF_AN_EPOCH, 13):
        hooks = Hooks(cancelled=after(stop), checkpoint=hooks.checkpoint)
        with pytest.raises(FitCancelledError):
            fit(signal, wanted, hooks)
    check_same_course(fit(signal, wanted), fit(signal, wanted, Hooks(checkpoint=hooks.checkpoint)))


@both_models
def test_killed_fit_goes_on_from_the_last_periodic_checkpoint(model: ModelSpec, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    steps: list[int] = []

    def kill(event: Event) -> None:
        if isinstance(event, Progress):
            steps.append(event.point.step)
            if event.point.step == 23:
                raise Killed

    signal, wanted = signal_of(photo()), spec(model, STEPS)
    policy = CheckpointPolicy(tmp_path / "fit.ckpt", every_seconds=0)
    with pytest.raises(Killed):
        fit(signal, wanted, Hooks(on_event=kill, checkpoint=policy))
    steps.clear()
    resumed = fit(signal, wanted, Hooks(on_event=lambda e: kill(e) if steps else steps.append(-1), checkpoint=policy))
    check_same_course(fit(signal, wanted), resumed)


@pytest.mark.parametrize("budget", [Budget(steps=STEPS), Budget(steps=4000, psnr=15.0)])
def test_finished_fit_resumes_to_itself(budget: Budget, tmp_path: Path) -> None:
    signal, wanted = signal_of(photo()), spec(GRID, 1, budget=budget, schedule=ConstantSchedule())
    policy = CheckpointPolicy(tmp_path / "fit.ckpt")
    first = fit(signal, wanted, Hooks(checkpoint=policy))
    assert 0 < first.report.steps < 3900
    check_same_course(first, fit(signal, wanted, Hooks(checkpoint=policy)))


def test_time_before_the_stop_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "time", Clock())
    signal, wanted = signal_of(photo(16)), spec(SIREN, 1, budget=Budget(seconds=2.0))
    policy = CheckpointPolicy(tmp_path / "fit.ckpt", every_seconds=1000)
    whole = fit(signal, wanted).report
    with pytest.raises(FitCancelledError):
        fit(signal, wanted, Hooks(cancelled=after(whole.steps // 2), checkpoint=policy))
    resumed = fit(signal, wanted, Hooks(checkpoint=policy)).report
    assert 2.0 <= resumed.seconds < 2.2
    assert whole.steps // 2 < resumed.steps <= whole.steps + 3


def test_checkpoints_are_saved_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = Clock()
    began = clock.now
    monkeypatch.setattr(run, "time", clock)
    events: list[Event] = []
    path = tmp_path / "fit.ckpt"
    policy = CheckpointPolicy(path, every_seconds=0.5)
    fit(signal_of(photo(16)), spec(SIREN, 60), Hooks(events.append, checkpoint=policy))
    seconds = clock.now - began
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    assert 3 <= len(saved) <= seconds / 0.5 + 1
    assert saved[-1].step == 60
    assert {event.path for event in saved} == {str(path)}
    assert path.is_file()


def test_starting_anew_replaces_the_checkpoint(saved: Path) -> None:
    steps: list[int] = []
    hooks = Hooks(
        on_event=lambda event: steps.append(event.point.step) if isinstance(event, Progress) else None,
        checkpoint=CheckpointPolicy(saved, resume=False),
    )
    before = saved.read_bytes()
    fit(signal_of(photo(16)), spec(SIREN, 6), hooks)
    assert steps == [1, 2, 3, 4, 5, 6]
    assert saved.read_bytes() != before


def test_larger_budget_goes_on(saved: Path) -> None:
    longer = fit(signal_of(photo(16)), spec(SIREN, 9), Hooks(checkpoint=CheckpointPolicy(saved)))
    assert longer.report.steps == 9


def test_checkpoint_of_another_transform_is_refused(saved: Path) -> None:
    """The samples are the same, what the network learns is not."""
    signal = signal_of(photo(16))
    other = with_power(signal, symmetric_power(signal))
    with pytest.raises(CheckpointError, match="belongs to another signal"):
        fit(other, spec(SIREN, 9), Hooks(checkpoint=CheckpointPolicy(saved)))


def test_checkpoint_of_another_signal_is_refused(saved: Path) -> None:
    samples = photo(16).copy()
    samples[0, 0, 0] ^= 1
    others = [samples, photo(16).reshape(8, 32, 3).copy(), photo(16).copy().view(np.uint8).astype(np.uint16)]
    content = saved.read_bytes()
    for other in others:
        with pytest.raises(CheckpointError, match="belongs to another signal"):
            fit(signal_of(other), spec(SIREN, 6), Hooks(checkpoint=CheckpointPolicy(saved)))
    assert saved.read_bytes() == content


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"model": GRID}, {"model": SIREN.replace(width=8)}, {"schedule": ConstantSchedule()}]
)
def test_checkpoint_of_other_settings_is_refused(saved: Path, changes: dict[str, object]) -> None:
    content = saved.read_bytes()
    with pytest.raises(CheckpointError, match="belongs to a fit with other settings"):
        fit(signal_of(photo(16)), spec(SIREN, 6).replace(**changes), Hooks(checkpoint=CheckpointPolicy(saved)))
    assert saved.read_bytes() == content


def check_refused(path: Path, match: str) -> None:
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match=match):
        fit(signal_of(photo(16)), spec(SIREN, 6), Hooks(checkpoint=CheckpointPolicy(path)))
    assert path.read_bytes() == content


def torch_bytes(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", bytes(range(256)) * 9, pickle.dumps({"spec": Path}), torch_bytes({"spec": 1}), b"\x89PNG\r\n"],
    ids=["empty", "text", "bytes", "pickle", "torch", "png"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fit.ckpt"
    path.write_bytes(content)
    check_refused(path, "not a checkpoint of a fit")


def test_checkpoint_of_an_older_version_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "fit.ckpt"
    path.write_bytes(b"inr checkpoint 1\n" + bytes(32) + torch_bytes({"spec": 1}))
    check_refused(path, r"checkpoint .*fit\.ckpt is of another version of inr; delete it to start anew$")


def test_document_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """Also with a right checksum."""
    path = tmp_path / "fit.ckpt"
    for document in ({}, [1], {"identity": "x", "curve": [{"psnr": 1}]}, cbor2.CBORTag(40, [[2], 3]), b"x"):
        write_signed(path, cbor2.dumps(document))
        check_refused(path, "not a checkpoint of a fit")


def write_signed(path: Path, content: bytes) -> None:
    """A checkpoint with a right checksum."""
    path.write_bytes(b"inr checkpoint 2\n" + hashlib.sha256(content).digest() + content)


def document_of(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, its arrays as tags."""
    return dict(cbor2.loads(path.read_bytes()[len(b"inr checkpoint 2\n") + 32 :]))


POINT = {"step": 1, "seconds": 0.5, "loss": 0.25, "psnr": 20.0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", 3),
        ("signal", None),
        ("step", "x"),
        ("step", 2.5),
        ("step", -1),
        ("step", True),
        ("step", 2**64),
        ("seconds", "x"),
        ("seconds", None),
        ("seconds", math.nan),
        ("seconds", -1.0),
        ("seconds", 10**400),
        ("state", [1]),
        ("state", None),
        ("losses", 3),
        ("losses", ["x"]),
        ("losses", [None]),
        ("curve", [3]),
        ("curve", [POINT | {"step": 1.5}]),
        ("curve", [POINT | {"psnr": "x"}]),
        ("curve", [{"step": 1}]),
        ("state", {"trainer": b"bytes"}),
        ("state", {"trainer": cbor2.CBORTag(40, [[2**70], cbor2.CBORTag(69, bytes(4))])}),
    ],
)
def test_values_of_the_wrong_kind_are_refused(saved: Path, name: str, value: object) -> None:
    document = document_of(saved)
    write_signed(saved, cbor2.dumps(document))
    assert load(saved).step == 3
    write_signed(saved, cbor2.dumps(document | {name: value}))
    check_refused(saved, "not a checkpoint of a fit")


@pytest.mark.parametrize("times", [1, 40])
def test_shared_parts_are_refused(saved: Path, times: int) -> None:
    """Lists that hold the one before twice, in the end 2^40 copies."""
    state: list[object] = [1.5]
    for _ in range(times):
        state = [state, state]
    document = document_of(saved) | {"state": {"x": state}}
    write_signed(saved, cbor2.dumps(document, value_sharing=True))
    check_refused(saved, "not a checkpoint of a fit")


def test_a_part_that_holds_itself_is_refused(saved: Path) -> None:
    itself = bytes.fromhex("d81c81d81d00")
    marked = cbor2.dumps(document_of(saved) | {"state": {"x": "here"}})
    here = cbor2.dumps("here")
    assert marked.count(here) == 1
    for content in (itself, marked.replace(here, itself)):
        write_signed(saved, content)
        check_refused(saved, "not a checkpoint of a fit")


def test_deeply_nested_documents_are_refused(saved: Path) -> None:
    for depth in (300, 100_000):
        write_signed(saved, b"\x81" * depth + b"\x00")
        check_refused(saved, "not a checkpoint of a fit")


TYPES = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def test_state_comes_back_as_it_was(tmp_path: Path) -> None:
    """Arrays of every type and shape, in any byte order, are whole, and may be written to."""
    state: dict[str, Any] = {
        "arrays": [np.arange(6).reshape(shape).astype(kind) for kind in TYPES for shape in ((6,), (2, 3), (1, 6, 1))],
        "empty": np.zeros((0, 3), dtype=np.float32),
        "scalar": np.array(2.5, dtype=np.float32),
        "not a number": np.array([np.nan, np.inf, -0.0], dtype=np.float32),
        "big": np.arange(3, dtype=">f4"),
        "strided": np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::2],
        "rest": {0: [None, True, 2**62, -1.5, "text"], 1: {"nested": []}},
    }
    saved = Checkpoint("settings", "digest", 3, 1.25, (CurvePoint(1, 0.5, math.inf, 20.0),), [0.1, 0.2], state)
    save(saved, tmp_path / "fit.ckpt")
    found = load(tmp_path / "fit.ckpt")
    assert (found.identity, found.signal_digest, found.step, found.seconds) == ("settings", "digest", 3, 1.25)
    assert (found.curve, found.losses) == (saved.curve, saved.losses)
    assert found.state["rest"] == state["rest"]
    pairs = list(zip(found.state["arrays"], state["arrays"], strict=True))
    pairs += [(found.state[name], state[name]) for name in ("empty", "scalar", "not a number", "big", "strided")]
    for one, other in pairs:
        assert isinstance(one, np.ndarray)
        assert one.dtype == other.dtype.newbyteorder("=")
        np.testing.assert_array_equal(one, other)
        one[...] = 0


@pytest.mark.parametrize("value", [np.zeros(2, dtype=bool), np.zeros(2, dtype=complex), b"bytes", Path("x"), {1, 2}])
def test_state_that_cannot_be_kept_is_named(value: object, tmp_path: Path) -> None:
    saved = Checkpoint("settings", "digest", 0, 0.0, (), [], {"x": value})
    with pytest.raises(CheckpointError, match="a checkpoint holds"):
        save(saved, tmp_path / "fit.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_need_no_torch(saved: Path) -> None:
    """What is in one is known without it."""
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import cbor2; data = open(sys.argv[1], 'rb').read()\n"
        "document = cbor2.loads(data[len(b'inr checkpoint 2\\n') + 32:])\n"
        "print(document['step'], sorted(document['state']))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(saved)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 ['sampler', 'trainer']"


def test_truncated_checkpoint_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in (1, 20, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:length])
        check_refused(saved, "not a checkpoint|is damaged")


def test_changed_checkpoint_is_refused(saved: Path) -> None:
    """A changed weight would be taken for a sound one."""
    whole = saved.read_bytes()
    for position in range(0, len(whole), len(whole) // 25):
        saved.write_bytes(whole[:position] + bytes([whole[position] ^ 16]) + whole[position + 1 :])
        check_refused(saved, "not a checkpoint|is damaged")


@pytest.mark.parametrize("place", ["", "missing/fit.ckpt"])
def test_place_that_cannot_be_written_is_refused_before_the_fit(tmp_path: Path, place: str) -> None:
    events: list[Event] = []
    hooks = Hooks(events.append, checkpoint=CheckpointPolicy(tmp_path / place))
    with pytest.raises(FileAccessError, match="cannot write"):
        fit(signal_of(photo(16)), spec(SIREN, 6), hooks)
    assert events == []
