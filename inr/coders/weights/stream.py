"""Symbols to payloads and back: one range-coded stream a quality layer, or plain floats."""

import numpy as np

from inr.coders.weights.quantize import (
    MAX_STEP_CODE,
    MIN_STEP_CODE,
    Coding,
    EncodedWeights,
    QuantizedTensor,
    Symbols,
)
from inr.entropy.stream import check_holds, decoder, encoder
from inr.errors import CorruptStreamError
from inr.layers.layout import TensorLayout

Layouts = tuple[TensorLayout, ...]


def encode(field: EncodedWeights) -> tuple[bytes, ...]:
    """The payloads of the layers that are there, coarse to fine."""
    if field.coding != "uniform":
        return (b"".join(t.symbols.astype(_float_bits(field.coding)).tobytes() for t in field.tensors),)
    present = field.layers - field.missing
    refinements = (_encode_refinement(field.tensors, missing) for missing in range(present - 2, -1, -1))
    return (_encode_base(field.tensors, present - 1), *refinements)


def decode(payloads: tuple[bytes, ...], layouts: Layouts, coding: Coding) -> tuple[QuantizedTensor, ...]:
    """The symbols that the first payloads of a file stand for; raises `CorruptStreamError`."""
    if coding != "uniform":
        return _decode_floats(payloads[0], layouts, coding)
    for payload in payloads:
        _check_length(payload, layouts)
    tensors = _decode_base(payloads[0], layouts)
    for payload in payloads[1:]:
        tensors = _decode_refinement(payload, tensors)
    return tensors


def _float_bits(coding: Coding) -> str:
    return "<u2" if coding == "float16" else "<u4"


def _entries(layout: TensorLayout) -> int:
    return int(np.prod(layout.shape, dtype=np.int64))


def _check_length(payload: bytes, layouts: Layouts) -> None:
    check_holds(len(payload), sum(_entries(layout) for layout in layouts))


def _spans(layout: TensorLayout) -> list[tuple[int, int]]:
    """Runs of the flattened symbols that share an entropy model."""
    width = _entries(layout) // layout.shape[0]
    if not layout.separate_models:
        return [(0, layout.shape[0] * width)]
    ends = np.cumsum(layout.groups) * width
    return list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))


def _encode_base(tensors: tuple[QuantizedTensor, ...], missing: int) -> bytes:
    coder = encoder()
    for tensor in tensors:
        coder.encode_integers(np.diff(tensor.step_codes, prepend=np.int64(0)))
        values = _coarse(tensor.symbols, missing)
        for start, end in _spans(tensor.layout):
            coder.encode_integers(values[start:end])
    return coder.finish()


def _encode_refinement(tensors: tuple[QuantizedTensor, ...], missing: int) -> bytes:
    coder = encoder()
    for tensor in tensors:
        coarse, fine = _coarse(tensor.symbols, missing + 1), _coarse(tensor.symbols, missing)
        for start, end in _spans(tensor.layout):
            coder.encode_refinements(coarse[start:end], fine[start:end])
    return coder.finish()


def _coarse(symbols: Symbols, missing: int) -> Symbols:
    flat = np.ascontiguousarray(symbols).reshape(-1)
    return flat if missing == 0 else np.sign(flat) * (np.abs(flat) >> missing)


def _decode_base(payload: bytes, layouts: Layouts) -> tuple[QuantizedTensor, ...]:
    coder = decoder(payload)
    tensors = []
    for layout in layouts:
        codes = np.cumsum(coder.decode_integers(len(layout.groups)))
        beyond = codes[(codes < MIN_STEP_CODE) | (codes > MAX_STEP_CODE)]
        if beyond.size:
            raise CorruptStreamError(f"step code {beyond[0]} is not within {MIN_STEP_CODE}..{MAX_STEP_CODE}")
        flat = np.empty(_entries(layout), dtype=np.int64)
        for start, end in _spans(layout):
            flat[start:end] = coder.decode_integers(end - start)
        tensors.append(QuantizedTensor(layout, flat.reshape(layout.shape), codes))
    coder.finish()
    return tuple(tensors)


def _decode_refinement(payload: bytes, tensors: tuple[QuantizedTensor, ...]) -> tuple[QuantizedTensor, ...]:
    coder = decoder(payload)
    refined = []
    for tensor in tensors:
        flat = tensor.symbols.reshape(-1).copy()
        for start, end in _spans(tensor.layout):
            flat[start:end] = coder.decode_refinements(flat[start:end])
        refined.append(QuantizedTensor(tensor.layout, flat.reshape(tensor.layout.shape), tensor.step_codes))
    coder.finish()
    return tuple(refined)


def _decode_floats(payload: bytes, layouts: Layouts, coding: Coding) -> tuple[QuantizedTensor, ...]:
    kind = np.dtype(_float_bits(coding))
    entries = sum(_entries(layout) for layout in layouts)
    if len(payload) != entries * kind.itemsize:
        raise CorruptStreamError(f"{entries} {coding} values need {entries * kind.itemsize} bytes; got {len(payload)}")
    values = np.frombuffer(payload, dtype=kind)
    if not np.isfinite(values.view(coding)).all():
        raise CorruptStreamError(f"a stored {coding} value is not finite")
    tensors, position = [], 0
    for layout in layouts:
        symbols = values[position : position + _entries(layout)].astype(np.int64).reshape(layout.shape)
        tensors.append(QuantizedTensor(layout, symbols, np.zeros(0, dtype=np.int64)))
        position += _entries(layout)
    return tuple(tensors)
