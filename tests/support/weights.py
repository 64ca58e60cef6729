"""What files of the coder `weights` hold."""

from inr.codec.pack import unpack
from inr.coders.weights.quantize import EncodedWeights
from inr.container.file import InrFile


def weights_in(file: InrFile, tile: int = 0) -> EncodedWeights:
    """The network in integers of one tile."""
    encoded = unpack(file, tile)
    assert isinstance(encoded, EncodedWeights)
    return encoded
