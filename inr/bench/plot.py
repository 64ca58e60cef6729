"""Figures: PSNR over time, and PSNR over a setting. Needs matplotlib, which is loaded on first use."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inr.bench.results import Curve
from inr.errors import MissingDependencyError
from inr.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, without yellow, which is too pale for a line: told apart by colour-blind readers."""
DASHES = ("solid", (0, (5, 1.5)), (0, (1.2, 1.2)))
"""Each for one round of the colours."""
WIDTH, HEIGHT = 3.6, 3.0
LEFT, BOTTOM, TOP, TITLE = 0.62, 0.52, 0.15, 0.2
"""Inches of a panel and of the space around it; a panel with many lines is higher, for their labels at the right."""
LEADER, SAMPLE, GAP = 0.2, 0.3, 0.07
"""Inches from the end of a line to its sample, of the sample, and from there to the name."""
LETTER = 0.075
"""Inches that a letter of a label takes at most."""
SPACING = 0.17
"""Inches between two labels, at least."""
COLUMNS = 2
FEW = 9
"""Places on the horizontal axis that each get a tick."""
SHOWN_FROM = 1 / 200
"""Share of the time at which the axis begins: what is earlier is noise of the start."""
DPI = 200

STYLE: "dict[RcKeyType, Any]" = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so figures look the same everywhere
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "inr",
}


@dataclass(frozen=True)
class Line:
    """A line of at least one point; `note` stands after its name, `marks` are points to show with a dot."""

    x: Sequence[float]
    y: Sequence[float]
    note: str = ""
    marks: Sequence[tuple[float, float]] = ()


Panels = Mapping[str, Mapping[str, Line]]


def require_matplotlib() -> None:
    """Raise `MissingDependencyError` if there is no matplotlib, before work starts that needs it at its end."""
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError:
        raise MissingDependencyError(
            "figures need matplotlib, which is not installed; run: pip install 'inr[bench]'"
        ) from None


def over_time(curves: Mapping[str, Mapping[str, Curve]]) -> Panels:
    """Panels of curves; the beginning, of which a logarithmic axis would make most, is left out."""
    panels = {}
    for group, cases in curves.items():
        first = max((curve.seconds[-1] for curve in cases.values()), default=1.0) * SHOWN_FROM
        panels[group] = {case: _from(curve, first) for case, curve in cases.items()}
    return panels


def _from(curve: Curve, first: float) -> Line:
    shown = [(t, p) for t, p in zip(curve.seconds, curve.psnr, strict=True) if t >= first or t == curve.seconds[-1]]
    return Line([t for t, _ in shown], [p for _, p in shown], f"{curve.psnr[-1]:.1f}")


def save(stem: Path, panels: Panels, x_label: str, y_label: str) -> list[Path]:
    """Draw panels beside each other and write them as PNG and SVG, the same bytes for the same lines.

    Args:
        stem: path without suffix.
        panels: lines by label, by the title of the panel; a label has the same colour in all of them.
        x_label: what the logarithmic horizontal axis shows.
        y_label: what the vertical axis shows.

    Returns:
        The files written.

    Raises:
        MissingDependencyError: there is no matplotlib.
        FileAccessError: a file cannot be written.
    """
    require_matplotlib()
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure = _drawn(panels, x_label, y_label)
        written = []
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None, "Creator": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], dpi=DPI, metadata=metadata)
            path = stem.with_name(stem.name + suffix)
            write_bytes(path, buffer.getvalue())
            written.append(path)
    return written


def _drawn(panels: Panels, x_label: str, y_label: str) -> "Figure":
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(label for lines in panels.values() for label in lines))
    columns = min(COLUMNS, max(1, len(panels)))
    rows = math.ceil(len(panels) / columns)
    width = LEFT + WIDTH + LEADER + SAMPLE + GAP + LETTER * (6 + max((len(label) for label in labels), default=0))
    high = max(HEIGHT, SPACING * len(labels))
    height = BOTTOM + high + TOP + (TITLE if any(panels) else 0)
    figure = Figure(figsize=(columns * width, rows * height))
    for number, (title, lines) in enumerate(panels.items()):
        row, column = divmod(number, columns)
        corner = ((column + LEFT / width) / columns, (rows - 1 - row + BOTTOM / height) / rows)
        axes = figure.add_axes((*corner, WIDTH / width / columns, high / height / rows))
        axes.set_title(title)
        axes.set_xscale("log")
        axes.set_xlabel(x_label)
        if column == 0:
            axes.set_ylabel(y_label)
        for label, line in lines.items():
            _draw(axes, labels.index(label), line)
        _plain_ticks(axes, sorted({x for line in lines.values() for x in line.x}))
        _label(axes, lines, labels, high)
    return figure


def _draw(axes: "Axes", number: int, line: Line) -> None:
    style = _style(number)
    axes.plot(line.x, line.y, **style)
    if line.marks:
        x, y = zip(*line.marks, strict=True)
        axes.plot(x, y, "o", color=style["color"], markersize=5, clip_on=False)


def _style(number: int) -> dict[str, Any]:
    """Colour and dashes of the line with this number."""
    dashes = DASHES[number // len(COLOURS) % len(DASHES)]
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": dashes}


def _plain_ticks(axes: "Axes", places: Sequence[float]) -> None:
    """Times as 0.5 and 20, not as powers of ten; every place if there are few."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.margins(x=0.0)
    low, high = axes.get_xlim()
    if len(places) <= FEW:
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        wide = high / low
        subs = (1.0,) if wide > 3000 else (1.0, 3.0) if wide > 50 else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(10, subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _label(axes: "Axes", lines: Mapping[str, Line], order: Sequence[str], high: float) -> None:
    """Samples and names at the ends of the lines, best on top, moved apart where they would overlap."""
    low, top = axes.get_ylim()
    left, right = (math.log(x) for x in axes.get_xlim())
    ends = sorted(((line.y[-1] - low) / (top - low), label) for label, line in lines.items())
    places = spread_out([end for end, _ in ends], SPACING / high)
    x = [1 + inches / WIDTH for inches in (LEADER, LEADER + SAMPLE, LEADER + SAMPLE + GAP)]
    for place, (end, label) in zip(places, ends, strict=True):
        beside: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        begin = (math.log(lines[label].x[-1]) - left) / (right - left) + 0.02 / WIDTH
        axes.plot([begin, x[0]], [end, place], color="#b0b0b0", linewidth=0.6, **beside)
        axes.plot(x[:2], [place, place], **_style(order.index(label)), **beside)
        name = f"{label}  {lines[label].note}"
        axes.text(x[2], place, name, va="center_baseline", fontsize=8, transform=axes.transAxes)


def spread_out(wanted: Sequence[float], step: float) -> list[float]:
    """Places within 0 to 1 in the order of `wanted`, which is sorted: `step` apart, and as near as that allows.

    Neighbours that are too close become a block around their mean; blocks that meet are joined.
    """
    blocks: list[list[float]] = []
    for place in wanted:
        blocks.append([place])
        while len(blocks) > 1 and _first(blocks[-2], step) + len(blocks[-2]) * step > _first(blocks[-1], step):
            last = blocks.pop()
            blocks[-1] += last
    return [_first(block, step) + i * step for block in blocks for i in range(len(block))]


def _first(block: Sequence[float], step: float) -> float:
    """Place of the first of a block."""
    length = (len(block) - 1) * step
    return max(0.0, min(sum(block) / len(block) - length / 2, 1 - length))
