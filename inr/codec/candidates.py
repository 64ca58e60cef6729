"""What the files of a signal would be, for coders that look for the right one."""

from typing import final
from weakref import WeakKeyDictionary

from inr.codec.decode import open_encoded
from inr.codec.pack import assemble, pack, with_psnr
from inr.codec.tiles import Tiling
from inr.coders.base import Encoded
from inr.container.file import InrFile, to_bytes
from inr.container.header import CoderPart
from inr.signals.info import SignalInfo
from inr.signals.kind import kind_for
from inr.signals.signal import Signal

_ANY_DB = 30.0
"""A PSNR that takes as many bytes in a header as any other of 2.56 dB or more; less takes less."""


@final
class Candidates:
    """Packs and measures files of one signal; see `inr.coders.base.Files`.

    Args:
        signal: what they are made of.
    """

    def __init__(self, signal: Signal) -> None:
        self._signal, self._info = signal, SignalInfo.of(signal)
        self._files: WeakKeyDictionary[Encoded, InrFile] = WeakKeyDictionary()

    def framing(self, part: CoderPart, layers: int) -> int:
        """See `Files`."""
        tiling = Tiling(self._info.domain, (1,) * self._info.domain.ndim)
        file = assemble(self._info, part, [(b"",) * layers], tiling)
        return len(to_bytes(with_psnr(file, *[(_ANY_DB,) * layers] * 2)))

    def size(self, encoded: Encoded) -> int:
        """See `Files`."""
        return len(to_bytes(with_psnr(self.file(encoded), *[(_ANY_DB,) * encoded.layers] * 2)))

    def psnr(self, encoded: Encoded) -> float:
        """See `Files`."""
        meta = self._signal.meta
        metric = kind_for(meta).decibels(meta)
        found = open_encoded(encoded).signal().samples
        return metric.value(metric.tally(self._signal.samples, found, meta.peak), meta.peak)

    def file(self, encoded: Encoded) -> InrFile:
        """The file, without PSNRs; coded once."""
        if encoded not in self._files:
            self._files[encoded] = pack(encoded)
        return self._files[encoded]
