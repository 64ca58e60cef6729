"""The table of ids that files contain. Literal, frozen by a golden test, never reused.

Model names stand here as well as in the registry so that a file can be described without loading any model;
registering a model under another id than the one listed here fails a test.
"""

SIGNAL_KINDS: dict[int, str] = {0: "image", 1: "video", 2: "array"}
FIRST_FOREIGN_KIND = 65_536
"""Kinds of signal of other packages have ids from here on; those below are given here, or mean nothing yet."""
SIGNAL_AXES: dict[str, tuple[str, ...]] = {"image": ("y", "x"), "video": ("t", "y", "x")}
"""Axes of the kinds that always have the same ones."""
SAMPLE_TYPES: dict[int, str] = {0: "uint8", 1: "uint16", 2: "float16", 3: "float32", 4: "int8", 5: "int16"}
COLOUR_SPACES: dict[int, str] = {0: "srgb", 1: "linear", 2: "unknown"}
EXTRAS: dict[int, dict[int, str]] = {
    0: {0: "cicp", 1: "gamma", 2: "chromaticities", 3: "channel_axis"},
    2: {0: "ones"},
}
"""Kind of signal -> number -> name of the attributes in header key 25."""
ALIGNMENTS: dict[int, str] = {0: "center", 1: "corner"}
CODERS: dict[int, str] = {0: "weights", 1: "latent"}
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
    3: ("gauss", {0: "width", 1: "depth", 2: "sigma"}),
    4: ("wire", {0: "width", 1: "depth", 2: "omega_0", 3: "omega", 4: "sigma"}),
    5: ("wire2d", {0: "width", 1: "depth", 2: "omega_0", 3: "omega", 4: "sigma"}),
    6: ("finer", {0: "width", 1: "depth", 2: "omega_0", 3: "omega", 4: "first_bias"}),
    7: ("fkan", {0: "width", 1: "n_frequencies", 2: "omega"}),
    8: ("poly", {0: "width", 1: "depth"}),
    9: ("sl2a", {0: "degree", 1: "width", 2: "depth", 3: "rank"}),
    10: ("finr", {0: "format", 1: "rank", 2: "axis_model", 3: "band", 4: "first_band", 5: "first_rank"}),
    11: ("relu_pe", {0: "n_features", 1: "sigma", 2: "width", 3: "depth", 4: "feature_seed"}),
    12: (
        "densegrid",
        {
            0: "nodes_0",
            1: "nodes_1",
            2: "nodes_2",
            3: "extent_0",
            4: "extent_1",
            5: "extent_2",
            6: "n_levels",
            7: "n_features",
            8: "width",
            9: "depth",
        },
    ),
    13: (
        "cafe",
        {0: "n_features", 1: "sigma", 2: "n_polynomials", 3: "width", 4: "depth", 5: "feature_seed"},
    ),
    14: ("bacon", {0: "width", 1: "max_band", 2: "feature_seed"}),
    15: (
        "iterative",
        {0: "backbone", 1: "steps", 2: "feedback_width", 3: "fuse_width", 4: "cells", 5: "seed", 6: "state"},
    ),
    16: ("bandpair", {0: "low", 1: "band"}),
}

WORDS: dict[int, dict[int, tuple[str, ...]]] = {
    10: {0: ("cp", "tt", "tucker")},
    15: {6: ("refined", "zeros")},
}
"""Model id -> setting number -> the words that stand for the stored numbers 0, 1, ...; only for settings in words."""


def id_of(table: dict[int, str], name: str) -> int:
    """The id of a name; raises `KeyError`."""
    return {text: number for number, text in table.items()}[name]
