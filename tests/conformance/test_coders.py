"""What every coder, one of a third party among them, has to do: meet targets, go on, stand hostile bytes."""

import math
import pickle
import random
from collections.abc import Callable, Iterator, Set
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import inr
from inr.codec.candidates import Candidates
from inr.codec.decode import open_field
from inr.codec.encode import compress_parts, fit_part, join_parts, shared_of
from inr.codec.load_save import load_parts
from inr.codec.pack import pack, unpack
from inr.coders.base import CODERS, AnyCoder, Encoded, Plan, chosen, coder_in, coder_of
from inr.coders.request import CompressSpec
from inr.container import ids
from inr.container.file import DATA, InrFile, Section, parse, section_sizes, to_bytes
from inr.container.header import from_cbor, to_cbor
from inr.errors import (
    FitCancelledError,
    FormatError,
    SpecError,
    TargetError,
    UnknownComponentError,
    UnsupportedFeatureError,
)
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.run import Hooks
from inr.registry import kind_of
from inr.samplers.base import Moment
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal
from inr.spec import to_wire
from tests.golden.make_golden import FOLDER
from tests.golden.snapshot import FIRST_HOME
from tests.support.cosine_coder import Cosine
from tests.support.small_fits import photo, psnr_of

OWN: list[type[AnyCoder]] = list(CODERS)
ALL: list[type[AnyCoder]] = [*OWN, Cosine]
CASES = [(cls, number) for cls in ALL for number in range(len(cls.EXAMPLES))]

each_coder = pytest.mark.parametrize("cls", ALL, ids=kind_of)
each_example = pytest.mark.parametrize(("cls", "number"), CASES, ids=[f"{kind_of(c)}-{n}" for c, n in CASES])


@pytest.fixture(scope="module", autouse=True)
def _third_party() -> Iterator[None]:
    CODERS.register(Cosine)
    yield
    CODERS.unregister(Cosine)


def example(cls: type[AnyCoder], number: int) -> CompressSpec:
    return CompressSpec(**cls.EXAMPLES[number])


def takes(cls: type[AnyCoder]) -> Set[str]:
    return CompressSpec.model_fields.keys() if cls.takes is None else cls.takes


def signal() -> Signal:
    return inr.load(photo(24).copy())


def compressed(request: CompressSpec, hooks: Hooks | None = None) -> bytes:
    return compress_parts(load_parts(signal()), request, hooks).data


@pytest.fixture(scope="module")
def files() -> Callable[[type[AnyCoder], int], bytes]:
    """The file of an example, made once."""
    made: dict[tuple[str, int], bytes] = {}

    def get(cls: type[AnyCoder], number: int) -> bytes:
        key = (kind_of(cls), number)
        if key not in made:
            made[key] = compressed(example(cls, number))
        return made[key]

    return get


Files = Callable[[type[AnyCoder], int], bytes]


@each_coder
def test_coder_is_described(cls: type[AnyCoder]) -> None:
    assert CODERS.get(kind_of(cls)) is cls
    assert CODERS.by_wire_id(cls.wire_id) is cls
    assert CODERS.make(kind_of(cls)) == cls()
    assert cls.paper.strip()
    assert (cls.__doc__ or "").strip()
    assert takes(cls) <= set(CompressSpec.model_fields)
    assert len(cls.EXAMPLES) >= 2
    assert max(CompressSpec(**keywords).layers for keywords in cls.EXAMPLES) > 1
    assert ids.CODERS.get(cls.wire_id, kind_of(cls)) == kind_of(cls)


@each_coder
def test_fields_that_a_coder_does_not_heed_are_refused(cls: type[AnyCoder]) -> None:
    settings = {"model": "siren", "batch": 7, "reparam": "fourier", "quality": 3, "steps": 5}
    for name in settings.keys() - takes(cls):
        request = CompressSpec(**{"coder": kind_of(cls), name: settings[name]})
        with pytest.raises(SpecError, match=f"{name}: the coder {kind_of(cls)} has none; it takes"):
            inr.compress(photo(24).copy(), **request.model_dump(exclude_unset=True))
    assert cls.takes is None or settings.keys() - takes(cls)


