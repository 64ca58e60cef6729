"""The tables of the README, from the JSON documents of the benchmarks: written, or compared with what is there."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inr.bench.documents import markdown
from inr.errors import FileAccessError, SpecError
from inr.files import read_bytes, write_bytes

NOUNS = {"zoo": "model", "inits": "initialiser", "samplers": "sampler"}
"""Benchmarks whose tables are in the README, and what a row of each is."""
_BEGIN, _END = "<!-- table {name}: written by `inr bench readme` -->", "<!-- end of table {name} -->"


def updated(text: str, folder: Path) -> str:
    """A text with its tables as the documents in a folder have them.

    A table stands between the comments ``<!-- table zoo: written by `inr bench readme` -->`` and
    ``<!-- end of table zoo -->``; where there are none, nothing changes.

    Raises:
        SpecError: a table has no end, or its benchmark is not complete.
        FileAccessError: a document cannot be read, or is none of a benchmark.
    """
    for name in NOUNS:
        begin, end = _BEGIN.format(name=name), _END.format(name=name)
        if begin not in text:
            continue
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
            raise SpecError(f"README: the table {name} needs one beginning and one end behind it: {begin} ... {end}")
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{tables(name, document(folder / f'{name}.json'))}\n{end}{after}"
    return text


def document(path: Path) -> dict[str, Any]:
    """What `inr bench` has written as JSON.

    Raises:
        FileAccessError: it cannot be read, or is something else.
        SpecError: some of its runs are missing.
    """
    try:
        found = json.loads(read_bytes(path))
        complete = bool(found["complete"] and found["settings"] and found["environment"] and found["results"])
    except (ValueError, TypeError, KeyError):
        raise FileAccessError(f"cannot read {path}: it is not a document of a benchmark") from None
    if not complete:
        raise SpecError(f"{path}: not all runs are done; go on with --resume first")
    return dict(found)


def tables(name: str, told: dict[str, Any]) -> str:
    """One table for each group, after a line that says what was run."""
    firsts: dict[str, str] = {}
    for result in told["results"]:
        firsts.setdefault(result["group"], result["case"])
    parts = [_conditions(name, told)]
    for group, baseline in firsts.items():
        rows = [row for row in told["summary"] if row["group"] == group]
        if rows:
            title = [f"`{group}`:", ""] if len(firsts) > 1 else []
            parts.append("\n".join([*title, *markdown([_head(name, baseline, told), *map(_cells, rows)])]))
    return "\n".join(f"\n{part}" for part in parts) + "\n"


def _conditions(name: str, told: dict[str, Any]) -> str:
    """The command, and over what the medians are taken."""
    settings = told["settings"]
    budget = f"--steps {settings['steps']}" if settings["steps"] else f"--seconds {settings['seconds']:g}"
    models = "" if name == "zoo" else f" --models {','.join(settings['models'])}"
    sources, seeds, threads = len(settings["sources"]), settings["seeds"], told["environment"]["threads"]
    return (
        f"`inr bench {name}{models} {budget} --seeds {seeds}`, at most {settings['parameters']:,} parameters, "
        f"{_counted(threads, 'thread')}: medians over {_counted(sources, 'image')} and {_counted(seeds, 'seed')}, the "
        "third column paired by image and seed."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _head(name: str, baseline: str, told: dict[str, Any]) -> list[str]:
    settings = told["settings"]
    spent = "steps" if settings["steps"] else f"steps in {settings['seconds']:g} s"
    return [NOUNS[name], "PSNR dB", f"against `{baseline}`", "SSIM", spent]


def _cells(row: dict[str, Any]) -> Sequence[str]:
    first, _, rest = row["case"].partition(" ")
    gain = "" if row["gain"] is None else f"{row['gain']['median']:+.2f}"
    return [
        f"`{first}` {rest}".rstrip(),
        f"{row['psnr']['median']:.2f}",
        gain,
        f"{row['ssim']['median']:.3f}",
        str(row["steps"]),
    ]


def write(readme: Path, folder: Path, check: bool) -> bool:
    """Bring the tables of a file up to date, or only look; returns whether it was so already.

    Raises:
        SpecError: the file has no tables, or as `updated`.
        FileAccessError: as `updated`, or the file cannot be written.
    """
    text = read_bytes(readme).decode("utf-8", "replace")
    if not re.search(r"<!-- table \w+: ", text):
        raise SpecError(f"{readme}: has no tables of benchmarks, between {_BEGIN.format(name='zoo')} and its end")
    wanted = updated(text, folder)
    if wanted != text and not check:
        write_bytes(readme, wanted.encode())
    return wanted == text
