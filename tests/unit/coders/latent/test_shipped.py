"""Networks that come with the library, and files that store a difference to them."""

import dataclasses
import hashlib
from importlib import resources

import numpy as np
import pytest

from inr.coders.latent.shipped import EXPONENT, LMBDAS, RETIRED, SHA256, SPEC, nearest, shipped
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import GROUPS, VALUE_BITS, Networks, Pyramid, decode, encode
from inr.entropy.stream import encoder
from inr.errors import CorruptStreamError, FormatError, SpecError, UnsupportedFeatureError
from tests.support.random_latents import random_networks, random_pyramid


def _difference(seed: int, number: int, amplitude: float = 0.02) -> Networks:
    """Normal differences in steps of 2^-6 to 2^-13, most of them zero in the coarse ones."""
    rng = np.random.default_rng(seed)
    exponents = {group: 6 + i for i, group in enumerate(GROUPS)}
    integers = {
        t.name: np.rint(rng.normal(0, amplitude, t.shape) * 2 ** exponents[t.module, t.bias]).astype(np.int64)
        for t in SPEC.layout()
    }
    return Networks(integers, exponents, number)


def _pyramid(networks: Networks) -> Pyramid:
    return dataclasses.replace(random_pyramid(33, 20, 5), networks=networks)


def test_a_number_stands_for_the_same_integers_for_ever() -> None:
    """The file is the one whose hash is known, and every number has its part of it."""
    data = resources.files("inr.coders.latent").joinpath("shipped.bin").read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256
    count = SPEC.parameters
    assert len(data) == 2 * count * len(LMBDAS)
    for number in range(1, len(LMBDAS) + 1):
        found = shipped(number)
        flat = np.frombuffer(data, "<i2")[(number - 1) * count : number * count]
        np.testing.assert_array_equal(found.values() * 2**EXPONENT, flat)
        assert (found.number, found.spec, found.lmbda) == (number, SPEC, LMBDAS[number - 1])


def test_the_nearest_is_that_of_the_range() -> None:
    """By the ratio of lambdas, of those that are not retired; none for networks of another shape."""
    numbers = range(RETIRED[-1] + 1, len(LMBDAS) + 1)
    lmbdas = LMBDAS[len(RETIRED) :]
    assert [nearest(SPEC, lmbda) for lmbda in lmbdas] == list(numbers)
    between = (lmbdas[1] * lmbdas[2]) ** 0.5
    found = [nearest(SPEC, lmbda) for lmbda in (0.99 * between, 1.01 * between, 1e-9, 1.0)]
    assert found == [numbers[1], numbers[2], numbers[0], numbers[-1]]
    assert nearest(LatentSpec(width=16), 1e-3) == nearest(LatentSpec(channels=1), 1e-3) == 0


@pytest.mark.parametrize("number", [1, RETIRED[-1] + 1, len(LMBDAS)])
def test_a_difference_decodes_to_the_exact_sum(number: int) -> None:
    """In integers where it is evaluated in fixed point, and everywhere as numbers; the same bytes again."""
    pyramid = _pyramid(_difference(1, number))
    payloads = encode(pyramid, 3)
    found = decode(SPEC, 33, 20, payloads, 3)
    assert found.networks.number == number
    assert encode(found, 3) == payloads
    base, fixed, values = shipped(number), found.networks.fixed(SPEC), found.networks.values(SPEC)
    for tensor in SPEC.layout():
        step = 2.0 ** -pyramid.networks.exponents[tensor.module, tensor.bias]
        whole = pyramid.networks.integers[tensor.name] * step + base.integers[tensor.name] * 2.0**-EXPONENT
        np.testing.assert_array_equal(values[tensor.name], whole.astype(np.float32))
        if tensor.name in fixed:
            np.testing.assert_array_equal(fixed[tensor.name] * 2.0**-16, whole)
    assert set(fixed) == {t.name for t in SPEC.layout() if t.module in ("context", "parents")}


def test_no_difference_takes_few_bytes() -> None:
    """The networks themselves take many."""
    own = len(encode(_pyramid(random_networks(SPEC, np.random.default_rng(1))), 8)[0])
    difference = _difference(1, 3)
    zeros = {name: 0 * value for name, value in difference.integers.items()}
    none = len(encode(_pyramid(dataclasses.replace(difference, integers=zeros)), 8)[0])
    assert none < 0.15 * own


def test_an_unknown_number_is_refused_by_name() -> None:
    """Of a file: with the number and what would be needed; of a writer: as a setting."""
    coder = encoder()
    coder.encode_bits(np.array([200 >> i & 1 for i in range(8)], np.uint8), np.full(8, 1 << 15, np.uint16))
    coder.encode_integers(np.zeros(5000, np.int64))
    with pytest.raises(UnsupportedFeatureError, match=r"number 200 .*1\.\.11; a later version is needed"):
        decode(SPEC, 8, 8, (coder.finish(),), 1)
    for number in (200, 256, -1):
        with pytest.raises(SpecError, match=f"number {number}"):
            encode(_pyramid(_difference(1, number)), 1)


def test_networks_of_another_shape_are_refused() -> None:
    """A file cannot name shipped networks that do not fit its header."""
    payloads = encode(_pyramid(_difference(1, 2)), 1)
    with pytest.raises(CorruptStreamError, match="number 2 have another shape"):
        decode(LatentSpec(width=47), 33, 20, payloads, 1)


@pytest.mark.parametrize("module", ["context", "synthesis"])
def test_a_sum_beyond_the_range_is_refused(module: str) -> None:
    """Though the difference alone would be within."""
    networks = _difference(1, 1)
    name = next(n for n, v in shipped(1).integers.items() if n.startswith(module) and (v > 0).any())
    place = int(np.argmax(shipped(1).integers[name]))
    tensor = next(t for t in SPEC.layout() if t.name == name)
    largest = 1 << (VALUE_BITS + networks.exponents[tensor.module, tensor.bias])
    changed = networks.integers[name].copy()
    changed.reshape(-1)[place] = largest
    bad = dataclasses.replace(networks, integers={**networks.integers, name: changed})
    with pytest.raises(SpecError, match="beyond"):
        encode(_pyramid(bad), 1)


def test_damaged_differences_never_fail_otherwise() -> None:
    """Whatever is changed, a reader decodes something or says what is wrong."""
    payload = encode(_pyramid(_difference(1, 4)), 8)[0]
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(60):
        changed = bytearray(payload)
        for place in rng.integers(0, len(changed), 3):
            changed[place] ^= int(rng.integers(1, 256))
        try:
            decode(SPEC, 33, 20, (bytes(changed),), 8)
        except FormatError:
            refused += 1
    assert refused > 0
