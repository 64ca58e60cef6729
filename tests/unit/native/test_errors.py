"""Bad input to the compiled kernels: an exception of one line that names it, never a crash."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inr
from inr import native
from inr.backends import select
from inr.backends.base import PointBatch, Resources
from inr.backends.native.backend import NativeBackend
from inr.errors import BackendUnavailableError, SpecError
from inr.losses.mse import MeanSquaredError
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from tests.support.commands import ROOT, environment, is_one_error, run
from tests.support.model_checks import initialised
from tests.support.native_reference import CORES, KERNELS, Lowered, batch_of, computed, needs_kernels
from tests.support.small_fits import photo
from tests.support.torch_layers import told

pytestmark = needs_kernels

MODEL = Siren.EXAMPLES[0]
N = 5


def zeros(*shape: int, dtype: str = "float32") -> Any:
    return np.zeros(shape, dtype=dtype)


def lowered() -> Lowered:
    return Lowered.of(initialised(MODEL), 2)


def arguments() -> dict[str, Any]:
    """Of a step on points, all good."""
    flat = lowered().flat
    return {
        "params": flat,
        "coordinates": zeros(N, 2),
        "targets": zeros(N, 3),
        "weights": zeros(N),
        "residuals": zeros(N, 3),
        "input_gradients": zeros(N, 2),
        "gradients": zeros(len(flat)),
    }


SHAPES = {"params": "(371,)", "coordinates": "(any, 2)", "weights": "(5,)", "gradients": "(371,)"} | dict.fromkeys(
    ("targets", "residuals"), "(5, 3)"
)
each_argument = pytest.mark.parametrize("name", sorted({*SHAPES, "input_gradients"}))


def refused(kind: type[Exception], **changed: Any) -> str:
    """The message of a step with some bad arguments; nothing has been written."""
    given = arguments() | changed
    with pytest.raises(kind) as error:
        lowered().engine(True, True).train_points(**given)
    for name in ("residuals", "gradients", "input_gradients"):
        assert name in changed or not given[name].any()
    message = str(error.value)
    assert "\n" not in message
    return message


def test_good_arguments_are_taken() -> None:
    assert lowered().engine(True, True).train_points(**arguments()) >= 0


@each_argument
def test_wrong_shapes_are_named(name: str) -> None:
    good = arguments()[name]
    for shape in ((7,), (7, 9), (2, 3, 4), ()):
        message = refused(ValueError, **{name: zeros(*shape)})
        assert message.startswith(f"{name}: expected shape {SHAPES.get(name, '(5, 2)')}; got {shape}")
    longer = refused(ValueError, **{name: zeros(good.shape[0] + 1, *good.shape[1:])})
    assert "expected shape" in longer


@each_argument
@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "uint8", "bool", "complex64"])
def test_wrong_types_are_named(name: str, dtype: str) -> None:
    message = refused(TypeError, **{name: arguments()[name].astype(dtype)})
    assert message.startswith(f"{name}: expected float32; got {dtype}")


@each_argument
def test_arrays_with_gaps_are_named(name: str) -> None:
    good = arguments()[name]
    gaps = {
        "every other": np.repeat(good, 2, axis=0)[::2],
        "backwards": good[::-1],
        "repeated": np.broadcast_to(np.float32(1), good.shape).view(),
    }
    if good.ndim == 2:
        gaps["columns first"] = np.asfortranarray(good)
        gaps["a column left out"] = np.repeat(good, 2, axis=1)[:, ::2]
    for bad in gaps.values():
        if not bad.flags.writeable:
            continue
        assert refused(ValueError, **{name: bad}).startswith(f"{name}: expected a C-contiguous array; got")


@each_argument
def test_what_is_no_array_is_a_type_error(name: str) -> None:
    bad: Any
    for bad in ([1.0, 2.0], "text", 3, object(), np.zeros(3, dtype=object), np.zeros(3, dtype="M8[s]")):
        with pytest.raises(TypeError):
            lowered().engine(True, True).train_points(**arguments() | {name: bad})


def test_what_is_written_must_be_writable() -> None:
    for name in ("params", "residuals", "gradients", "input_gradients"):
        bad = arguments()[name].copy()
        bad.flags.writeable = False
        with pytest.raises(TypeError):
            lowered().engine(True, True).train_points(**arguments() | {name: bad})


def test_arrays_that_are_not_aligned_are_computed_or_refused() -> None:
    """Numbers that begin between the bytes of others, as a view of a file may."""
    good = batch_of(N, 2, 3).x
    memory = np.zeros(good.nbytes + 1, dtype=np.uint8)
    memory[1:] = np.frombuffer(good.tobytes(), dtype=np.uint8)
    shifted = np.frombuffer(memory, dtype=np.float32, offset=1).reshape(good.shape)
    values, expected = zeros(N, 3), zeros(N, 3)
    engine = lowered().engine(False)
    engine.forward(lowered().flat, good, expected)
    try:
        engine.forward(lowered().flat, shifted, values)
    except ValueError as error:
        assert "aligned" in str(error)  # noqa: PT017 (either is right)
        return
    np.testing.assert_array_equal(values, expected)


def test_empty_batches() -> None:
    """Nothing in, nothing out; but there is no mean over no points."""
    empty = {name: value[:0] for name, value in arguments().items() if len(value) == N}
    assert refused(ValueError, **empty) == "batch: expected at least one point; got none"
    field = NativeBackend().field(*told(initialised(MODEL)), "cpu")
    assert field(zeros(0, 2)).shape == (0, 3)
    assert field.grid([zeros(1), zeros(4)]).shape == (4, 3)
    trainer = NativeBackend().trainer(*told(initialised(MODEL)), MeanSquaredError(), Adam(), "cpu")
    with pytest.raises(ValueError, match="at least one point"):
        trainer.step(PointBatch(zeros(0, 2), zeros(0, 3)), 1e-3)


def test_an_engine_does_what_it_was_built_for() -> None:
    with pytest.raises(ValueError, match="built to evaluate, not to train"):
        lowered().engine(False).train_points(**arguments())
    with pytest.raises(ValueError, match="built without gradients of coordinates"):
        lowered().engine(True, False).train_points(**arguments())
    good = arguments()
    del good["gradients"]
    with pytest.raises(ValueError, match="give gradients, or adam and its moments"):
        lowered().engine(True, True).train_points(**good)
    moments = zeros(371), zeros(370)
    with pytest.raises(ValueError, match=r"v: expected shape \(371,\); got \(370,\)"):
        lowered().engine(True, True).train_points(**good, moments=moments, adam=(1e-3, (0.9, 0.99), 1e-8, 0.0, [], 1))
    with pytest.raises(ValueError, match="step: counts from 1"):
        lowered().engine(True, True).train_points(
            **good, moments=(zeros(371), zeros(371)), adam=(1e-3, (0.9, 0.99), 1e-8, 0.0, [], 0)
        )


def grid_of(*lengths: int) -> Any:
    return KERNELS.Grid([zeros(n) for n in lengths], [0.1] * len(lengths))


def test_grids_are_checked() -> None:
    for axes, cells, wanted in (
        ([], [], "axes: expected 1 to 4"),
        ([zeros(2)] * 5, [], "axes: expected 1 to 4"),
        ([zeros(2), zeros(0)], [], "at least one sample"),
        ([zeros(2)], [0.1, 0.1], "cells: expected one size for each axis"),
        ([zeros(2, 2)], [], r"axes: expected shape \(any,\); got \(2, 2\)"),
    ):
        with pytest.raises(ValueError, match=wanted):
            KERNELS.Grid(axes, cells)
    with pytest.raises(TypeError, match="axes: expected float32; got float64"):
        KERNELS.Grid([zeros(2, dtype="float64")], [])
    engine, values = lowered().engine(False), zeros(6, 3)
    with pytest.raises(ValueError, match="points: expected 2 coordinates; got 1"):
        engine.forward_grid(lowered().flat, grid_of(6), values)
    with pytest.raises(ValueError, match=r"values: expected shape \(8, 3\); got \(6, 3\)"):
        engine.forward_grid(lowered().flat, grid_of(2, 4), values)
    with pytest.raises(TypeError, match="samples: expected uint8, uint16, int8, int16 or float32; got float16"):
        engine.forward_samples(lowered().flat, grid_of(2, 3), values.astype(np.float16), "float16", 0.0, 1.0)
    with pytest.raises(TypeError, match="samples: expected uint8; got float32"):
        engine.forward_samples(lowered().flat, grid_of(2, 3), values, "uint8", 0.0, 1.0)


def test_samples_are_checked() -> None:
    table = zeros(256)
    with pytest.raises(ValueError, match="table: integers need the values"):
        KERNELS.Source(zeros(6, 3, dtype="uint8"), "uint8", None, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"table: expected shape \(65536,\); got \(256,\)"):
        KERNELS.Source(zeros(6, 3, dtype="int16"), "int16", table, 0.0, 1.0)
    with pytest.raises(TypeError, match="samples: expected uint8; got int8"):
        KERNELS.Source(zeros(6, 3, dtype="int8"), "uint8", table, 0.0, 1.0)
    engine, flat = lowered().engine(True), lowered().flat
    source = KERNELS.Source(zeros(6, 3, dtype="uint8"), "uint8", table, 0.0, 1.0)
    for other, index, wanted in (
        (grid_of(2, 4), None, r"samples: expected shape \(8, 3\); got \(6, 3\)"),
        (grid_of(2, 3), np.array([0, 6]), r"index: samples are 0\.\.5; got 6"),
        (grid_of(2, 3), np.array([-1, 0]), r"index: samples are 0\.\.5; got -1"),
        (grid_of(2, 3), np.array([2**62]), r"index: samples are 0\.\.5; got 4611686018427387904"),
    ):
        with pytest.raises((ValueError, IndexError), match=wanted):
            engine.train_samples(flat, other, source, index, gradients=np.empty_like(flat))
    with pytest.raises(TypeError, match="index: expected int64; got int32"):
        engine.train_samples(flat, grid_of(2, 3), source, np.zeros(2, dtype=np.int32), gradients=np.empty_like(flat))
    with pytest.raises(ValueError, match=r"offsets: expected shape \(2, 2\); got \(3, 2\)"):
        engine.train_samples(
            flat, grid_of(2, 3), source, np.zeros(2, dtype=np.int64), zeros(3, 2), gradients=np.empty_like(flat)
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named(bad: float) -> None:
    network = initialised(MODEL)
    network.tensors()["2.weight"].data[1, 2] = bad
    for make in (
        lambda: NativeBackend().field(*told(network), "cpu"),
        lambda: NativeBackend().trainer(*told(network), MeanSquaredError(), Adam(), "cpu"),
    ):
        with pytest.raises(SpecError, match=r"weights: tensor 2\.weight holds a number that is not finite"):
            make()


def test_points_that_are_not_finite_do_no_harm() -> None:
    """What is no number stays within its own row, also on its way through tables."""
    from inr.models.densegrid import DenseGridMlp
    from inr.models.hashgrid import HashGridMlp

    for model in (MODEL, HashGridMlp.EXAMPLES[0], HashGridMlp.EXAMPLES[1], DenseGridMlp.EXAMPLES[0]):
        field = NativeBackend().field(*told(initialised(model)), "cpu")
        x = batch_of(70, 2, 3).x
        good = field(x)
        for row, bad in enumerate((np.nan, np.inf, -np.inf, 3e38, -3e38, 1e10)):
            x[7 * row] = bad, 0.1
            x[7 * row + 1] = 0.1, bad
        touched = [7 * row + k for row in range(6) for k in range(2)]
        kept = np.delete(np.arange(70), touched)
        np.testing.assert_array_equal(field(x)[kept], good[kept])
        trained = Lowered.of(initialised(model), 2)
        loss = trained.engine(True, True).train_points(
            trained.flat, x, zeros(70, 3), input_gradients=np.empty_like(x), gradients=np.empty_like(trained.flat)
        )
        assert isinstance(loss, float)


def test_more_threads_than_cores_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for threads in (CORES + 1, 10**6, 0, -1):
        with pytest.raises(ValueError, match=rf"threads: this process may use 1 to {CORES} cores; got {threads}"):
            lowered().engine(True, threads=threads)
    with pytest.raises(SpecError, match="threads: this process may use"):
        NativeBackend().field(*told(initialised(MODEL)), "cpu", Resources(threads=CORES + 1))(zeros(1, 2))
    for wanted in ("1000", "0", "-1", "many", "", "1,2"):
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
        assert 1 <= native.threads() <= CORES


def test_instruction_set_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted in ("abacus", "AVX2", "avx2 "):
        monkeypatch.setenv("INR_ISA", wanted)
        with pytest.raises(ValueError, match=rf"INR_ISA: this machine has .*portable; got {wanted}"):
            lowered().engine(False)
    monkeypatch.setenv("INR_ISA", "")
    assert lowered().engine(False).isa == KERNELS.instruction_sets()[0]


def test_kernels_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_NATIVE", "0")
    assert native.load() is None
    assert native.reason() == "switched off by INR_NATIVE=0"
    assert native.threads() >= 1
    assert select.select("auto", initialised(MODEL).network, "cpu").kind == "torch"
    with pytest.raises(BackendUnavailableError, match=r"backend native: switched off by INR_NATIVE=0"):
        select.select("native", initialised(MODEL).network, "cpu")
    assert inr.fit(photo(16), steps=2).report.backend.startswith("torch")
    listed = run("backends", cwd=tmp_path)
    assert listed.returncode == 0
    assert b"switched off by INR_NATIVE=0" in listed.stdout
    failed = run("decompress", "nothing.inr", "out.png", "--backend", "native", cwd=tmp_path)
    assert is_one_error(failed.stderr.decode())


def test_calls_from_several_threads_take_turns() -> None:
    """One engine, and the threads that all engines share."""
    made, batch = lowered(), batch_of(300, 2, 3)
    threads = min(CORES, 2)
    expected = computed(made, batch, threads=threads)
    engine = made.engine(True, threads=threads)
    found: list[Any] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(20):
                gradients = np.empty_like(made.flat)
                engine.train_points(made.flat, batch.x, batch.targets, gradients=gradients)
                found.append(gradients)
                found.append(computed(made, batch, threads=threads).gradients)
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert not failures
    assert len(found) == 160
    for gradients in found:
        np.testing.assert_array_equal(gradients, expected.gradients)


def test_malformed_operations_are_refused(tmp_path: Path) -> None:
    """By exceptions of one line; in a process of its own, since what must not happen is a crash."""
    place = tmp_path / "example.txt"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.native_fuzz", str(place), "1500"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        timeout=240,
        check=False,
    )
    tried = place.read_text(encoding="utf-8") if place.exists() else "nothing"
    assert done.returncode == 0, f"{tried}: {done.stderr.decode()[-2000:]}"
    ran, total = (int(word) for word in done.stdout.split()[::2][:2])
    assert ran > 100  # what is refused before it runs shows little
    assert total >= 500
