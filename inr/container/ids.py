"""The table of ids that files contain. Literal, frozen by a golden test, never reused.

Model names stand here as well as in the registry so that a file can be described without loading any model;
registering a model under another id than the one listed here fails a test.
"""

SIGNAL_KINDS: dict[int, str] = {0: "image", 1: "video", 2: "array"}
SAMPLE_TYPES: dict[int, str] = {0: "uint8", 1: "uint16", 2: "float16", 3: "float32", 4: "int8", 5: "int16"}
COLOUR_SPACES: dict[int, str] = {0: "srgb", 1: "linear", 2: "unknown"}
ALIGNMENTS: dict[int, str] = {0: "center", 1: "corner"}
CODINGS: dict[int, str] = {0: "uniform", 1: "float16", 2: "float32"}

MODELS: dict[int, tuple[str, dict[int, str]]] = {
    1: ("siren", {0: "width", 1: "depth", 2: "omega_0", 3: "omega"}),
    2: (
        "hashgrid",
        {
            0: "log2_hashmap_size",
            1: "finest_resolution",
            2: "n_levels",
            3: "n_features",
            4: "base_resolution",
            5: "width",
            6: "depth",
        },
    ),
}

WORDS: dict[int, dict[int, tuple[str, ...]]] = {}
"""Model id -> setting number -> the words that stand for the stored numbers 0, 1, ...; only for settings in words."""


def id_of(table: dict[int, str], name: str) -> int:
    """The id of a name; raises `KeyError`."""
    return {text: number for number, text in table.items()}[name]
