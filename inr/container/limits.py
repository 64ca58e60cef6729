"""Limits on what a file may ask for. They are checked before anything of that size is allocated."""

MAX_HEADER_BYTES = 2**20
MAX_TIMES_BYTES = 2**19
"""Of a header, for the times of frames."""
MAX_SECTIONS = 65_536
MAX_AXES = 4
MAX_AXIS_SAMPLES = 2**24
MAX_SAMPLES = 2**36
"""Samples of the stored grid; decoding it in full has a lower limit of its own."""
MAX_ATTRIBUTES = 32
MAX_ATTRIBUTE_KEY = 255
MAX_ATTRIBUTE_NUMBERS = 16
"""Numbers of an attribute that is a list."""
MAX_CHANNELS = 64
MAX_LAYERS = 8
MAX_TILES = 4096
MAX_PARAMETERS = 2**24