@each_example
def test_plan_round_trips_through_json(cls: type[AnyCoder], number: int) -> None:
    request = example(cls, number)
    plan = chosen(request).plan(SignalInfo.of(signal()), request, Candidates(signal()))
    assert isinstance(plan, Plan)
    again = type(plan).from_json(plan.to_json())
    assert again == plan
    assert again.coder == kind_of(cls)
    assert plan.parameters > 0


@each_example
def test_targets_are_met_and_reported(cls: type[AnyCoder], number: int, files: Files) -> None:
    request, result = example(cls, number), compress_parts(load_parts(signal()), example(cls, number))
    assert result.data == files(cls, number)
    decoded = open_field(result.data).decode()
    assert result.report.psnr == pytest.approx(psnr_of(photo(24), decoded), abs=1e-6)
    assert result.report.bytes == len(result.data)
    assert request.size is None or len(result.data) <= request.size
    assert request.psnr is None or psnr_of(photo(24), decoded) >= request.psnr


@each_coder
def test_size_that_cannot_be_had_is_refused(cls: type[AnyCoder]) -> None:
    with pytest.raises(TargetError, match=r"size: "):
        compressed(CompressSpec(coder=kind_of(cls), size=30))


@each_example
def test_every_prefix_is_a_coarser_signal(cls: type[AnyCoder], number: int, files: Files) -> None:
    data = files(cls, number)
    sizes = section_sizes(parse(data))
    assert len(sizes) == example(cls, number).layers
    quality = [psnr_of(photo(24), open_field(data[:size]).decode()) for size in sizes]
    assert quality == sorted(quality)
    for layers, size in enumerate(sizes, start=1):
        prefix = parse(data[:size])
        encoded = unpack(prefix)
        assert isinstance(encoded, Encoded)
        assert (encoded.layers, encoded.missing) == (len(sizes), len(sizes) - layers)
        assert coder_of(encoded).payloads(encoded) == prefix.payloads
        assert coder_of(encoded).part(encoded) == prefix.header.coder_part


@each_example
def test_header_fields_round_trip(cls: type[AnyCoder], number: int, files: Files) -> None:
    header = parse(files(cls, number)).header
    assert from_cbor(to_cbor(header)) == header
    coder = coder_in(header.coder_part)
    assert type(coder) is cls
    assert tuple(to_wire(coder).items()) == header.coder_fields
    assert header.coder == cls.wire_id


