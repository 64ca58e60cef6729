"""The help: options in groups, sub-commands in groups, examples as they are typed."""

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand

EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "inr compress photo.png photo.inr",
        "inr compress *.png --out-dir packed",
        "inr decompress photo.inr big.png --scale 2",
        "inr info photo.inr",
        "source <(inr completion bash)",
    ),
    "compress": (
        "inr compress photo.png photo.inr",
        "inr compress photo.png photo.inr --model siren --bpp 0.6",
        "inr compress photo.png photo.inr --size 40000 --layers 3",
        "inr compress clip.mp4 clip.inr --time 0:2",
        "inr compress *.png --out-dir packed",
    ),
    "decompress": (
        "inr decompress photo.inr photo_again.png",
        "inr decompress photo.inr eye.png --region 300,200,64,64 --size 512x512",
        "inr decompress clip.inr slow.mp4 --fps 120",
        "inr decompress *.inr --out-dir pictures --suffix .jpg",
    ),
    "info": ("inr info photo.inr", "inr info photo.inr --json"),
    "compare": ("inr compare photo.png photo.inr", "inr compare clip.mp4 clip.inr --time 0:2"),
    "fit": (
        "inr fit photo.png --model siren --curve curve.csv",
        "inr fit photo.png photo.inr --model wire --set width=64 --steps 2000",
        "inr fit photo.png photo.inr --seconds 600 --checkpoint fit.ckpt",
    ),
    "models": ("inr models", "inr models --json"),
    "submit": (
        "inr submit photo.png photo.inr --bpp 1.5",
        "inr submit clip.mp4 --server inr.example.org:50051 --ca cert.pem",
    ),
    "jobs": ("inr jobs --state running --state queued",),
    "watch": ("inr watch 0b5c",),
    "cancel": ("inr cancel 0b5c",),
    "fetch": ("inr fetch 0b5c photo.inr",),
    "serve": ("inr serve --data /var/lib/inr --workers 2",),
    "completion": ("source <(inr completion bash)", "inr completion fish > ~/.config/fish/completions/inr.fish"),
}
"""Lines that work, by sub-command; the empty name is `inr` itself."""


GROUPS = ("Arguments", "Target", "Input", "Model", "Training", "Computer", "Output", "Server", "Options")
"""Groups of options, in their order; others come before the last."""


class Command(TyperCommand):
    """A sub-command whose options stand in groups."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What may be typed; an argument that stands for several words is written as its name says."""
        pieces = super().collect_usage_pieces(ctx)
        whole = {f"{{{p.metavar}}}...": p.metavar for p in self.get_params(ctx) if p.metavar is not None}
        return [whole.get(piece, piece) for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments first, then the groups."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            group = getattr(parameter, "rich_help_panel", None) or "Options"
            if parameter.param_type_name == "argument":
                group, record = "Arguments", (parameter.metavar or record[0], record[1])
            groups.setdefault(group, []).append(record)
        last = len(GROUPS) - 1
        for group in sorted(groups, key=lambda name: GROUPS.index(name) if name in GROUPS else last - 0.5):
            with formatter.section(group):
                formatter.write_dl(groups[group])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The examples."""
        write_examples(formatter, EXAMPLES.get(ctx.info_name or "", ()))


def write_examples(formatter: Any, lines: Iterable[str]) -> None:
    """Lines as they are typed, never wrapped."""
    texts = list(lines)
    if not texts:
        return
    with formatter.section("Examples"):
        for text in texts:
            formatter.write(f"{'':{formatter.current_indent}}{text}\n")
