"""What a new user sees first: help, version, completion, lists, and the lines of the README."""

import os
import re
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import inr
from inr.cli.app import GROUPS, HOMES, app
from inr.cli.help import EXAMPLES
from inr.cli.main import main
from tests.support.commands import ROOT, TIMEOUT_S, command, environment

README = (ROOT / "README.md").read_text("utf-8")


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    return output


def parsed(line: str) -> Any:
    """The context of a command line that is understood; nothing is run. Raises what `inr` would say is wrong."""
    words = shlex.split(line.partition(">")[0], comments=True)[1:]
    group = get_command(app)
    if words == ["--version"]:  # is done at once
        return group.make_context("inr", words, resilient_parsing=True)
    context = group.make_context("inr", list(words))
    name, sub, rest = group.resolve_command(context, list(words))  # type: ignore[attr-defined]
    while hasattr(sub, "resolve_command") and rest and not rest[0].startswith("-"):
        context = sub.make_context(name, list(rest), parent=context)
        name, sub, rest = sub.resolve_command(context, list(rest))
    return sub.make_context(name, list(rest), parent=context)


def readme_lines() -> list[str]:
    """All lines of the README that begin with the command, cut at semicolons."""
    blocks = re.findall(r"^ {4}((?:\w+=\S+ )*inr [a-z-](?:\\\n|.)*)$", README, flags=re.MULTILINE)
    whole = [block.replace("\\\n", " ").partition("#")[0].strip() for block in blocks]
    lines = [re.sub(r"^(\w+=\S+ )+", "", line).strip() for text in whole for line in text.split(";")]
    inline = [text for text in re.findall(r"`(inr [a-z][^`]*)`", README) if "," not in text and "--help" not in text]
    return [line for line in [*lines, *inline] if not set(line) & set("[]()")]


@pytest.mark.parametrize("flags", [("-h",), ("--help",), ()])
def test_help_stands_in_groups(capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]) -> None:
    text = shown(capsys, *flags)
    titles = re.findall(r"^(\S.*):$", text, flags=re.MULTILINE)
    assert titles == ["Options", *GROUPS, "Examples"]
    for group in GROUPS.values():
        assert [name for name in group if not re.search(rf"^  {name} +\w", text, flags=re.MULTILINE)] == []
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", HOMES)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    text = shown(capsys, name, "-h")
    assert text == shown(capsys, name, "--help")
    assert text.startswith(f"Usage: inr {name} ")
    assert ("Examples:" in text) == (name in EXAMPLES)
    assert "list[" not in text.partition("Examples:")[0].partition("\n")[0]


def test_options_of_compress_stand_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "compress", "-h")
    titles = ["Arguments", "Target", "Input", "Model", "Training", "Computer", "Output", "Options", "Examples"]
    assert re.findall(r"^(\S.*):$", text, flags=re.MULTILINE) == titles
    assert text.startswith("Usage: inr compress [OPTIONS] IN OUT.inr\n")
    order = [text.index(part) for part in ("Target:", "--bpp", "Model:", "--model", "Output:", "--out-dir DIR")]
    assert order == sorted(order)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines if line.startswith("inr ")])
def test_examples_of_the_help_are_understood(line: str) -> None:
    assert parsed(line).params is not None


def test_lines_of_the_readme_are_understood() -> None:
    lines = readme_lines()
    assert len(lines) > 25
    wrong = {}
    for line in lines:
        try:
            parsed(line)
        except Exception as error:  # whatever it is, it is shown
            wrong[line] = str(error)
    assert wrong == {}


@pytest.mark.parametrize(
    "line", ["inr compress photo.png", "inr compress --bbp 3 a b", "inr compres a b", "inr bench zo"]
)
def test_what_is_wrong_is_not_understood(line: str) -> None:
    """The two tests above can fail."""
    if line == "inr compress photo.png":  # what is missing depends on --out-dir, so the command says it
        assert main(line.split()[1:]) == 2
        return
    with pytest.raises(Exception, match="No such"):
        parsed(line)


@pytest.mark.parametrize("arguments", [("--version",), ("--version", "compress")])
def test_version(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert shown(capsys, *arguments) == f"inr {inr.__version__}\n"


def completed(tmp_path: Path, line: str) -> str:
    """What a line becomes in bash after the tabulator, on a terminal."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    script = tmp_path / "bin" / "inr"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m inr "$@"\n')
    script.chmod(0o755)
    (tmp_path / "photo.png").write_bytes(b"")
    inside = {**environment(), "PATH": f"{script.parent}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb"}
    terminal = "import pty; pty.spawn(['bash', '--norc', '--noprofile', '-i'])"
    with subprocess.Popen(
        [sys.executable, "-c", terminal],
        cwd=tmp_path,
        env=inside,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            _type(process, 'source <(inr completion bash); echo rea"dy"\n')
            _seen(process, r"\nready")
            _type(process, 'inr_line() { echo "<$*>"; }; echo do"ne"\n')
            _seen(process, r"\ndone")
            _type(process, line + "\t")
            # The shell takes up what follows only when the tabulator has been answered.
            _type(process, '\x01inr_line "\x05"\n')
            found: list[str] = re.findall(r"\n<(.*)>", _seen(process, r"\n<.*>"))
            return found[-1].strip()
        finally:
            process.kill()


def _type(process: "subprocess.Popen[bytes]", text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text.encode())
    process.stdin.flush()


def _seen(process: "subprocess.Popen[bytes]", pattern: str) -> str:
    """What is shown until a pattern is."""
    assert process.stdout is not None
    output, deadline = "", time.monotonic() + TIMEOUT_S
    while not re.search(pattern, output):
        assert time.monotonic() < deadline, output
        if select.select([process.stdout], [], [], 0.2)[0]:
            output += os.read(process.stdout.fileno(), 65536).decode().replace("\r", "")
    return output


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("inr decomp", "inr decompress"),
        ("inr compress --quie", "inr compress --quiet"),
        ("inr compress photo.png photo.inr --model hashg", "inr compress photo.png photo.inr --model hashgrid"),
        ("inr fit photo.png --sampler teach", "inr fit photo.png --sampler teaching"),
        ("inr compress pho", "inr compress photo.png"),
        ("inr bench sampl", "inr bench samplers"),
    ],
)
def test_bash_completes(tmp_path: Path, line: str, whole: str) -> None:
    assert completed(tmp_path, line) == whole


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_scripts_of_shells(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert "_INR_COMPLETE" in shown(capsys, "completion", shell)
    assert main(["completion", "tcsh"]) == 2
    assert "unknown shell 'tcsh'; known: bash, zsh, fish, powershell" in capsys.readouterr().err


def test_names_are_completed_for_other_shells() -> None:
    asked = {"_INR_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "inr compress --loss "}
    done = subprocess.run(command(), env={**environment(), **asked}, capture_output=True, text=True, check=False)
    assert {"mse", "l1", "huber"} <= set(re.findall(r'"(\w+)"', done.stdout))