@each_example
def test_same_bytes_with_the_same_threads(
    cls: type[AnyCoder], number: int, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And, where the coder says so, with any number."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, again = compressed(example(cls, number)), compressed(example(cls, number))
    finally:
        torch.set_num_threads(before)
    assert first == again
    assert not cls.thread_invariant or first == files(cls, number)


@each_example
def test_a_training_that_stops_goes_on_to_the_same_bytes(
    cls: type[AnyCoder], number: int, files: Files, tmp_path: Path
) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked == 1

    checkpoint = CheckpointPolicy(tmp_path / "fit.ckpt")
    with pytest.raises(FitCancelledError, match="after 1 steps"):
        compressed(example(cls, number), Hooks(cancelled=cancelled, checkpoint=checkpoint))
    assert compressed(example(cls, number), Hooks(checkpoint=checkpoint)) == files(cls, number)


@each_example
def test_state_is_all_that_a_step_changes(cls: type[AnyCoder], number: int) -> None:
    """A copy of it: steps that follow leave it alone, and it can be gone on from twice."""
    request, source = example(cls, number), signal()
    coder = chosen(request)
    plan = coder.plan(SignalInfo.of(source), request, Candidates(source))
    training = coder.start(source, plan)
    assert training.signal is source
    training.step(Moment(0, 0.0, 4))
    state = training.state()
    losses = [training.step(Moment(n, n / 4, 4)) for n in (1, 2)]
    assert all(math.isfinite(loss) for loss in losses)
    axes = source.domain.block_coordinates(tuple(np.arange(n) for n in source.domain.shape))
    expected = training.field().grid(axes)
    for _ in range(2):
        other = coder.start(source, plan)
        assert other.identity == training.identity
        other.restore(state)
        assert [other.step(Moment(n, n / 4, 4)) for n in (1, 2)] == losses
        np.testing.assert_array_equal(other.field().grid(axes), expected)


def damaged(payload: bytes, rng: random.Random) -> bytes:
    """A payload with some bytes changed, cut or added."""
    changed = bytearray(payload)
    for _ in range(rng.randint(1, 3)):
        way = rng.randrange(4)
        if way == 0 and changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        elif way == 1:
            del changed[rng.randint(0, len(changed)) :]
        elif way == 2:
            changed += rng.randbytes(rng.randint(1, 9))
        else:
            changed[:] = rng.randbytes(rng.randint(0, 40))
    return bytes(changed)


def opened_or_refused(file: InrFile) -> Encoded | str:
    """What a file holds, or the message of a `FormatError`; every other exception goes through."""
    try:
        return unpack(file)
    except FormatError as error:
        return str(error)


@each_example
def test_hostile_payloads_are_named_errors_or_signals(cls: type[AnyCoder], number: int, files: Files) -> None:
    """What opens encodes to the same bytes again: no signal has two files."""
    file, rng = parse(files(cls, number)), random.Random(number)
    opened = 0
    for _ in range(150):
        which = rng.randrange(len(file.payloads))
        sections = list(file.sections)
        sections[which] = Section(DATA, damaged(sections[which].payload, rng))
        hostile = InrFile(file.header, tuple(sections))
        encoded = opened_or_refused(hostile)
        if isinstance(encoded, str):
            assert 10 < len(encoded) < 400
            assert "\n" not in encoded
            continue
        opened += 1
        assert replace(pack(encoded).header, psnr=()) == replace(file.header, psnr=())
        assert pack(encoded).payloads == hostile.payloads
        assert open_field(hostile).decode().shape == photo(24).shape
    assert opened < 150


def test_settings_of_a_coder_that_are_not_known_or_out_of_range(files: Files) -> None:
    file = parse(files(Cosine, 1))
    for fields, message in (
        (((7, 1),), r"coder cosine has no setting number 7"),
        (((0, 65),), r"header: coder cosine: cosine: terms: .*less than or equal to 64; got 65"),
        (((0, 12.0),), r"canonical"),
        (((0, (1, ())),), r"a component \(id 1\) where a number is needed"),
    ):
        with pytest.raises(FormatError, match=message):
            unpack(InrFile(replace(file.header, coder_fields=fields), file.sections))


def test_unknown_coder_is_refused_by_its_id(files: Files) -> None:
    file = parse(files(Cosine, 0))
    alien = to_bytes(InrFile(replace(file.header, coder=12345), file.sections))
    with pytest.raises(UnsupportedFeatureError, match="coder id 12345 is not known to this version"):
        open_field(alien)
    with pytest.raises(UnknownComponentError, match="unknown coder 'nonsense'; known: weights, latent, cosine"):
        compressed(CompressSpec(coder="nonsense"))


@each_coder
def test_parts_of_a_signal_share_a_header(cls: type[AnyCoder]) -> None:
    """Each is coded without the others, from what the first one decided; what is between two processes is pickled."""
    request = example(cls, 0).replace(size=2000)
    picture = inr.load(np.concatenate([photo(24), photo(24)[::-1]]))
    parts = load_parts(picture, segment=16)
    assert parts.lengths == (16, 16, 16)
    first = fit_part(parts.signals[0], request, parts.lengths, 0, None)
    others = [fit_part(parts.signals[n], request, parts.lengths, n, shared_of(first)) for n in (1, 2)]
    done = [pickle.loads(pickle.dumps(part)) for part in (first, *others)]  # noqa: S301
    result = join_parts(parts.lengths, done, 0.0)
    assert len(result.data) <= 2000
    assert result.report.parameters == 3 * first.facts.parameters
    assert result.report.psnr == pytest.approx(psnr_of(picture.samples, open_field(result.data).decode()), abs=1e-6)
    assert result.data == compress_parts(load_parts(picture, segment=16), request).data


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.inr")), ids=lambda path: path.stem)
def test_golden_files_open(path: Path) -> None:
    file = parse(path.read_bytes())
    encoded = unpack(file)
    assert type(coder_of(encoded)) is type(coder_in(file.header.coder_part))
    assert open_field(file).signal().samples.shape == (*file.header.shape, file.header.channels)


def test_every_coder_whose_files_are_settled_has_a_golden_file() -> None:
    found = {parse(path.read_bytes()).header.coder for path in FOLDER.glob("*.inr")}
    assert found == {cls.wire_id for cls in OWN if cls.wire_id < FIRST_HOME} == set(ids.CODERS)
